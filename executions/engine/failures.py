"""Error workflows: what a workflow's ``settings.on_failure`` starts when one of its executions ends badly.

The start belongs to the transaction that ends the execution, whoever ends it: both or neither. What keeps an error workflow from
being started never keeps the execution from ending; its error says so then.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import orjson
from django.conf import settings
from django.db import transaction

from executions import services
from executions.models import ExecutionStatus, WorkflowExecution
from projects.exceptions import NotFound, SegueError
from workflows.definition.schema import OnFailure
from workflows.models import TriggerType, WorkflowVersion
from workflows.services import workflow_called

logger = logging.getLogger(__name__)

# An error workflow is told the value that started the failed execution, unless it is larger than this.
MOST_TRIGGER_BYTES = 64 * 1024


def start_error_workflow(execution: WorkflowExecution, *, now: datetime) -> None:
    """Start what an ended execution's version asks for at such an end. An error workflow's own execution, and a test, start nothing.

    Its input is told and not checked against ``inputs``: being told in a way that does not fit is better than not at all.
    """
    if execution.status == ExecutionStatus.COMPLETED or execution.failure_of_id is not None or execution.is_test:
        return
    wanted = _on_failure(execution)
    if wanted is None:
        return
    try:
        on_failure = OnFailure(**wanted)
        if execution.status in on_failure.on:
            # A savepoint: whatever goes wrong here is undone alone.
            with transaction.atomic():
                _start(on_failure.workflow, execution, now=now)
    except SegueError as error:
        _note(execution, error.message)
    except Exception as error:
        logger.exception("An error workflow could not be started.", extra={"execution_id": str(execution.pk)})
        _note(execution, f"{type(error).__name__}.")


def _on_failure(execution: WorkflowExecution) -> dict[str, Any] | None:
    # Only this of the definition, which may be large: most executions that end badly have no error workflow.
    versions = WorkflowVersion.objects.filter(pk=execution.workflow_version_id)
    return versions.values_list("definition__settings__on_failure", flat=True).first()


def _start(name: str, execution: WorkflowExecution, *, now: datetime) -> None:
    workflow = workflow_called(name, project_id=execution.project_id)
    if workflow is None:
        raise NotFound(f"The project has no workflow with the name or id {name!r}.")
    version, trigger_node = services.ready_to_start(workflow)
    services.start_execution(
        version,
        kind=TriggerType.WORKFLOW,
        node_id=trigger_node,
        payload=told(execution),
        now=now,
        hops=execution.execution_context.get("hops", 0),
        failure_of=execution,
        # Not from 0 again: an error workflow that runs the failing one as a sub-workflow would go on for ever.
        depth=execution.depth,
    )


def told(execution: WorkflowExecution) -> dict[str, Any]:
    """Return what others are told of an ended execution, but for its result."""
    error = execution.error or {}
    return {
        "execution": {
            "id": str(execution.pk),
            "status": str(execution.status),
            "started_at": _moment(execution.started_at),
            "completed_at": _moment(execution.completed_at),
            "url": f"{settings.WEBHOOK_BASE_URL}/api/executions/{execution.pk}/",
        },
        "workflow": {
            "id": str(execution.workflow_id),
            "name": execution.workflow_name,
            "version": execution.workflow_version.number,
        },
        "error": {
            "code": error.get("code"),
            "message": error.get("message"),
            "node_id": error.get("node_id"),
            "iteration": error.get("iteration"),
        },
        "trigger": _trigger(execution.execution_context.get("trigger")),
    }


def _trigger(value: Any) -> Any:
    size = len(orjson.dumps(value))
    if size <= MOST_TRIGGER_BYTES:
        return value
    return {"left_out": f"{size:,} bytes: the execution's own page has all of it."}


def _moment(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


def _note(execution: WorkflowExecution, reason: str) -> None:
    """Say on the ended execution itself that nobody was told."""
    logger.warning("An error workflow was not started.", extra={"execution_id": str(execution.pk), "reason": reason})
    error = dict(execution.error or {})
    message = f"Its error workflow was not started: {reason}"
    error["details"] = {**(error.get("details") or {}), "on_failure": message}
    WorkflowExecution.objects.filter(pk=execution.pk).update(error=error)
    execution.error = error
