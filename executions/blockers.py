"""Which other executions a live one waits for."""

from __future__ import annotations

from executions.engine.limits import Group
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
    group = Group.of(execution)
    if group is not None and execution.blocked_on == BlockedOn.CONCURRENCY:
        return group.counted.order_by("created_at", "id")
    if execution.blocked_on in _WAITS_FOR_OTHERS:
        # In the words of the index, for what is live.
        below = WorkflowExecution.objects.filter(completed_at__isnull=True, parent=execution, is_waited_for=True)
        return below.order_by("created_at", "id")
    return WorkflowExecution.objects.none()
