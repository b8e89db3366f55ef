"""Bringing a sleeping execution what it waits for: a sub-workflow's end, a callback, an approval.

Whoever brings something locks the execution before its node runs, as the execution's worker does when it records them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from executions import bell
from executions.models import LIVE, BlockedOn, ExecutionQueue, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog

# What is due already stays where it stands in the queue; what somebody holds back looks at everything once it is let on.
UNMOVED = (BlockedOn.QUEUE, BlockedOn.PAUSED, BlockedOn.CONCURRENCY)


def lock(execution_id: UUID) -> str | None:
    """Lock an execution's row until the present transaction ends, and return its queue. SQLite's transactions are alone anyway."""
    rows = WorkflowExecution.objects.select_for_update(no_key=True).filter(pk=execution_id)
    return rows.values_list("queue", flat=True).first()


def answer(execution_id: UUID, node_run_id: UUID, value: Mapping[str, Any]) -> bool:
    """Bring a node run what it waits for, and signal its execution. Belongs into a transaction.

    :param value: ``{"output", "ports"?}`` or ``{"error": {"code", "message", …}}``.
    :returns: whether it still waited: the first answer counts, and none after the node run has ended.
    """
    queue = lock(execution_id)
    waiting = WorkflowExecutionLog.objects.filter(
        pk=node_run_id, execution_id=execution_id, status=ExecutionStatus.RUNNING, answer__isnull=True
    )
    if not waiting.update(answer=value):
        return False
    signal(execution_id, queue=queue)
    return True


def signal(execution_id: UUID, *, queue: str | None = None) -> None:
    """Let an execution look at what has come: one that sleeps is due now, one that a worker holds may not fall asleep.

    Belongs into the transaction that has written what has come.

    :param queue: the one that it waits in, for which the bell rings; not known: it rings for all.
    """
    sleeps = Q(lease_owner__isnull=True) & ~Q(blocked_on__in=UNMOVED)
    WorkflowExecution.objects.filter(pk=execution_id, status__in=LIVE).update(
        wake_at=Case(When(sleeps, then=Now()), default=F("wake_at")),
        blocked_on=Case(When(sleeps, then=Value(BlockedOn.QUEUE)), default=F("blocked_on")),
        blocked_detail=Case(When(sleeps, then=Value("")), default=F("blocked_detail")),
        is_signalled=Case(When(lease_owner__isnull=False, then=Value(True)), default=F("is_signalled")),
    )
    bell.ring_on_commit(*(ExecutionQueue if queue is None else [queue]))
