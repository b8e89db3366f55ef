"""Backfills: running a job's slots of the past, all those of a range that want it, without a storm.

A backfill is a row with a cursor. Sweeps carry it on: one batch of slots in one transaction, together with the cursor, so
that a crash neither loses nor doubles any. Slots without an execution get one; others get a rerun of their latest.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, QuerySet

from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import Start, start_execution, start_many, unlimited
from projects import audit
from projects.access import Actor
from projects.failpoints import failpoint
from triggers.exceptions import BackfillEnded, BackfillRunning, InvalidBackfill, TriggerGone
from triggers.models import BackfillMode, BackfillStatus, Overlap, ScheduleBackfill, ScheduledJob
from triggers.schedules.claims import locked
from triggers.services.schedules.overlaps import live_of
from triggers.services.schedules.payloads import newest_version, payload_of
from workflows.models import TriggerType, WorkflowStatus, WorkflowVersion
from workflows.schedules.calendar import INSTANT, slots_between

logger = logging.getLogger(__name__)

MAX_SLOTS = 10_000
MAX_RUNNING = 100
# Slots that one transaction deals with.
BATCH = 200
# What all backfills together may take of one sweep.
SECONDS_AT_A_TIME = 2.0
FAILED = (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)

T = TypeVar("T")


class Deed(StrEnum):
    """What a backfill does about a slot."""

    START = "start"  # It has no execution, and gets one.
    RERUN = "rerun"  # Its latest execution is run again.
    LEAVE = "leave"  # Nothing.


@dataclass(frozen=True)
class Latest:
    """The newest execution of a slot."""

    execution_id: UUID
    status: str


@dataclass(frozen=True)
class Planned:
    """One slot of a range, and what is done about it."""

    slot: datetime
    deed: Deed
    latest: Latest | None


@dataclass(frozen=True)
class Backfill:
    """All slots of a range, and what would be done about them."""

    slots: tuple[Planned, ...]

    def count(self, deed: Deed) -> int:
        """Return for how many slots this would be done."""
        return Counter(planned.deed for planned in self.slots)[deed]


def plan_backfill(job: ScheduledJob, *, start: datetime, end: datetime, mode: BackfillMode, now: datetime) -> Backfill:
    """Return what a backfill would do, and do nothing.

    :param start: the first moment of the range; ``end``: the last one. Both belong to it.
    :raises InvalidBackfill: if the range lies in the future or holds no slot, or more than :data:`MAX_SLOTS`.
    """
    return Backfill(_planned(job, _slots(job, start=start, end=end, now=now), mode))


@transaction.atomic
def start_backfill(
    job: ScheduledJob,
    *,
    start: datetime,
    end: datetime,
    mode: BackfillMode,
    max_running: int,
    by: Actor | None,
    now: datetime,
) -> ScheduleBackfill:
    """Let sweeps run a range of a job's slots, the earliest first, on the newest version. Also where the job is paused.

    :param max_running: how many executions of the range may be under way at once; one, where the job's may not overlap.
    :raises InvalidBackfill: if the range lies in the future or holds no slot, or more than :data:`MAX_SLOTS`.
    :raises BackfillRunning: if the job has one that has not come to its end.
    :raises TriggerGone: if the published version has not the node any more.
    """
    if not job.trigger.is_registered:
        raise TriggerGone(f"The published version has no schedule {job.trigger.node_id!r} any more.")
    found = _slots(job, start=start, end=end, now=now)
    # Two at once take turns, so that the second one finds the first.
    ScheduledJob.objects.select_for_update(no_key=True).get(pk=job.pk)
    running = job.backfills.filter(ended_at__isnull=True).first()
    if running is not None:
        raise BackfillRunning(f"Backfill {running.pk} of this schedule has not ended. Wait for it, or cancel it.")
    backfill = ScheduleBackfill.objects.create(
        job=job,
        start=start,
        end=end,
        slots=mode,
        max_running=max_running,
        slot_count=len(found),
        created_by=by.person if by else None,
        created_at=now,
    )
    details = {"backfill": str(backfill.pk), "start": start.isoformat(), "end": end.isoformat(), "slots": str(mode)}
    audit.record("scheduled_job.backfilled", job, project=job.workflow.project, by=by, details=details)
    return backfill


@transaction.atomic
def cancel_backfill(backfill: ScheduleBackfill, *, by: Actor | None, now: datetime) -> ScheduleBackfill:
    """Let a backfill start nothing more. What it has started goes on.

    :raises BackfillEnded: if it has come to its end.
    """
    if not _end(backfill.pk, BackfillStatus.CANCELLED, now=now):
        raise BackfillEnded(f"Backfill {backfill.pk} has ended already.")
    backfill.refresh_from_db()
    job = backfill.job
    details = {"backfill": str(backfill.pk)}
    audit.record("scheduled_job.backfill_cancelled", job, project=job.workflow.project, by=by, details=details)
    return backfill


def carry_on_backfills(now: datetime) -> int:
    """Start what backfills may start now. Returns how many executions that are.

    :param now: the database's time.
    """
    started, until = 0, time.monotonic() + SECONDS_AT_A_TIME
    for pk in list(_running().order_by("created_at", "id").values_list("pk", flat=True)[:BATCH]):
        while time.monotonic() < until:
            step = _carry_on_safely(pk, now)
            started += step.started
            if not step.may_go_on:
                break
    return started


# --- The slots of a range ---------------------------------------------------------------------------------------------


def _slots(job: ScheduledJob, *, start: datetime, end: datetime, now: datetime) -> list[datetime]:
    if end > now:
        raise InvalidBackfill(
            "The range must have passed: slots that are still to come fire by themselves.", path="/end"
        )
    found = list(islice(slots_between(job.schedule, since=start, until=end), MAX_SLOTS + 1))
    if not found:
        raise InvalidBackfill("The schedule has no slot in this range.", path="/start")
    if len(found) > MAX_SLOTS:
        raise InvalidBackfill(
            f"The range has more than {MAX_SLOTS:,} slots.", path="/end", hint="Backfill it in several parts."
        )
    return found


def _planned(job: ScheduledJob, slots: Sequence[datetime], mode: BackfillMode) -> tuple[Planned, ...]:
    latest = _latest(job, slots)
    return tuple(Planned(slot, _deed(mode, latest.get(slot)), latest.get(slot)) for slot in slots)


def _deed(mode: BackfillMode, latest: Latest | None) -> Deed:
    if latest is None:
        return Deed.LEAVE if mode == BackfillMode.FAILED else Deed.START
    has_ended = latest.status not in (ExecutionStatus.PENDING, ExecutionStatus.RUNNING)
    wanted = latest.status in FAILED if mode == BackfillMode.FAILED else mode == BackfillMode.ALL and has_ended
    return Deed.RERUN if wanted else Deed.LEAVE


def _latest(job: ScheduledJob, slots: Sequence[datetime]) -> dict[datetime, Latest]:
    """Return the newest execution of each slot that has any: of the one that stands for it, its reruns, theirs and so on."""
    if not slots:
        return {}
    columns = ("pk", "scheduled_for", "status")
    span = {"scheduled_for__gte": slots[0], "scheduled_for__lte": slots[-1]}
    executions = WorkflowExecution.objects.filter(trigger_id=job.trigger_id, **span)
    found: dict[datetime, Latest] = {}
    generation = list(executions.filter(rerun_of__isnull=True).values_list(*columns))
    while generation:
        for pk, slot, status in sorted(generation):  # Ids grow with time, and so the newest stays.
            if slot is not None:
                found[slot] = Latest(pk, status)
        parents = [pk for pk, _, _ in generation]
        generation = [
            row
            for some in _in_batches(parents)
            for row in WorkflowExecution.objects.filter(rerun_of__in=some, trigger_id=job.trigger_id).values_list(
                *columns
            )
        ]
    return found


def _in_batches(items: Sequence[T]) -> list[Sequence[T]]:
    return [items[begin : begin + BATCH] for begin in range(0, len(items), BATCH)]


# --- Carrying on ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Step:
    started: int = 0
    may_go_on: bool = False


def _running() -> QuerySet[ScheduleBackfill]:
    return ScheduleBackfill.objects.filter(ended_at__isnull=True)


def _carry_on_safely(pk: UUID, now: datetime) -> _Step:
    try:
        return _carry_on(pk, now)
    except (OperationalError, InterfaceError):
        raise  # The database, not the backfill: the next sweep comes in a second.
    except Exception as error:
        logger.exception("A backfill could not go on.", extra={"backfill_id": str(pk)})
        _end(pk, BackfillStatus.CANCELLED, now=now, reason=f"It could not go on ({type(error).__name__}: {error}).")
        return _Step()


@transaction.atomic
def _carry_on(pk: UUID, now: datetime) -> _Step:
    """Deal with the next slots of a backfill, as many as there is room for."""
    backfill = _free(_running().filter(pk=pk)).first()
    job = _job(backfill) if backfill is not None else None
    if backfill is None or job is None:
        return _Step()
    since = backfill.start if backfill.cursor is None else backfill.cursor + INSTANT
    slots = list(islice(slots_between(job.schedule, since=since, until=backfill.end), BATCH))
    room = _room(backfill, job)
    wanted: list[Planned] = []
    passed, cursor = 0, backfill.cursor
    for planned in _planned(job, slots, BackfillMode(backfill.slots)):
        if planned.deed is Deed.LEAVE:
            passed += 1
        elif len(wanted) >= room:
            break
        else:
            wanted.append(planned)
        cursor = planned.slot
    _start(backfill, job, wanted, now=now)
    is_over = len(slots) < BATCH and (not slots or cursor == slots[-1])
    changes = {"status": BackfillStatus.COMPLETED, "ended_at": now} if is_over else {}
    _running().filter(pk=pk).update(
        cursor=cursor,
        started_count=F("started_count") + len(wanted),
        passed_count=F("passed_count") + passed,
        **changes,
    )
    if wanted:
        failpoint("backfill.inside")
    return _Step(len(wanted), may_go_on=not is_over and bool(wanted or passed))


def _free(rows: QuerySet[ScheduleBackfill]) -> QuerySet[ScheduleBackfill]:
    if connection.features.has_select_for_update_skip_locked:
        return rows.select_for_update(skip_locked=True, no_key=True)
    return rows


def _job(backfill: ScheduleBackfill) -> ScheduledJob | None:
    """Lock the backfill's job as whoever fires it does; ``None`` while somebody has it, or its workflow may start nothing."""
    able = ScheduledJob.objects.filter(
        pk=backfill.job_id,
        trigger__is_registered=True,
        trigger__type=TriggerType.SCHEDULE,
        workflow__status=WorkflowStatus.ACTIVE,
    )
    return locked(able).first()


def _room(backfill: ScheduleBackfill, job: ScheduledJob) -> int:
    """Return how many executions may begin beside those that have not ended."""
    live = live_of(job.trigger_id, job.workflow_id)
    if job.overlap != Overlap.ALLOW:
        return 0 if live.exists() else 1
    in_range = live.filter(scheduled_for__gte=backfill.start, scheduled_for__lte=backfill.end)
    return max(backfill.max_running - in_range.count(), 0)


def _start(backfill: ScheduleBackfill, job: ScheduledJob, wanted: Sequence[Planned], *, now: datetime) -> None:
    if not wanted:
        return
    version = newest_version(job.workflow)
    if unlimited([version.pk]):
        starts = [
            Start(
                version=version,
                node_id=job.trigger.node_id,
                payload=payload_of(job, planned.slot),
                trigger_id=job.trigger_id,
                scheduled_for=planned.slot,
                rerun_of_id=planned.latest.execution_id if planned.latest else None,
                started_by_id=backfill.created_by_id,
            )
            for planned in wanted
        ]
        start_many(starts, kind=TriggerType.SCHEDULE, now=now)
        return
    by = Actor(backfill.created_by) if backfill.created_by else None
    before = _executions([planned.latest.execution_id for planned in wanted if planned.latest])
    for planned in wanted:
        _start_one(job, version, planned, before, by=by, now=now)


def _start_one(
    job: ScheduledJob,
    version: WorkflowVersion,
    planned: Planned,
    before: Mapping[UUID, WorkflowExecution],
    *,
    by: Actor | None,
    now: datetime,
) -> None:
    start_execution(
        version,
        kind=TriggerType.SCHEDULE,
        node_id=job.trigger.node_id,
        payload=payload_of(job, planned.slot),
        now=now,
        trigger_id=job.trigger_id,
        by=by,
        scheduled_for=planned.slot,
        rerun_of=before[planned.latest.execution_id] if planned.latest else None,
    )


def _executions(pks: Sequence[UUID]) -> dict[UUID, WorkflowExecution]:
    return WorkflowExecution.objects.defer("result", "execution_context").in_bulk(pks)


def _end(pk: UUID, status: BackfillStatus, *, now: datetime, reason: str = "") -> bool:
    return bool(_running().filter(pk=pk).update(status=status, ended_at=now, reason=reason[:500]))
