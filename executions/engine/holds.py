"""How a turn writes the execution that it carries: under a lease, or once, in the transaction that accepts it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from executions.engine import leases
from executions.engine.ending import end_execution
from executions.exceptions import IllegalTransition
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution


class Hold(Protocol):
    """The right to write one execution. Every method belongs into a transaction."""

    def write(self, **changes: Any) -> None:
        """Change columns, and go on holding it.

        :raises LeaseLost: if it is no longer ours.
        """

    def hand_back(self, *, wake_at: datetime | None, blocked_on: BlockedOn, detail: str, **changes: Any) -> None:
        """Let it go until a moment, or until something comes.

        :raises LeaseLost: if it is no longer ours.
        """

    def end(self, status: ExecutionStatus, *, now: datetime, record: Callable[[], None], **outcome: Any) -> None:
        """End it. ``record`` writes its node runs.

        :raises LeaseLost: if it is no longer ours.
        """


class Claimed:
    """An execution that a worker has claimed: every write carries the fence."""

    def __init__(self, execution: WorkflowExecution) -> None:
        self.lease = leases.Lease(execution.pk, execution.fence)
        self._execution = execution

    def write(self, **changes: Any) -> None:
        """See :class:`Hold`."""
        leases.write(self.lease, **changes)

    def hand_back(self, *, wake_at: datetime | None, blocked_on: BlockedOn, detail: str, **changes: Any) -> None:
        """See :class:`Hold`."""
        leases.hand_back(self.lease, wake_at=wake_at, blocked_on=blocked_on, detail=detail, **changes)

    def end(self, status: ExecutionStatus, *, now: datetime, record: Callable[[], None], **outcome: Any) -> None:
        """See :class:`Hold`."""
        try:
            end_execution(self._execution, status, now=now, fence=self.lease.fence, record=record, **outcome)
        except IllegalTransition as error:
            raise leases.LeaseLost(str(error)) from error


class Accepting:
    """An execution that is not in the database yet. What becomes of it is written with it, in one INSERT; nobody else can
    have it before."""

    def __init__(self, execution: WorkflowExecution) -> None:
        self._execution = execution

    def write(self, **changes: Any) -> None:
        """Do nothing: there is one moment to write, and that is the end of the turn."""

    def hand_back(self, *, wake_at: datetime | None, blocked_on: BlockedOn, detail: str, **changes: Any) -> None:
        """See :class:`Hold`."""
        changes |= {"wake_at": wake_at, "blocked_on": blocked_on, "blocked_detail": detail[:500]}
        self._execution.move_to(ExecutionStatus.RUNNING, **changes)

    def end(self, status: ExecutionStatus, *, now: datetime, record: Callable[[], None], **outcome: Any) -> None:
        """See :class:`Hold`."""
        end_execution(self._execution, status, now=now, record=record, **outcome)
