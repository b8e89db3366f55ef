"""Removing what ended long ago, in small transactions, the oldest first. What is live is never touched.

Everything here is harmless when done twice, at once, or broken off: each transaction locks the rows that it removes, past
those that another clean-up is removing, and the next one finds what is left. Files of large outputs go after the rows that named
them; what is left of them by a process that died, :func:`executions.outputs.removal.remove_orphans` finds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from executions.engine.clock import database_now
from executions.live import texts
from executions.models import ENDED, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.removal import remove_unnamed
from executions.spending.models import ModelCall
from projects.exceptions import Invalid
from projects.failpoints import failpoint

# Executions that one transaction removes, node runs (a few executions may have very many of those), and calls of models.
BATCH = 500
NODE_RUNS_AT_ONCE = 10_000
CALLS_AT_ONCE = 1_000
# Transactions of one tick: a few seconds' work.
TRANSACTIONS_PER_TICK = 20


@dataclass(frozen=True)
class Removed:
    """How much was removed."""

    executions: int = 0
    node_runs: int = 0

    def __add__(self, more: Removed) -> Removed:
        return Removed(self.executions + more.executions, self.node_runs + more.node_runs)


Progress = Callable[[Removed], None]


def clean_up(
    *,
    days: int | None = None,
    now: datetime | None = None,
    batch: int = BATCH,
    most: int | None = TRANSACTIONS_PER_TICK,
    progress: Progress | None = None,
) -> Removed:
    """Remove executions that completed more than ``days`` days ago, and their node runs; also what was left of live texts.

    :param days: by default ``EXECUTION_RETENTION_DAYS``; one at least.
    :param batch: executions that one transaction removes.
    :param most: transactions; None for as many as it takes.
    :param progress: told after each transaction what it removed.
    :raises Invalid: if ``days`` is less than one.
    """
    before = _oldest_to_keep(days, now)
    texts.remove_leftovers(now=now)
    removed, times = Removed(), 0
    while (most is None or times < most) and (found := _remove_some(before, batch)) is not None:
        step, files = found
        failpoint("retention.after_commit")
        remove_unnamed(files)
        removed += step
        times += 1
        if progress is not None:
            progress(step)
    return removed


def clean_up_ledger(*, now: datetime | None = None, most: int | None = TRANSACTIONS_PER_TICK) -> int:
    """Remove calls of models that were made more than ``MODEL_CALL_RETENTION_DAYS`` days ago; returns how many.

    What is reserved stays: its execution is live.

    :param most: transactions; None for as many as it takes.
    """
    before = (now or database_now()) - timedelta(days=settings.MODEL_CALL_RETENTION_DAYS)
    expired = ModelCall.objects.filter(created_at__lt=before, settled_at__isnull=False).order_by("created_at", "id")
    removed, times = 0, 0
    while most is None or times < most:
        with transaction.atomic():
            ids = _locked(expired, CALLS_AT_ONCE)
            ModelCall.objects.filter(pk__in=ids).delete()
        removed += len(ids)
        times += 1
        if len(ids) < CALLS_AT_ONCE:
            break
    return removed


def count_removable(*, days: int | None = None, now: datetime | None = None) -> Removed:
    """Return how much :func:`clean_up` would remove now.

    :raises Invalid: if ``days`` is less than one.
    """
    before = _oldest_to_keep(days, now)
    executions = _expired(before)
    return Removed(
        executions=executions.count(),
        node_runs=WorkflowExecutionLog.objects.filter(execution__in=executions.order_by().values("pk")).count(),
    )


def _oldest_to_keep(days: int | None, now: datetime | None) -> datetime:
    days = settings.EXECUTION_RETENTION_DAYS if days is None else days
    if days < 1:
        raise Invalid(f"Executions cannot be kept for {days} days.", hint="Keep them for one day or more.")
    now = now or database_now()
    try:
        return now - timedelta(days=days)
    except OverflowError:
        raise Invalid(f"Executions cannot be kept for {days} days.", hint="Keep them for fewer days.") from None


def _expired(before: datetime) -> QuerySet[WorkflowExecution]:
    return WorkflowExecution.objects.filter(
        status__in=ENDED, completed_at__isnull=False, completed_at__lt=before
    ).order_by("completed_at", "id")


@transaction.atomic
def _remove_some(before: datetime, batch: int) -> tuple[Removed, list[str]] | None:
    """Remove the oldest executions, or, while they have too many for one transaction, some of their node runs.

    Returns None if there are none; else what was removed, and the files that may now be named by nobody.
    """
    ids = _locked(_expired(before), batch)
    if not ids:
        return None
    files = _files_of(ids)
    node_runs = _remove_node_runs(ids)
    if node_runs == NODE_RUNS_AT_ONCE:
        return Removed(node_runs=node_runs), files
    # A rerun stands for no slot of a schedule. Parted from the execution that does, it must not begin to, or two
    # reruns of one slot would collide.
    WorkflowExecution.objects.filter(rerun_of__in=ids).update(rerun_of=None, scheduled_for=None)
    # Django goes through what refers to the rows, and does what its models say: deliveries let go.
    _, by_model = WorkflowExecution.objects.filter(pk__in=ids).only("pk").delete()
    return Removed(executions=by_model[WorkflowExecution._meta.label], node_runs=node_runs), files


def _locked(rows: QuerySet[Any], limit: int) -> list[UUID]:
    """Return the ids of the first rows, locked until the transaction ends; SQLite's transactions are alone anyway."""
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return list(rows.values_list("pk", flat=True)[:limit])


def _files_of(execution_ids: list[UUID]) -> list[str]:
    runs = WorkflowExecutionLog.objects.filter(execution__in=execution_ids, output_file__isnull=False)
    return [name for name in runs.values_list("output_file", flat=True) if name is not None]


def _remove_node_runs(execution_ids: list[UUID]) -> int:
    some = WorkflowExecutionLog.objects.filter(execution__in=execution_ids).values("pk")[:NODE_RUNS_AT_ONCE]
    removed, _ = WorkflowExecutionLog.objects.filter(pk__in=some).delete()
    return removed
