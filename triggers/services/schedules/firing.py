"""Firing what is due: in batches where executions are simply started, one job at a time where more has to be decided.

A batch is one transaction: it claims jobs past those that other sweeps have, starts their executions and moves their clocks. So a
slot fires once, however many processes look and wherever one of them dies. A job that can't be part of a batch (its
workflow limits executions, its slots may not overlap, or something about it is wrong) has a transaction of its own, so that it
holds nobody up.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from executions.models import WorkflowExecution
from executions.services import Start, start_many, unlimited
from projects.failpoints import failpoint
from triggers.models import Overlap, ScheduledJob, SkipReason
from triggers.schedules import claims
from triggers.schedules.misfires import Due, Misfire, due_slots
from triggers.services.schedules.ends import count_failure, pause_itself
from triggers.services.schedules.overlaps import fire_alone
from triggers.services.schedules.payloads import payload_of
from triggers.services.schedules.skips import record_skip
from workflows.models import TriggerType, WorkflowVersion
from workflows.schedules.calendar import Schedule, next_slot

logger = logging.getLogger(__name__)

# Jobs in one transaction, which holds their rows for some tenths of a second.
BATCH = 200
# After so long, a sweep leaves the rest to the next one, which begins a second later: it has more to do than this.
SECONDS_AT_A_TIME = 10.0


def fire_due_schedules(now: datetime) -> int:
    """Start the executions of all slots that have come. Returns how many were started.

    Any number of processes may do this at once: a slot fires once.

    :param now: the database's time.
    """
    if not claims.is_any_due(now):
        return 0  # As nearly always: one look into an index, and no transaction.
    fired, until = 0, time.monotonic() + SECONDS_AT_A_TIME
    stuck: set[UUID] = set()
    while True:
        batch = _fire_next(now, without=stuck)
        fired += batch.fired
        for job_id in batch.alone:
            started = _fire_alone(job_id, now)
            fired += started or 0
            if started is None:
                stuck.add(job_id)
        if batch.claimed < BATCH or time.monotonic() >= until:
            return fired


@dataclass(frozen=True)
class _Batch:
    """What came of one batch.

    :param claimed: how many jobs were due and free.
    :param alone: those that want a transaction of their own.
    """

    claimed: int
    fired: int
    alone: Sequence[UUID]


def _fire_next(now: datetime, *, without: set[UUID]) -> _Batch:
    try:
        return _fire_batch(now, without=without)
    except (OperationalError, InterfaceError):
        raise  # The database, not a job: the next sweep comes in a second.
    except Exception:  # One bad job must not stop the others: each is tried by itself.
        logger.exception("A batch of schedules could not start its executions; each is tried alone.")
        due = ScheduledJob.objects.due(now).exclude(pk__in=without).longest_due_first()
        alone = list(due.values_list("pk", flat=True)[:BATCH])
        return _Batch(len(alone), 0, alone)


@transaction.atomic
def _fire_batch(now: datetime, *, without: set[UUID]) -> _Batch:
    jobs = claims.claim_batch(now, most=BATCH, without=without)
    versions = _versions(jobs)
    plain: list[tuple[ScheduledJob, Due]] = []
    alone = []
    for job in jobs:
        due = _due(job, now) if job.workflow_id in versions and job.overlap == Overlap.ALLOW else None
        if due is None:
            alone.append(job.pk)
        else:
            plain.append((job, due))
    have_fired = _have_fired(plain)
    starts = [
        Start(
            version=versions[job.workflow_id],
            node_id=job.trigger.node_id,
            payload=payload_of(job, slot),
            trigger_id=job.trigger_id,
            scheduled_for=slot,
        )
        for job, due in plain
        for slot in due.fire
        if (job.trigger_id, slot) not in have_fired
    ]
    start_many(starts, kind=TriggerType.SCHEDULE, now=now)
    for job, due in plain:
        if due.missed is not None:
            record_skip(job, due.missed, SkipReason.MISSED, now=now)
    _move_on(plain, starts, now=now)
    if starts:
        failpoint("schedule.inside")
    return _Batch(len(jobs), len(starts), alone)


def _versions(jobs: Iterable[ScheduledJob]) -> dict[UUID, WorkflowVersion]:
    """Return the newest versions of the jobs' workflows that set no limit, by workflow."""
    workflows = {job.workflow_id: job.workflow for job in jobs}
    newest = WorkflowVersion.objects.filter(workflow_id__in=workflows, number=F("workflow__version"))
    versions = {version.pk: version for version in newest.defer("definition")}
    found = {}
    for pk in unlimited(versions):
        version = versions[pk]
        version.workflow = workflows[version.workflow_id]
        found[version.workflow_id] = version
    return found


def _due(job: ScheduledJob, now: datetime) -> Due | None:
    """Decide about a job's slots; ``None`` if its times can't be read."""
    if job.next_run is None:
        return None
    try:
        if job.jitter_seconds:
            return due_slots(job.schedule, since=job.next_run, now=now, misfire=job.misfire, jitter=job.delay_of)
        return _due_alike(job.schedule, job.next_run, now, job.misfire)
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _due_alike(schedule: Schedule, since: datetime, now: datetime, misfire: Misfire) -> Due:
    """Decide once for all jobs with the same times: where very many are due at once, they are mostly due for one reason."""
    return due_slots(schedule, since=since, now=now, misfire=misfire)


def _have_fired(plain: Sequence[tuple[ScheduledJob, Due]]) -> set[tuple[UUID, datetime]]:
    """Return the slots that have an execution. When a schedule is changed to and fro, one may come up a second time."""
    slots = [slot for _, due in plain for slot in due.fire]
    executions = WorkflowExecution.objects.filter(
        trigger_id__in=[job.trigger_id for job, _ in plain], scheduled_for__in=set(slots), rerun_of__isnull=True
    )
    return set(executions.values_list("trigger_id", "scheduled_for")) if slots else set()  # type: ignore[arg-type]


def _move_on(plain: Sequence[tuple[ScheduledJob, Due]], starts: Sequence[Start], *, now: datetime) -> None:
    """Set the clocks of a batch: in as few statements as there are different moments."""
    fired: defaultdict[UUID, int] = defaultdict(int)
    for start in starts:
        fired[start.trigger_id] += 1
    alike: defaultdict[tuple[datetime | None, datetime | None, int], list[UUID]] = defaultdict(list)
    for job, due in plain:
        clock = job.clock_at(due.following)
        alike[clock["next_run"], clock["delayed_until"], fired[job.trigger_id]].append(job.pk)
    for (next_run, delayed_until, times), pks in alike.items():
        counted = {"last_run": now, "run_count": F("run_count") + times} if times else {}
        ScheduledJob.objects.filter(pk__in=pks).update(
            next_run=next_run, delayed_until=delayed_until, catch_up="", is_queued=False, updated_at=now, **counted
        )


def _fire_alone(job_id: UUID, now: datetime) -> int | None:
    """Fire one job; return how many executions it started, or ``None`` if nothing could be done about it now."""
    try:
        return fire_alone(job_id, now)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # One bad job must not stop the others.
        logger.exception("A schedule could not start its execution.", extra={"job_id": str(job_id)})
        _put_back(job_id, error, now)
        return None


@transaction.atomic
def _put_back(job_id: UUID, error: Exception, now: datetime) -> None:
    """Let a job that could not start its execution try again at its next slot; count it as a failure."""
    job = ScheduledJob.objects.select_related("workflow__project").get(pk=job_id)
    try:
        following = next_slot(job.schedule, after=now)
    except ValueError as unreadable:
        pause_itself(job, f"Its times cannot be read. {unreadable}", now=now)
        return
    if claims.move_on(job, following, updated_at=now):
        count_failure(job, f"the last one could not be started ({type(error).__name__})", now=now)
