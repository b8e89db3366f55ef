"""Which worker processes there are and which queues they serve, so that people see why an execution waits.

Each process of a worker keeps a row, and touches it every few seconds. Nothing is decided by these rows.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError

from executions import queues
from executions.engine.clock import database_now
from executions.models import BlockedOn, ExecutionQueue, WorkerProcess, WorkflowExecution
from projects.ids import new_id

logger = logging.getLogger(__name__)

# Between two touches of one process.
TOUCH_SECONDS = 10.0
# One that was not seen for so long is gone. A round of a worker's loop seldom takes longer.
GONE_AFTER = timedelta(seconds=60)
# When the rows of such as died without a word are removed. Until then people can see them.
FORGOTTEN_AFTER = timedelta(days=1)
# For how long what is due may wait before it is said that nobody will take it: a deploy takes seconds.
LATE = timedelta(seconds=10)

_row_id: UUID | None = None
_touched_at = float("-inf")


def begin() -> None:
    """Let this process be one that is listed, as soon as it looks for work: a worker process has started."""
    global _row_id, _touched_at
    _row_id, _touched_at = new_id(), float("-inf")


def note() -> None:
    """Note that this process lives. Costs nothing most of the time, and nothing at all in a process that is not listed."""
    global _touched_at
    if _row_id is None or time.monotonic() - _touched_at < TOUCH_SECONDS:
        return
    _touched_at = time.monotonic()
    with contextlib.suppress(DatabaseError):  # Whatever needs the database will say so.
        row = WorkerProcess(
            pk=_row_id,
            host=socket.gethostname()[:60],
            pid=os.getpid(),
            queues=list(queues.served()),
            seen_at=database_now(),
        )
        # Also where it is not there any more: somebody may have removed it.
        WorkerProcess.objects.bulk_create(
            [row], update_conflicts=True, unique_fields=["id"], update_fields=["seen_at", "queues"]
        )


def end() -> None:
    """Strike this process off the list: it ends."""
    global _row_id
    row_id, _row_id = _row_id, None
    if row_id is not None:
        try:
            WorkerProcess.objects.filter(pk=row_id).delete()
        except DatabaseError:
            logger.warning("Could not strike this worker process off the list; it will be gone in a minute.")


def living(now: datetime) -> list[WorkerProcess]:
    """Return the worker processes that were seen lately, in the order in which they started."""
    return list(WorkerProcess.objects.filter(seen_at__gt=now - GONE_AFTER).order_by("created_at", "id"))


def unserved(now: datetime) -> frozenset[ExecutionQueue]:
    """Return the queues that no living worker serves."""
    return not_among(living(now))


def not_among(processes: Iterable[WorkerProcess]) -> frozenset[ExecutionQueue]:
    """Return the queues that none of some processes serves."""
    return frozenset(ExecutionQueue).difference(*(process.queues for process in processes))


def is_left_waiting(execution: WorkflowExecution, *, now: datetime) -> bool:
    """Return whether an execution has been due for longer than it takes a worker to see it."""
    return (
        execution.blocked_on == BlockedOn.QUEUE
        and execution.lease_owner is None
        and execution.wake_at is not None
        and execution.wake_at < now - LATE
    )


def nobody_serves(queue: str) -> str:
    """Say so, and what helps."""
    return f"No worker serves the queue {queue}. Start one whose WORKER_QUEUES names it."


def forget_gone(now: datetime) -> int:
    """Remove the rows of processes that died without a word, long ago. Returns how many."""
    return WorkerProcess.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()[0]
