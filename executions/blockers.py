"""Which other executions a live one waits for."""

from __future__ import annotations

from django.db.models import Q

from executions.models import BlockedOn, ExecutionQuerySet, WorkflowExecution

# More than these help nobody.
MOST_BLOCKERS = 10
# Before a worker has an execution, or while one has it, it waits for no other.
_WAITS_FOR_OTHERS = (BlockedOn.CALLBACK, BlockedOn.TIMER, BlockedOn.RETRY, BlockedOn.PAUSED)


def blockers(execution: WorkflowExecution) -> ExecutionQuerySet:
    """Return the executions that must end before this one can go on, the oldest first.

    Its sub-workflows; or, if it waits for its turn, those that are under way with its key.
    """
    if execution.has_ended or execution.lease_owner is not None:
        return WorkflowExecution.objects.none()
    # In the words of the indexes, for what is live.
    oldest_first = WorkflowExecution.objects.filter(completed_at__isnull=True).order_by("created_at", "id")
    if execution.blocked_on == BlockedOn.CONCURRENCY:
        is_under_way = Q(blocked_on__isnull=True) | ~Q(blocked_on=BlockedOn.CONCURRENCY)
        return oldest_first.filter(
            is_under_way,
            workflow=execution.workflow_id,
            concurrency_key=execution.concurrency_key,
            concurrency_key__isnull=False,
        )
    if execution.blocked_on in _WAITS_FOR_OTHERS:
        return oldest_first.filter(parent=execution, is_waited_for=True)
    return WorkflowExecution.objects.none()
