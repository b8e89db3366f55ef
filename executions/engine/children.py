"""Sub-workflows: executions that a node run of another one has started, and may wait for.

Locks go from above to below. Whoever ends an execution that its parent waits for locks the parent's row first, then the
execution's own, then those below it; a worker that records a parent's node runs holds the parent's row already. Two that end parent
and child in the same moment so take turns, and the second one finds what the first one left. The other way round (the child's
row first, because it is nearer) they would wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection

from executions import services
from executions.engine import ending, signals
from executions.engine.context import without_marks
from executions.exceptions import IllegalTransition, InvalidInput, NotRunnable
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.for_nodes import opened
from executions.outputs.reference import result_in
from projects.exceptions import NotFound
from projects.failpoints import failpoint
from workflows.models import TriggerType, WorkflowVersion
from workflows.nodes.base import NodeError, StartWorkflow
from workflows.services import workflow_called

# What an error says of the input's problems at most.
MOST_PROBLEMS = 20


def check(outcome: StartWorkflow, parent: WorkflowExecution) -> WorkflowVersion:
    """Return the version that an execution's node would start now. Asked before the transaction that starts it.

    The number of executions below a root is looked at here and not where the child is inserted: what several workers start
    in the same moment may go beyond it by a few.

    :raises NodeError: if there is no such workflow, if it starts nothing now, if the input does not fit it, or if too many
        executions lie above or below.
    """
    try:
        version, _ = _ready(outcome, parent)
        services.refuse_misfit(version, without_marks(outcome.input))
    except NotFound as error:
        raise NodeError("unknown_workflow", error.message) from error
    except NotRunnable as error:
        raise NodeError("workflow_not_runnable", error.message) from error
    except InvalidInput as error:
        raise NodeError(
            error.code,
            " ".join([error.message, *(f"{each['path'] or '/'}: {each['message']}" for each in error.problems[:3])]),
            details={"problems": error.problems[:MOST_PROBLEMS]} if error.problems else None,
        ) from error
    _refuse_too_many(parent, version)
    return version


def start(
    outcome: StartWorkflow,
    *,
    id: UUID,
    parent: WorkflowExecution,
    node_run_id: UUID,
    deadline: datetime | None,
    allowed_hosts: Sequence[Sequence[str]] = (),
    now: datetime,
) -> WorkflowExecution:
    """Start what :func:`check` has allowed, in the transaction that records the node run and holds the parent's row.

    Asked again for the same node run, it answers with the first child. One that is waited for ends by the earliest of its own
    timeout (counted from now), the node's deadline and its parent's; one that was let go is on its own.

    :param id: the child's, known before so that the node run can name it.
    :param deadline: the node's.
    :param allowed_hosts: those of the agents whose tool it is, if it is one. What its parent may not call, it may not call either.
    :raises SegueError: if that has changed in the moment since; the transaction is then to be undone, and the node run again.
    """
    first = WorkflowExecution.objects.filter(parent_node_run_id=node_run_id).first()
    if first is not None:
        return first
    failpoint("child.inside")
    version, trigger_node = _ready(outcome, parent)
    return services.start_execution(
        version,
        id=id,
        kind=TriggerType.WORKFLOW,
        node_id=trigger_node,
        payload=without_marks(outcome.input),
        now=now,
        hops=parent.execution_context.get("hops", 0),
        parent=parent,
        parent_node_run_id=node_run_id,
        is_waited_for=outcome.wait,
        depth=parent.depth + 1,
        allowed_hosts=[*parent.execution_context.get("allowed_hosts", ()), *allowed_hosts],
        deadline_at=_deadline(version, parent, deadline, now=now) if outcome.wait else None,
    )


def lock_parent(execution: WorkflowExecution) -> None:
    """Lock the parent that will be told of an execution's end. Comes before the execution's own row is locked."""
    if execution.is_waited_for and execution.parent_id is not None:
        signals.lock(execution.parent_id)


def answer_parent(execution: WorkflowExecution) -> None:
    """Tell the node run that waits for an ended execution how it ended, if it still waits."""
    if execution.is_waited_for and execution.parent_id is not None and execution.parent_node_run_id is not None:
        signals.answer(execution.parent_id, execution.parent_node_run_id, _answer(execution))


def output_in(answer: Mapping[str, Any]) -> Any:
    """Return the output that an answer brings, with the result of a sub-workflow that was too large for it.

    :raises NodeError: if that result lies in a file that cannot be read, or was cleaned up with its execution.
    """
    if "result_in" not in answer:
        return answer.get("output")
    output: dict[str, Any] = answer["output"]
    run = WorkflowExecutionLog.objects.filter(pk=answer["result_in"]).first()
    if run is None:
        raise NodeError(
            "output_lost",
            f"The result of execution {output['execution_id']} was removed with it before this node could take it over. "
            "Run the execution again from here.",
        )
    return {**output, "result": result_in(opened(run.file or run.output_data, run.node_id))}


def cancel_below(execution: WorkflowExecution, status: ExecutionStatus, *, now: datetime) -> None:
    """End the live executions that an ended one waited for. Those that it let go live on.

    One that has completed waited for nothing any more: its scopes call :func:`cancel_for` when they give something up.
    """
    if status is not ExecutionStatus.COMPLETED:
        below = WorkflowExecution.objects.live().filter(parent=execution, is_waited_for=True).order_by("pk")
        reason = f"Execution {execution.pk}, which waited for this one, ended as {status.value}."
        _end_all(below, ending.closed_as(status), reason=reason, now=now)


def cancel_for(node_run_ids: Collection[UUID], *, now: datetime) -> None:
    """End the live executions that these node runs waited for, because nobody waits any more.

    Belongs into the transaction that closes the node runs and holds their execution's row, after they are closed.
    """
    below = WorkflowExecution.objects.live().filter(parent_node_run_id__in=node_run_ids, is_waited_for=True)
    reason = "The node that waited for this execution was given up."
    _end_all(below.order_by("pk"), ExecutionStatus.CANCELLED, reason=reason, now=now)


def _ready(outcome: StartWorkflow, parent: WorkflowExecution) -> tuple[WorkflowVersion, str]:
    workflow = workflow_called(outcome.workflow, project_id=parent.project_id)
    if workflow is None:
        raise NotFound(
            f"The project has no workflow with the name or id {outcome.workflow[:200]!r}. "
            "Workflows of other projects cannot be started."
        )
    return services.ready_to_start(workflow, node_id=outcome.trigger)


def _refuse_too_many(parent: WorkflowExecution, version: WorkflowVersion) -> None:
    most_above, most_below = settings.WORKFLOW_MAX_DEPTH, settings.WORKFLOW_MAX_DESCENDANTS
    if parent.depth >= most_above:
        raise NodeError(
            "workflow_too_deep",
            f"Workflow {version.workflow.name!r} was not started: {parent.depth} executions lie above this one already, and "
            f"at most {most_above} may (WORKFLOW_MAX_DEPTH). Look for workflows that start each other in a circle.",
        )
    if _family_size(parent.pk, most=most_below) >= most_below:
        raise NodeError(
            "too_many_workflows",
            f"Workflow {version.workflow.name!r} was not started: its first ancestor has {most_below:,} executions below it "
            "already (WORKFLOW_MAX_DESCENDANTS). Hand lists to one execution instead of starting one for each item.",
        )


# Climbs to the execution that has no parent, then comes down level by level through the index of children, and stops
# counting at the limit.
_FAMILY_SQL = """
WITH RECURSIVE above AS (
  SELECT id, parent_id FROM workflow_executions WHERE id = %(id)s
  UNION ALL
  SELECT e.id, e.parent_id FROM workflow_executions e JOIN above ON e.id = above.parent_id
), below AS (
  SELECT id FROM above WHERE parent_id IS NULL
  UNION ALL
  SELECT e.id FROM below JOIN workflow_executions e ON e.parent_id = below.id
)
SELECT count(*) FROM (SELECT 1 FROM below LIMIT %(most)s) AS counted
"""


def _family_size(execution_id: UUID, *, most: int) -> int:
    """Return how many executions lie below the first ancestor of this one; counted no further than ``most``."""
    key = WorkflowExecution._meta.pk.get_db_prep_value(execution_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(_FAMILY_SQL, {"id": key, "most": most + 1})
        (counted,) = cursor.fetchone()
    return int(counted) - 1  # The first ancestor itself.


def _deadline(
    version: WorkflowVersion, parent: WorkflowExecution, deadline: datetime | None, *, now: datetime
) -> datetime:
    own = (version.definition.get("settings") or {}).get("timeout_seconds") or settings.WORKFLOW_EXECUTION_TIMEOUT
    others = [each for each in (deadline, parent.deadline_at) if each is not None]
    return min([now + timedelta(seconds=own), *others])


# What a parent's node fails with, by the child's status, and the verb of its message.
_FAILURES = {
    ExecutionStatus.FAILED: ("workflow_failed", "failed"),
    ExecutionStatus.CANCELLED: ("workflow_cancelled", "was cancelled"),
    ExecutionStatus.TIMEOUT: ("workflow_timeout", "timed out"),
}


def _answer(execution: WorkflowExecution) -> dict[str, Any]:
    status = ExecutionStatus(execution.status)
    if status is ExecutionStatus.COMPLETED:
        output = {"execution_id": str(execution.pk), "result": execution.result}
        # A large result stays where it is until the parent's worker makes its own output of it.
        return {"output": output} | ({"result_in": str(execution.result_in)} if execution.result_in else {})
    code, verb = _FAILURES[status]
    error = execution.error or {}
    message = f"Workflow `{execution.workflow_name}` (execution {execution.pk}) {verb}: {error.get('message', '')}"
    return {
        "error": {
            "code": code,
            "message": message,
            "details": {
                "execution_id": str(execution.pk),
                "status": status.value,
                "error": {key: error[key] for key in ("code", "message", "node_id", "iteration") if key in error},
            },
            # Its nodes had their retries. All of it again would do again what it has done, so it is for the author to ask:
            # ``"retry": {"on": ["workflow_failed"]}``.
            "retryable": False,
        }
    }


def _end_all(executions: Any, status: ExecutionStatus, *, reason: str, now: datetime) -> None:
    for execution in executions:
        try:
            ending.end_execution(execution, status, now=now, error={"code": "not_awaited", "message": reason})
        except IllegalTransition:
            continue  # It ended by itself in this moment.
