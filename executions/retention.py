"""Removing what ended long ago, in small transactions, the oldest first. What is live is never touched.

Everything here is harmless when done twice, at once, or broken off: each transaction locks the rows that it removes, past
those that another clean-up is removing, and the next one finds what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Model, QuerySet

from executions.engine.clock import database_now
from executions.models import ENDED, WorkflowExecution, WorkflowExecutionLog
from projects.exceptions import Invalid

# Executions that one transaction removes, and node runs: a few executions may have very many of those.
BATCH = 500
NODE_RUNS_AT_ONCE = 10_000
# Transactions of one tick: about two seconds' work.
TRANSACTIONS_PER_TICK = 40

Expired = Callable[[datetime], "QuerySet[Any]"]
_removable: dict[str, Expired] = {}


@dataclass(frozen=True)
class Removed:
    """How much was removed. ``others`` counts what other apps registered, by name."""

    executions: int = 0
    node_runs: int = 0
    others: dict[str, int] = field(default_factory=dict)

    def __add__(self, more: Removed) -> Removed:
        names = [*self.others, *(name for name in more.others if name not in self.others)]
        return Removed(
            executions=self.executions + more.executions,
            node_runs=self.node_runs + more.node_runs,
            others={name: self.others.get(name, 0) + more.others.get(name, 0) for name in names},
        )


Progress = Callable[[Removed], None]


def removable(name: str) -> Callable[[Expired], Expired]:
    """Register other rows that are kept as long as executions are: ``name`` is their plural, for people.

    The function gets a moment and returns the rows that are older, in the order in which to remove them; an index should
    give both.
    """

    def register(expired: Expired) -> Expired:
        _removable[name] = expired
        return expired

    return register


def clean_up(
    *,
    days: int | None = None,
    now: datetime | None = None,
    batch: int = BATCH,
    most: int | None = TRANSACTIONS_PER_TICK,
    progress: Progress | None = None,
) -> Removed:
    """Remove executions that completed more than ``days`` days ago with their node runs, and what else has that age.

    :param days: by default ``EXECUTION_RETENTION_DAYS``; one at least.
    :param batch: rows that one transaction removes.
    :param most: transactions for each kind of row; None for all that it takes.
    :param progress: told after each transaction what it removed.
    :raises Invalid: if ``days`` is less than one.
    """
    before = _oldest_to_keep(days, now)
    removed = _repeat(partial(_remove_executions, before, batch), most=most, progress=progress)
    for name, expired in _removable.items():
        remove = partial(_remove_others, name, expired(before), batch)
        removed += _repeat(remove, most=most, progress=progress)
    return removed


def count_removable(*, days: int | None = None, now: datetime | None = None) -> Removed:
    """Return how much :func:`clean_up` would remove now.

    :raises Invalid: if ``days`` is less than one.
    """
    before = _oldest_to_keep(days, now)
    executions = _expired_executions(before)
    return Removed(
        executions=executions.count(),
        node_runs=WorkflowExecutionLog.objects.filter(execution__in=executions.order_by().values("pk")).count(),
        others={name: expired(before).count() for name, expired in _removable.items()},
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


def _repeat(step: Callable[[], Removed | None], *, most: int | None, progress: Progress | None) -> Removed:
    """Do a step until there is nothing left to remove, or ``most`` times."""
    removed, times = Removed(), 0
    while (most is None or times < most) and (step_removed := step()) is not None:
        removed += step_removed
        times += 1
        if progress is not None:
            progress(step_removed)
    return removed


def _expired_executions(before: datetime) -> QuerySet[WorkflowExecution]:
    return WorkflowExecution.objects.filter(status__in=ENDED, completed_at__lt=before).order_by("completed_at", "id")


@transaction.atomic
def _remove_executions(before: datetime, batch: int) -> Removed | None:
    """Remove the oldest executions, or, while they have too many for one transaction, some of their node runs."""
    ids = _locked(_expired_executions(before), batch)
    if not ids:
        return None
    node_runs = _remove_some_node_runs(ids)
    if node_runs == NODE_RUNS_AT_ONCE:
        return Removed(node_runs=node_runs)
    # A rerun stands for no slot of a schedule. Parted from the execution that does, it must not begin to, or two
    # reruns of one slot would collide.
    WorkflowExecution.objects.filter(rerun_of__in=ids).update(rerun_of=None, scheduled_for=None)
    return Removed(executions=_remove(WorkflowExecution, ids), node_runs=node_runs)


@transaction.atomic
def _remove_others(name: str, expired: QuerySet[Any], batch: int) -> Removed | None:
    ids = _locked(expired, batch)
    return Removed(others={name: _remove(expired.model, ids)}) if ids else None


def _locked(rows: QuerySet[Any], limit: int) -> list[Any]:
    """Return the ids of the first rows, locked until the transaction ends; SQLite's transactions are alone anyway."""
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    return list(rows.values_list("pk", flat=True)[:limit])


def _remove_some_node_runs(execution_ids: list[Any]) -> int:
    some = WorkflowExecutionLog.objects.filter(execution__in=execution_ids).values("pk")[:NODE_RUNS_AT_ONCE]
    removed, _ = WorkflowExecutionLog.objects.filter(pk__in=some).delete()
    return removed


def _remove(model: type[Model], ids: list[Any]) -> int:
    """Remove rows by id and return their number; what refers to them lets go, or goes with them, as its model says."""
    _, by_model = model._default_manager.filter(pk__in=ids).only("pk").delete()
    return by_model.get(model._meta.label, 0)
