"""Who may write an execution: claim, renew, hand back.

A lease is three columns of the execution: owner, expiry by the database's clock, and the fence, a counter that every claim
and every end raises. A write carries the fence that its worker was given; once it has been raised, the write changes no row.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import (
    Case,
    CharField,
    Count,
    DateTimeField,
    Expression,
    F,
    Field,
    OuterRef,
    Subquery,
    Value,
    When,
    Window,
)
from django.db.models.functions import Coalesce, Now, RowNumber

from executions.models import (
    LIVE,
    SUSPECT_AFTER,
    BlockedOn,
    ExecutionQuerySet,
    ExecutionQueue,
    ExecutionStatus,
    WorkflowExecution,
)
from projects.database import Literal
from projects.failpoints import failpoint
from projects.updating import update

# The advisory lock of those who claim, where they have to take turns. Any number that nothing else in the database uses.
_CLAIMS = 0x5E60E001


class LeaseLost(Exception):
    """Somebody else has the execution now, or it was ended: stop, and touch nothing."""


@dataclass(frozen=True)
class Lease:
    """The right to write one execution, as long as its fence stands."""

    execution_id: UUID
    fence: int


def new_owner() -> str:
    """Return a name for this process that no other process ever has."""
    return f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(8)}"


def claim(
    owner: str, *, now: datetime, limit: int, suspects: bool = False, queue: ExecutionQueue | None = None
) -> list[WorkflowExecution]:
    """Take up to ``limit`` due executions, turn by turn from every project that has some, the longest due first.

    The claim is counted in the same statement, so that a worker that dies with it is counted too.

    Where ``PROJECT_MAX_RUNNING`` is set, no project gets more than that many at all workers together.

    :param suspects: take those that were lost with :data:`SUSPECT_AFTER` workers or more; else the others.
    :param queue: take only those of one queue; None: of all.
    """
    with transaction.atomic():
        if settings.PROJECT_MAX_RUNNING:
            _take_turns()
        ids = _lock_due(now=now, limit=limit, suspects=suspects, queue=queue)
        if not ids:
            return []
        WorkflowExecution.objects.filter(pk__in=ids).update(
            status=ExecutionStatus.RUNNING,
            lease_owner=owner,
            lease_expires_at=now + lease_time(),
            fence=F("fence") + 1,
            claims=F("claims") + 1,
            wake_at=None,
            blocked_on=None,
            blocked_detail="",
            started_at=Coalesce("started_at", Value(now)),
        )
        claimed = WorkflowExecution.objects.in_bulk(ids)
        failpoint("claim.inside")
    failpoint("claim.after_commit")
    return [claimed[pk] for pk in ids]


def has_suspects(*, now: datetime, queue: ExecutionQueue | None = None) -> bool:
    """Return whether an execution is due that must be claimed alone; of one queue, or of all."""
    found = WorkflowExecution.objects.filter(status__in=LIVE, wake_at__lte=now, claims__gte=Literal(SUSPECT_AFTER))
    if queue is not None:
        found = found.filter(queue=queue)
    # In the order of the index: see executions.queues.
    return found.order_by("wake_at").values_list("pk").first() is not None


def lease_time() -> timedelta:
    """Return how long a lease holds without being renewed."""
    return timedelta(seconds=settings.ENGINE_LEASE_SECONDS)


def not_locked(rows: ExecutionQuerySet) -> ExecutionQuerySet:
    """Return those of some executions that no other transaction has locked, for a statement that changes many at once.

    Who ends a parent or a child locks the one above first (see :mod:`executions.engine.children`). A statement over many rows locks them
    in no order, so it may wait for none; nor for who stands still in a transaction. Belongs into a transaction.
    """
    free = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked, no_key=True)
    return WorkflowExecution.objects.filter(pk__in=free.values("pk"))


@transaction.atomic
def renew(owner: str, execution_ids: Collection[UUID], *, now: datetime) -> None:
    """Renew the leases of what a process works on, in one statement.

    Not whatever carries its name: a claim whose answer was lost on the way would be held for as long as the process lives. One
    that is being written in this moment is left for the next time: a process renews several times within a lease.
    """
    held = WorkflowExecution.objects.filter(pk__in=execution_ids, lease_owner=owner, lease_expires_at__gt=now)
    not_locked(held).update(lease_expires_at=now + lease_time())


def held_by(owner: str, *, now: datetime) -> dict[tuple[UUID, int], bool]:
    """Return the id and fence of what a process holds, and whether something has come that the execution may wait for."""
    rows = WorkflowExecution.objects.filter(lease_owner=owner, lease_expires_at__gt=now)
    return {(pk, fence): is_signalled for pk, fence, is_signalled in rows.values_list("pk", "fence", "is_signalled")}


def write(lease: Lease, **changes: Any) -> None:
    """Change columns of the execution, as its holder. Inside a transaction this also locks the row until its end.

    :raises LeaseLost: if the fence has moved on.
    """
    _still_ours(lease, update(WorkflowExecution, _held_under(lease), changes))


def _held_under(lease: Lease) -> dict[str, Any]:
    return {"id": lease.execution_id, "fence": lease.fence, "lease_owner__isnull": False}


def _still_ours(lease: Lease, changed: int) -> None:
    if not changed:
        raise LeaseLost(f"Execution {lease.execution_id} is no longer ours.")
    failpoint("record.inside")


def hand_back(
    lease: Lease, *, wake_at: datetime | None, blocked_on: BlockedOn, detail: str = "", **changes: Any
) -> None:
    """Let an execution go until ``wake_at``, and say why it waits. Handed back, it has lost no worker.

    One that was signalled while it was held does not fall asleep: it is due now, and will be looked at again.

    :raises LeaseLost: if the fence has moved on.
    """
    changed = WorkflowExecution.objects.filter(**_held_under(lease)).update(
        lease_owner=None,
        lease_expires_at=None,
        wake_at=_unless_signalled(wake_at, Now(), DateTimeField()),
        blocked_on=_unless_signalled(blocked_on, Value(BlockedOn.QUEUE), CharField()),
        blocked_detail=_unless_signalled(detail[:500], Value(""), CharField()),
        is_signalled=False,
        **({"claims": 0} | changes),
    )
    _still_ours(lease, changed)


def _unless_signalled(value: Any, instead: Expression, field: Field[Any, Any]) -> Case:
    return Case(When(is_signalled=True, then=instead), default=Value(value, output_field=field), output_field=field)


def _take_turns() -> None:
    """Let nobody else claim until the end of the transaction, so that what projects have running can be counted."""
    if connection.vendor == "postgresql":  # On SQLite the transaction is alone anyway.
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CLAIMS])


def _lock_due(*, now: datetime, limit: int, suspects: bool, queue: ExecutionQueue | None) -> list[UUID]:
    # SQLite has no row locks and needs none: the whole transaction is alone (IMMEDIATE).
    most = settings.PROJECT_MAX_RUNNING
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                _due_sql(suspects=suspects, most=most, queue=queue),
                {"now": now, "limit": limit, "live": list(LIVE), "most": most, "queue": queue and queue.value},
            )
            return [pk for (pk,) in cursor.fetchall()]
    due = WorkflowExecution.objects.filter(status__in=LIVE, wake_at__lte=now)
    due = due.filter(claims__gte=SUSPECT_AFTER) if suspects else due.filter(claims__lt=SUSPECT_AFTER)
    if queue is not None:
        due = due.filter(queue=queue)
    turn = Window(RowNumber(), partition_by="project_id", order_by=["wake_at", "id"])
    by_turns = due.annotate(turn=turn)
    if most:
        held = WorkflowExecution.objects.filter(project_id=OuterRef("project_id"), lease_expires_at__isnull=False)
        count = held.order_by().values("project_id").annotate(number=Count("pk")).values("number")
        by_turns = by_turns.filter(turn__lte=most - Coalesce(Subquery(count), 0))
    return list(by_turns.order_by("turn", "wake_at", "id").values_list("pk", flat=True)[:limit])


def _due_sql(*, suspects: bool, most: int, queue: ExecutionQueue | None) -> str:
    return _DUE_BY_TURNS_SQL.format(
        losses=f"{'>=' if suspects else '<'} {SUSPECT_AFTER}",
        room=_ROOM_SQL if most else "%(limit)s",
        # Of all queues, there is nothing to ask for. Of one, an index that begins with the queue takes the place of the other.
        here="" if queue is None else "queue = %(queue)s AND ",
    )


# Steps from project to project through the index of due executions (a loose index scan), takes the first few of each,
# locks them (past those that another worker is taking), and then takes one of each in turn: what a project with 100,000 waiting ones costs here does not depend on their number.
_DUE_BY_TURNS_SQL = """
WITH RECURSIVE project AS (
  (SELECT project_id FROM workflow_executions
    WHERE {here}status = ANY(%(live)s) AND wake_at IS NOT NULL ORDER BY project_id LIMIT 1)
  UNION ALL
  SELECT (SELECT e.project_id FROM workflow_executions e
           WHERE {here}e.status = ANY(%(live)s) AND e.wake_at IS NOT NULL AND e.project_id > project.project_id
           ORDER BY e.project_id LIMIT 1)
    FROM project WHERE project.project_id IS NOT NULL
)
SELECT due.id FROM project CROSS JOIN LATERAL (
  SELECT e.id, e.wake_at, row_number() OVER (ORDER BY e.wake_at, e.id) AS turn
    FROM (SELECT id, wake_at FROM workflow_executions
           WHERE {here}project_id = project.project_id AND status = ANY(%(live)s) AND wake_at IS NOT NULL
             AND wake_at <= %(now)s AND claims {losses}
           ORDER BY wake_at, id LIMIT {room} FOR NO KEY UPDATE SKIP LOCKED) e
) due
ORDER BY due.turn, due.wake_at, due.id LIMIT %(limit)s
"""

# What a project may still get. All leases of all workers are few, and have an index of their own.
_ROOM_SQL = """least(%(limit)s, greatest(0, %(most)s - (
             SELECT count(*) FROM workflow_executions h
              WHERE h.project_id = project.project_id AND h.lease_expires_at IS NOT NULL)))"""
