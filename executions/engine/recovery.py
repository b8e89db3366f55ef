"""What a sweep puts right: dead leases, passed deadlines, forgotten turns, lost bells, and what other apps add.

Any number of sweeps may run at once, in any process: every change is guarded, so the second one finds nothing to do.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from executions import bell, queues
from executions.engine import leases, limits
from executions.engine.clock import database_now, database_started_at
from executions.engine.ending import end_execution
from executions.exceptions import IllegalTransition
from executions.models import LIVE, BlockedOn, ExecutionQuerySet, ExecutionStatus, WorkflowExecution
from projects import statement_time
from projects.failpoints import failpoint

logger = logging.getLogger(__name__)

BATCH = 200
# Freeing a lease is one cheap statement for all of them.
RELEASED_AT_ONCE = 2_000

Sweeper = Callable[[datetime], int]
_sweepers: list[Sweeper] = []


def register_sweeper(sweeper: Sweeper) -> Sweeper:
    """Add something that every sweep does. It gets the database's time and returns how much it did."""
    if sweeper not in _sweepers:
        _sweepers.append(sweeper)
    return sweeper


def sweep() -> int:
    """Put right what can be, and ring if something is due. Returns how much was done."""
    with statement_time.at_most(settings.SWEEP_STATEMENT_SECONDS):
        return _sweep(database_now())


def _sweep(now: datetime) -> int:
    failpoint("sweep.before")
    done = 0
    for sweeper in (release_dead_leases, end_overdue, limits.look_for_forgotten, *_sweepers):
        try:
            done += sweeper(now)
        except Exception:  # One fault must not stop the others.
            logger.exception("A part of the sweep failed.", extra={"sweeper": getattr(sweeper, "__qualname__", "?")})
    bell.ring(*queues.with_something_due(now))
    return done


def release_dead_leases(now: datetime) -> int:
    """Make executions due again whose worker has not renewed its lease; fail those that lose every worker.

    A database that was started anew meanwhile has kept workers from renewing: that counts as no loss.
    """
    with transaction.atomic():
        lost = _unlocked(
            WorkflowExecution.objects.filter(lease_expires_at__lt=now, status__in=LIVE).order_by("lease_expires_at"),
            limit=RELEASED_AT_ONCE,
        )
        if not lost:
            return 0
        held = WorkflowExecution.objects.filter(pk__in=lost, lease_owner__isnull=False)
        released = _release(
            held.filter(lease_expires_at__lt=database_started_at() + leases.lease_time()),
            now=now,
            detail="The database was away.",
            claims=Greatest(F("claims") - 1, 0),
        )
        released += _release(
            held.filter(claims__lt=settings.ENGINE_MAX_LOST_WORKERS), now=now, detail="Its worker was lost."
        )
        poison = list(held[:BATCH])
    if released:
        logger.warning("Took executions over from lost workers.", extra={"count": released})
    return released + sum(_give_up(execution, now=now) for execution in poison)


def _release(held: ExecutionQuerySet, *, now: datetime, detail: str, **changes: Any) -> int:
    return held.update(
        lease_owner=None,
        lease_expires_at=None,
        wake_at=now,
        blocked_on=BlockedOn.QUEUE,
        blocked_detail=detail,
        fence=F("fence") + 1,
        **changes,
    )


def _unlocked(rows: ExecutionQuerySet, *, limit: int = BATCH) -> list[UUID]:
    """Lock the first of these rows, past those in somebody's transaction: whoever stands still in one must not stop a sweep."""
    free = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked, no_key=True)
    return list(free.values_list("pk", flat=True)[:limit])


def _give_up(execution: WorkflowExecution, *, now: datetime) -> bool:
    return _end(
        execution,
        ExecutionStatus.FAILED,
        now=now,
        error={
            "code": "worker_lost",
            "message": f"The execution lost its worker {execution.claims} times in a row without getting further. "
            "Look for a node that needs too much memory or crashes the process.",
        },
    )


def end_overdue(now: datetime) -> int:
    """End what has passed its deadline, whether a worker holds it or not."""
    live = WorkflowExecution.objects.filter(status__in=LIVE, completed_at__isnull=True)
    with transaction.atomic():
        late = _unlocked(live.filter(deadline_at__lte=now).order_by("deadline_at"))
    overdue = WorkflowExecution.objects.filter(pk__in=late) if late else ()
    return sum(_end(execution, ExecutionStatus.TIMEOUT, now=now, error=_overdue(execution)) for execution in overdue)


def _overdue(execution: WorkflowExecution) -> dict[str, str]:
    return {
        "code": "execution_timeout",
        "message": f"The execution did not end by {execution.deadline_at:%Y-%m-%d %H:%M:%S} UTC. "
        "Raise settings.timeout_seconds of the workflow if it needs longer.",
    }


def _end(execution: WorkflowExecution, status: ExecutionStatus, *, now: datetime, error: dict[str, str]) -> bool:
    try:
        with transaction.atomic():
            end_execution(execution, status, now=now, error=error)
    except IllegalTransition:
        return False  # It ended by itself, or another sweep was first.
    except Exception:
        logger.exception("Could not end an execution.", extra={"execution_id": str(execution.pk)})
        return False
    return True
