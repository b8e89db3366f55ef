"""The one way in which an execution ends, whoever ends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection

from executions.engine import awaiting, children, failures, limits
from executions.models import LIVE, ExecutionQueue, ExecutionStatus, WorkflowExecution
from executions.signals import execution_ended
from executions.spending import ledger
from projects.failpoints import failpoint

# The channel on which a waiting caller's process hears that an execution has ended, or has answered (PostgreSQL).
ENDED_CHANNEL = "segue_ended"


def end_execution(
    execution: WorkflowExecution,
    status: ExecutionStatus,
    *,
    now: datetime,
    fence: int | None = None,
    record: Callable[[], None] | None = None,
    result: Any = None,
    error: dict[str, Any] | None = None,
    **changes: Any,
) -> None:
    """Move an execution to a terminal status, close its open node runs, and tell who wants to know.

    Belongs into a transaction, which is to be undone if this fails.

    :param fence: the writing worker's; without it, the writer overrides workers (a person, the sweep).
    :param record: writes what the worker knows of the node runs, all of which it has closed; without it they are closed here.
    :param error: ``{"code", "message", …}`` for every end but ``completed``.
    :raises IllegalTransition: if it has ended already, or the worker has lost it.
    """
    children.lock_parent(execution)
    started_at = execution.started_at or now
    execution.move_to(
        status,
        fence=fence,
        completed_at=now,
        duration_seconds=max((now - started_at).total_seconds(), 0.0),
        result=result,
        error=error,
        **changes,
    )
    if record is None:
        _close_node_runs(execution, status, now=now)
        awaiting.give_up_all_of(execution, now=now)
    else:
        record()
    if execution.queue == ExecutionQueue.AGENTS:
        ledger.close_execution(execution.pk, now=now)
    children.cancel_below(execution, status, now=now)
    children.answer_parent(execution)
    failures.start_error_workflow(execution, now=now)
    failpoint("end.inside")
    execution_ended.send(sender=WorkflowExecution, execution=execution, now=now)
    tell_who_waits(execution)
    limits.let_next_in(execution)  # Last: see "Locks" there.


def tell_who_waits(execution: WorkflowExecution) -> None:
    """Wake those who wait for an execution's end or answer, once the present transaction is committed."""
    if execution.is_awaited and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [ENDED_CHANNEL, str(execution.pk)])


def closed_as(status: ExecutionStatus) -> ExecutionStatus:
    """Return what becomes of a node run that is open when its execution ends."""
    return ExecutionStatus.TIMEOUT if status is ExecutionStatus.TIMEOUT else ExecutionStatus.CANCELLED


def meanwhile(status: ExecutionStatus) -> dict[str, Any]:
    """Return what the error of such a node run says."""
    return {"code": f"execution_{status.value}", "message": f"The execution ended as {status.value} meanwhile."}


def _close_node_runs(execution: WorkflowExecution, status: ExecutionStatus, *, now: datetime) -> None:
    execution.node_runs.filter(status__in=LIVE).update(
        status=closed_as(status), completed_at=now, wake_at=None, waits_for=None, error=meanwhile(status)
    )
    if execution.queue == ExecutionQueue.AGENTS:
        ledger.note_unknown(execution.pk)
