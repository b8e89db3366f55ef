"""Running an execution again: as a whole, or from a node, with what lies before it taken over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings
from django.db import transaction

from executions import quotas
from executions.engine.versions import compiled
from executions.exceptions import ExecutionTooLarge, IllegalTransition, InvalidRerun
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.files import write
from executions.outputs.reference import file_columns
from executions.rerun.copying import copy_node_runs, output_bytes_of
from executions.rerun.places import find_place
from executions.rerun.selection import Edited, Edits, Selection, Versions, scopes_of, select
from executions.services.lifecycle import newest_version, start_execution
from projects import audit
from projects.exceptions import Invalid, NotFound
from projects.payloads import storable
from workflows.definition.problems import Problem, pointer
from workflows.definition.validation import check_inputs
from workflows.models import TriggerType, WorkflowVersion

if TYPE_CHECKING:
    from projects.access import Actor

# Stands for the input that the execution had.
SAME: Any = object()


@transaction.atomic
def rerun_execution(
    execution: WorkflowExecution,
    *,
    by: Actor | None,
    now: datetime,
    input: Any = SAME,
    newest: bool = False,
    number: int | None = None,
    from_node: str | None = None,
    iteration: str = "",
    outputs: Mapping[str, Any] | None = None,
) -> WorkflowExecution:
    """Run an ended execution again, as a new one that knows which one it came from.

    :param input: another value for ``trigger``.
    :param newest: on the newest version instead of its own.
    :param number: on the version with this number.
    :param from_node: only from this node on. What ran before it or beside it is taken over, as node runs that say so.
    :param iteration: the pass in which the node lies; of a scope itself, the pass that begins anew.
    :param outputs: other outputs for nodes that come before ``from_node``, by node id.
    :raises IllegalTransition: if it has not ended yet.
    :raises NotRunnable: if the workflow can't start executions now.
    :raises InvalidRerun: if it can't be run like this; ``problems`` lists why.
    :raises ExecutionTooLarge: if what is taken over is more than an execution may hold.
    :raises OutputNotKept: if an output that was given is large, and the storage does not take it.
    :raises NotFound: if the clean-up has just removed it.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    if not execution.has_ended:
        raise IllegalTransition(f"Execution {execution.pk} is still {execution.status}. Cancel it first, or wait.")
    # Locked, the clean-up passes it by: what is taken over must not vanish while it is copied.
    if not WorkflowExecution.objects.select_for_update(no_key=True).filter(pk=execution.pk).values("pk"):
        raise NotFound(f"Execution {execution.pk} was removed in this moment.")
    outputs = outputs or {}
    problems = _contradictions(newest=newest, number=number, from_node=from_node, iteration=iteration, outputs=outputs)
    version = _version(execution, newest=newest, number=number)
    if version is None:
        problems.append(Problem("unknown_version", "/version", f"The workflow has no version {number}."))
        raise _refused(execution, problems)
    problems += [*_unfit_trigger(execution, version, input=input), *_unfit_outputs(version, outputs)]
    selection = None
    if from_node is not None:
        edits = Edits(outputs, {} if input is SAME else {execution.execution_context["node_id"]: input})
        selection, found = _selection(execution, version, from_node, iteration, edits)
        problems += found
    if problems:
        raise _refused(execution, problems)
    quotas.take_start(execution.project_id, now=now)
    before = execution.execution_context
    again = start_execution(
        version,
        kind=TriggerType(execution.triggered_by),
        node_id=before["node_id"],
        payload=before["trigger"] if input is SAME else input,
        now=now,
        trigger_id=execution.trigger_id,
        by=by,
        scheduled_for=execution.scheduled_for,
        rerun_of=execution,
    )
    details: dict[str, Any] = {"as": str(again.pk)}
    if selection is not None:
        details |= {"from_node": from_node, "iteration": iteration}
        again.execution_context |= {"rerun_from": {"node_id": from_node, "iteration": iteration}}
        again.save(update_fields=["execution_context"])
    if selection is not None and not again.has_ended:
        _take_over(selection, execution, again, now=now)
    audit.record("execution.rerun", execution, project=execution.project, by=by, details=details)
    return again


def _take_over(selection: Selection, execution: WorkflowExecution, again: WorkflowExecution, *, now: datetime) -> None:
    copy_node_runs(execution, again, pks=selection.pks, passes=selection.passes, now=now)
    for pk, state in selection.resumed.items():
        again.node_runs.filter(reused_from=pk).update(
            status=ExecutionStatus.RUNNING,
            state=state,
            ports=[],
            output_data=None,
            **file_columns(None),
            error=None,
            completed_at=None,
            duration_ms=None,
        )
    WorkflowExecutionLog.objects.bulk_create(_edited(each, again, now=now) for each in selection.edited)
    again.output_bytes = output_bytes_of(again)
    if again.output_bytes > settings.EXECUTION_OUTPUT_MAX_BYTES:
        raise ExecutionTooLarge(
            f"What is taken over has {again.output_bytes:,} bytes of outputs; an execution may hold "
            f"{settings.EXECUTION_OUTPUT_MAX_BYTES:,}. Run it again from an earlier node, or as a whole."
        )
    again.save(update_fields=["output_bytes"])


def _edited(each: Edited, again: WorkflowExecution, *, now: datetime) -> WorkflowExecutionLog:
    node, output = each.compiled.node, storable(each.output)
    file = None
    if len(orjson.dumps(output)) > settings.NODE_OUTPUT_INLINE_MAX_BYTES:
        file = write(output, project_id=again.project_id, execution_id=again.pk, now=now)
    return WorkflowExecutionLog(
        execution=again,
        node_id=node.id,
        node_name=node.name,
        node_type=node.type,
        iteration=each.iteration,
        status=ExecutionStatus.COMPLETED,
        ports=list(each.ports),
        reused_from=each.original,
        started_at=now,
        completed_at=now,
        created_at=now,
        duration_ms=0,
        input_data={"is_edited": True},
        output_data=None if file else output,
        **file_columns(file),
    )


# --- What is asked for ------------------------------------------------------------------------------------------------


def _version(execution: WorkflowExecution, *, newest: bool, number: int | None) -> WorkflowVersion | None:
    if number is not None:
        return execution.workflow.versions.filter(number=number).select_related("workflow").first()
    return newest_version(execution.workflow) if newest else execution.workflow_version


def _contradictions(
    *, newest: bool, number: int | None, from_node: str | None, iteration: str, outputs: Mapping[str, Any]
) -> list[Problem]:
    found = []
    if newest and number is not None:
        found.append(Problem("contradiction", "/newest", "Give `version` or `newest`, not both."))
    if from_node is None:
        hint = "Say from which node, with `from_node`."
        if iteration:
            found.append(Problem("contradiction", "/iteration", "Run again as a whole, it begins in no pass.", hint))
        if outputs:
            found.append(Problem("contradiction", "/outputs", "Run again as a whole, it takes no output over.", hint))
    return found


def _unfit_trigger(execution: WorkflowExecution, version: WorkflowVersion, *, input: Any) -> list[Problem]:
    """Return why a version can't be started as the execution was."""
    node_id = execution.execution_context["node_id"]
    node = compiled(version.pk).nodes.get(node_id)
    if node is None or not node.type.starts_workflow or node.node.disabled:
        message = f"Version {version.number} has no trigger node `{node_id}`, with which the execution began."
        return [Problem("unknown_trigger", "/version", message, "Start that version by itself instead.")]
    is_as_before = input is SAME and version.pk == execution.workflow_version_id
    if is_as_before or execution.triggered_by != TriggerType.MANUAL:
        return []
    payload = execution.execution_context["trigger"] if input is SAME else input
    misfits = check_inputs(version.definition.get("inputs"), payload)
    return [replace(problem, path=f"/input{problem.path}") for problem in misfits]


def _unfit_outputs(version: WorkflowVersion, outputs: Mapping[str, Any]) -> list[Problem]:
    """Return why outputs can't be those of nodes."""
    nodes = compiled(version.pk).nodes
    found = []
    for node_id, output in outputs.items():
        path = pointer("outputs", node_id)
        if node_id in nodes and nodes[node_id].type.starts_workflow:
            message = f"The output of `{node_id}` is what started the execution."
            found.append(Problem("trigger_output", path, message, "Give it as `input`."))
        try:
            size = len(orjson.dumps(storable(output)))
        except Invalid as error:
            found.append(Problem("not_storable", path, error.message))
            continue
        if size > settings.NODE_OUTPUT_MAX_BYTES:
            allowed = f"{settings.NODE_OUTPUT_MAX_BYTES:,}"
            found.append(Problem("output_too_large", path, f"It has {size:,} bytes; {allowed} are allowed."))
    return found


def _selection(
    execution: WorkflowExecution, version: WorkflowVersion, from_node: str, iteration: str, edits: Edits
) -> tuple[Selection | None, list[Problem]]:
    """Return what is taken over, or what stands against it."""
    versions = Versions(compiled(execution.workflow_version_id), compiled(version.pk))
    place = find_place(versions.now.graph, from_node, iteration, scopes=scopes_of(versions.now))
    if isinstance(place, Problem):
        return None, [place]
    return select(execution, versions, place, edits)


def _refused(execution: WorkflowExecution, problems: list[Problem]) -> InvalidRerun:
    return InvalidRerun(
        f"Execution {execution.pk} can't be run again like this.", problems=[problem.to_json() for problem in problems]
    )
