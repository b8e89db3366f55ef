"""Whether the engine is well, in one look: what is due, who works, what waits for what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from django.conf import settings
from django.db.models import Count, Min, Q, QuerySet

from executions import queues, worker_processes
from executions.models import LIVE, BlockedOn, ExecutionStatus, WorkerProcess, WorkflowExecution

LAST = timedelta(hours=1)
BROKER_SECONDS = 1
MOST_OWNERS = 50


@dataclass(frozen=True)
class Owner:
    """A worker process that holds leases. An idle one holds none, and is not seen."""

    name: str
    executions: int
    # Of the lease that runs out first.
    expires_at: datetime


@dataclass(frozen=True)
class Operations:
    """The engine at one moment."""

    due: int
    # When the execution that waits longest for a worker became due.
    due_since: datetime | None
    leased: int
    expired_leases: int
    owners: tuple[Owner, ...]
    # The worker processes that live, also idle ones.
    processes: tuple[WorkerProcess, ...]
    # Queues in which something waits although no worker serves them.
    unserved: tuple[str, ...]
    # Live executions that do not move, by what they wait for.
    waiting: Mapping[str, int]
    # Executions of the last hour, by the status that they have now.
    last_hour: Mapping[str, int]


@dataclass(frozen=True)
class Broker:
    """Whether bells can be rung. Without a broker everything still runs, found by sweeps."""

    is_reachable: bool
    detail: str


def operations(now: datetime) -> Operations:
    """Return how the engine is at a moment, which is the database's."""
    live = WorkflowExecution.objects.filter(status__in=LIVE, completed_at__isnull=True)  # For its index.
    due = live.filter(wake_at__lte=now).aggregate(count=Count("pk"), since=Min("wake_at"))
    leases = WorkflowExecution.objects.filter(lease_expires_at__isnull=False)
    held = leases.aggregate(count=Count("pk"), expired=Count("pk", filter=Q(lease_expires_at__lt=now)))
    processes = worker_processes.living(now)
    unserved = worker_processes.not_among(processes)
    return Operations(
        due=due["count"],
        due_since=due["since"],
        leased=held["count"],
        expired_leases=held["expired"],
        owners=_owners(leases),
        processes=tuple(processes),
        unserved=tuple(queue for queue in queues.with_something_due(now) if queue in unserved),
        waiting=_counts(live.filter(blocked_on__isnull=False), "blocked_on", BlockedOn.values),
        last_hour=_counts(
            WorkflowExecution.objects.filter(created_at__gte=now - LAST), "status", ExecutionStatus.values
        ),
    )


def broker() -> Broker:
    """Return whether the broker answers, after two seconds at most."""
    with current_app.connection_for_write(connect_timeout=BROKER_SECONDS) as connection:
        # Without password.
        name = connection.as_uri()
        try:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)
            waiting = sum(_bells(connection, name) for name in settings.BELL_QUEUES.values())
        except Exception as error:  # Whatever the broker's client raises.
            return Broker(is_reachable=False, detail=f"{name}: {type(error).__name__}")
    return Broker(is_reachable=True, detail=f"{name}, {waiting} bells waiting")


def _bells(connection: Any, name: str) -> int:
    # A channel of its own: a broker closes one on which a queue is asked for that is not there.
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(name, passive=True).message_count)
        except connection.channel_errors:
            return 0  # No bell was ever rung there: there is no queue yet.


def _owners(leases: QuerySet[WorkflowExecution]) -> tuple[Owner, ...]:
    rows = leases.values("lease_owner").annotate(count=Count("pk"), first=Min("lease_expires_at"))
    return tuple(
        Owner(row["lease_owner"] or "", row["count"], row["first"])
        for row in rows.order_by("lease_owner")[:MOST_OWNERS]
    )


def _counts(rows: QuerySet[WorkflowExecution], column: str, words: list[str]) -> dict[str, int]:
    """Return the number of rows by the word that stands in a column, in the order of the words."""
    counted = dict(rows.order_by().values_list(column).annotate(count=Count("pk")))
    return {word: counted[word] for word in words if word in counted}
