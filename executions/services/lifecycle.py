"""How executions begin and are stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from executions import bell, quotas
from executions.engine import ending, limits
from executions.engine import in_place as engine
from executions.exceptions import IdempotencyMismatch, InvalidInput, NotRunnable
from executions.models import (
    LIVE,
    BlockedOn,
    ExecutionQueue,
    ExecutionStatus,
    WorkflowExecution,
    WorkflowExecutionLog,
)
from executions.outputs.files import read
from executions.outputs.reference import FILE_COLUMNS, result_in
from executions.queues import queue_of
from projects import audit
from projects.failpoints import failpoint
from projects.ids import new_id
from projects.payloads import storable
from workflows.definition.validation import check_inputs
from workflows.models import TriggerType, Workflow, WorkflowStatus, WorkflowVersion

if TYPE_CHECKING:
    from projects.access import Actor

RUNNABLE = (WorkflowStatus.ACTIVE, WorkflowStatus.PAUSED)
# Whose drafts may be tried.
TESTABLE = tuple(status for status in WorkflowStatus if status != WorkflowStatus.ARCHIVED)


def start_execution(
    version: WorkflowVersion,
    *,
    kind: TriggerType,
    node_id: str,
    payload: Any,
    now: datetime,
    trigger_id: UUID | None = None,
    by: Actor | None = None,
    scheduled_for: datetime | None = None,
    idempotency_key: str | None = None,
    ip_address: str | None = None,
    user_agent: str = "",
    awaited: bool = False,
    hops: int = 0,
    rerun_of: WorkflowExecution | None = None,
    parent: WorkflowExecution | None = None,
    parent_node_run_id: UUID | None = None,
    is_waited_for: bool = False,
    failure_of: WorkflowExecution | None = None,
    depth: int = 0,
    deadline_at: datetime | None = None,
    id: UUID | None = None,
    in_place: bool = False,
    is_test: bool = False,
    allowed_hosts: Sequence[Sequence[str]] = (),
) -> WorkflowExecution:
    """Accept a run of a version. Once the caller's transaction is committed it will reach a terminal status.

    A paused workflow accepts too: its executions wait. So do those for which the version's limit on concurrency has no
    room, unless it says that they are skipped: such an execution has ended when it is returned.

    A test is an execution like any other, but for what lies around it: limits on concurrency, error workflows, followers and
    statistics do not know of it, and it also runs while its workflow is a draft, paused or disabled. What a test starts is one.

    :param node_id: the trigger node at which it begins.
    :param payload: what expressions see as ``trigger``.
    :param awaited: whether somebody will wait for the end.
    :param hops: through how many workflows the request that starts it came.
    :param parent: the execution that starts it as a sub-workflow, through ``parent_node_run_id``.
    :param failure_of: the execution whose end starts it as an error workflow.
    :param depth: how many executions lie above it.
    :param deadline_at: by when it ends; without it, its own timeout counts from its beginning.
    :param id: its id, where the caller has told it somebody already.
    :param in_place: whether somebody waits who would rather have it run here, if all of its nodes are pure.
    :param allowed_hosts: its calls may only go to what is in each of these lists: an agent's model may have chosen its input.
        What is run again keeps its own.
    :raises NotRunnable: if the workflow is a draft, disabled or archived; for a test, if it is archived.
    """
    workflow = version.workflow
    if rerun_of is not None:
        allowed_hosts = rerun_of.execution_context.get("allowed_hosts", ())
    is_test = is_test or any(each is not None and each.is_test for each in (parent, rerun_of))
    if workflow.status not in (TESTABLE if is_test else RUNNABLE):
        raise NotRunnable(_why_not(workflow))
    context = storable(context_of(payload, node_id=node_id, hops=hops))
    if allowed_hosts:
        context["allowed_hosts"] = [list(hosts) for hosts in allowed_hosts]
    admission = limits.NOT_LIMITED if is_test else limits.admit(version, trigger=context["trigger"], now=now)
    execution = WorkflowExecution(
        id=id or new_id(),
        project_id=workflow.project_id,
        workflow=workflow,
        workflow_version=version,
        workflow_name=workflow.name,
        execution_context=context,
        triggered_by=kind,
        trigger_id=trigger_id,
        started_by_id=by.user_id if by else None,
        scheduled_for=scheduled_for,
        idempotency_key=idempotency_key,
        ip_address=ip_address,
        user_agent=user_agent[:500],
        is_awaited=awaited,
        rerun_of=rerun_of,
        parent=parent,
        parent_node_run_id=parent_node_run_id,
        is_waited_for=is_waited_for,
        failure_of=failure_of,
        depth=depth,
        deadline_at=deadline_at,
        concurrency_key=admission.key,
        queue=queue_of(version),
        is_test=is_test,
        created_at=now,
    )
    if admission.refusal is not None:
        ending.end_execution(execution, admission.refusal.status, now=now, error=admission.refusal.error)
        return execution
    if admission.may_start and in_place and engine.suits(execution) and engine.run(execution):
        return execution
    execution.blocked_on = BlockedOn.QUEUE if admission.may_start else BlockedOn.CONCURRENCY
    execution.blocked_detail = admission.waits
    execution.wake_at = Now() if admission.may_start else None
    execution.save(force_insert=True)
    if admission.may_start:
        execution.wake_at = now  # The row holds the database's own time, which is not worth a query.
        bell.ring_on_commit(execution.queue)
    elif admission.replaces:
        limits.make_room_on_commit(execution, now=now)
    failpoint("accept.inside")
    return execution


@transaction.atomic
def start_manually(
    workflow: Workflow,
    *,
    input: Any,
    by: Actor | None,
    now: datetime,
    node_id: str | None = None,
    idempotency_key: str | None = None,
    ip_address: str | None = None,
    user_agent: str = "",
    awaited: bool = False,
) -> WorkflowExecution:
    """Run the newest version with an input that fits the workflow's ``inputs``.

    Asked again with the same ``idempotency_key`` and input, it answers with the first execution.

    :param node_id: the trigger node to begin at; without it the manual one, or the only one there is.
    :raises NotRunnable: if the workflow can't start executions now.
    :raises InvalidInput: if the input does not fit, or no trigger node is meant; ``problems`` lists why.
    :raises IdempotencyMismatch: if the key was used with another input.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    version, begin = ready_to_start(workflow, node_id=node_id)
    refuse_misfit(version, input)
    if idempotency_key is not None:
        first = _with_key(workflow, idempotency_key)
        if first is not None:
            return _same_again(first, workflow=workflow, input=input, node_id=begin)
    # Before the workflow is locked: of two rows, everybody locks the project first.
    quotas.take_start(workflow.project_id, now=now)
    if idempotency_key is not None:
        first = _first_with_key(workflow, idempotency_key)
        if first is not None:
            return _same_again(first, workflow=workflow, input=input, node_id=begin)
    return start_execution(
        version,
        kind=TriggerType.MANUAL,
        node_id=begin,
        payload=input,
        now=now,
        by=by,
        idempotency_key=idempotency_key,
        ip_address=ip_address,
        user_agent=user_agent,
        awaited=awaited,
        in_place=awaited,
    )


def ready_to_start(workflow: Workflow, *, node_id: str | None = None) -> tuple[WorkflowVersion, str]:
    """Return the newest version of a workflow that may start now, and the trigger node to begin at.

    :param node_id: the trigger node; without it the manual one, or the only one there is.
    :raises NotRunnable: if the workflow can't start executions now.
    :raises InvalidInput: if no trigger node is meant.
    """
    if workflow.status not in RUNNABLE:
        raise NotRunnable(_why_not(workflow))
    version = newest_version(workflow)
    return version, trigger_node(version.definition, node_id)


def refuse_misfit(version: WorkflowVersion, input: Any) -> None:
    """Refuse an input that does not fit a version's ``inputs``.

    :raises InvalidInput: ``problems`` lists why.
    """
    problems = check_inputs(version.definition.get("inputs"), input)
    if problems:
        raise InvalidInput(
            f"The input does not fit the inputs of workflow {version.workflow.name!r}.",
            problems=[replace(problem, path=f"/input{problem.path}").to_json() for problem in problems],
        )


def newest_version(workflow: Workflow) -> WorkflowVersion:
    """Return the last published version.

    :raises NotRunnable: if there is none.
    """
    version = workflow.versions.filter(number=workflow.version).select_related("workflow").first()
    if version is None:
        raise NotRunnable(_why_not(workflow))
    return version


@transaction.atomic
def cancel_execution(
    execution: WorkflowExecution, *, by: Actor | None, now: datetime, reason: str = ""
) -> WorkflowExecution:
    """Stop a live execution. A worker that holds it writes nothing more.

    :raises IllegalTransition: if it has already ended.
    """
    message = f"Cancelled by {by.user.get_username()}." if by else "Cancelled."
    ending.end_execution(
        execution,
        ExecutionStatus.CANCELLED,
        now=now,
        error={"code": "cancelled", "message": f"{message} {reason}".strip()},
    )
    failpoint("cancel.inside")
    audit.record("execution.cancelled", execution, project=execution.project, by=by, details={"reason": reason})
    return execution


def wake_parked(workflow: Workflow) -> int:
    """Make the executions due that waited because their workflow was paused. Returns how many there are."""
    woken = WorkflowExecution.objects.filter(
        workflow=workflow, status__in=LIVE, blocked_on=BlockedOn.PAUSED, lease_owner__isnull=True
    ).update(wake_at=Now(), blocked_on=BlockedOn.QUEUE, blocked_detail="", fence=F("fence") + 1)
    bell.ring_on_commit(*ExecutionQueue)
    return woken


def output_of(node_run: WorkflowExecutionLog) -> Any:
    """Return what a node run has put out, from its row or its file.

    :raises OutputUnreadable: if it lies in a file that is lost or changed.
    :raises StorageDown: if it lies in a file, and the storage cannot be reached.
    """
    file = node_run.file
    return node_run.output_data if file is None else read(file, node_id=node_run.node_id)


def result_of(execution: WorkflowExecution) -> Any:
    """Return the result of an execution, wherever it lies.

    :raises OutputUnreadable: if it lies in a file that is lost or changed.
    :raises StorageDown: if it lies in a file, and the storage cannot be reached.
    """
    if execution.result_in is None:
        return execution.result
    return result_in(output_of(execution.node_runs.get(pk=execution.result_in)))


def answer_of(execution: WorkflowExecution) -> Mapping[str, Any] | None:
    """Return what the output node that ended last made: ``value``, ``status`` and ``headers``; ``None`` without one.

    :raises OutputUnreadable: if it lies in a file that is lost or changed.
    :raises StorageDown: if it lies in a file, and the storage cannot be reached.
    """
    runs = execution.node_runs.filter(node_type="output", status=ExecutionStatus.COMPLETED)
    return _answer_in(runs.order_by("-completed_at", "-id"))


def early_answer_of(execution: WorkflowExecution) -> Mapping[str, Any] | None:
    """Return what the node has said that answered the waiting caller: ``value``, ``status``, ``headers``; ``None`` if none did.

    :raises OutputUnreadable: if it lies in a file that is lost or changed.
    :raises StorageDown: if it lies in a file, and the storage cannot be reached.
    """
    if execution.answered_by is None:
        return None
    return _answer_in(execution.node_runs.filter(pk=execution.answered_by))


def _answer_in(runs: QuerySet[WorkflowExecutionLog]) -> Mapping[str, Any] | None:
    run = runs.only("node_id", "output_data", *FILE_COLUMNS).first()
    return None if run is None else output_of(run)


def context_of(payload: Any, *, node_id: str, hops: int = 0) -> dict[str, Any]:
    """Return what an execution is told of its beginning."""
    context = {"trigger": payload, "node_id": node_id}
    return context | {"hops": hops} if hops else context


def _why_not(workflow: Workflow) -> str:
    reason = f" ({workflow.status_reason})" if workflow.status_reason else ""
    match workflow.status:
        case WorkflowStatus.DRAFT:
            return f"Workflow {workflow.name!r} was never published. Publish it first."
        case WorkflowStatus.DISABLED:
            return f"Workflow {workflow.name!r} is disabled{reason}. Enable it first."
        case _:
            return f"Workflow {workflow.name!r} is {workflow.status}{reason} and starts nothing."


def trigger_node(definition: Mapping[str, Any], node_id: str | None) -> str:
    triggers: dict[str, str] = {
        node["id"]: node["config"].get("kind")
        for node in definition["nodes"]
        if node["type"] == "trigger" and not node.get("disabled")
    }
    if node_id is None:
        manual = [key for key, kind in triggers.items() if kind == TriggerType.MANUAL]
        candidates = manual or list(triggers)
        if len(candidates) == 1:
            return candidates[0]
    elif node_id in triggers:
        return node_id
    wanted = f"{node_id!r} is not a trigger node of it" if node_id else "It has several trigger nodes"
    raise InvalidInput(
        f"{wanted}. Name the one to begin at: {', '.join(sorted(triggers)) or 'there is none'}.", path="/trigger"
    )


def _first_with_key(workflow: Workflow, key: str) -> WorkflowExecution | None:
    # Starts with the same key take turns, so that the second one finds the first.
    Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
    return _with_key(workflow, key)


def _with_key(workflow: Workflow, key: str) -> WorkflowExecution | None:
    return WorkflowExecution.objects.filter(project_id=workflow.project_id, idempotency_key=key).first()


def _same_again(first: WorkflowExecution, *, workflow: Workflow, input: Any, node_id: str) -> WorkflowExecution:
    before = first.execution_context
    same = first.workflow_id == workflow.pk and (before["trigger"], before["node_id"]) == (storable(input), node_id)
    if not same:
        raise IdempotencyMismatch(
            f"This idempotency key started execution {first.pk} with another workflow or input. "
            "Use a new key for a new request.",
            path="/idempotency_key",
        )
    return first
