"""What people do to a job without a new version: pause, resume, set how many failures are too many."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from projects import audit
from projects.access import Actor
from triggers.models import ScheduledJob, SkipReason
from triggers.schedules.misfires import MisfirePolicy, span_of
from triggers.services.schedules.clocks import start_from_now
from triggers.services.schedules.ends import MAX_REASON
from triggers.services.schedules.skips import record_skip


@transaction.atomic
def pause_job(job: ScheduledJob, *, by: Actor | None, now: datetime, reason: str = "") -> ScheduledJob:
    """Stop a job's clock until it is resumed. Asked twice, the last reason stands."""
    ScheduledJob.objects.filter(pk=job.pk).update(is_active=False, paused_reason=reason[:MAX_REASON], updated_at=now)
    job.refresh_from_db()
    _note("scheduled_job.paused", job, by=by, reason=reason)
    return job


@transaction.atomic
def resume_job(
    job: ScheduledJob,
    *,
    by: Actor | None,
    now: datetime,
    reason: str = "",
    missed: MisfirePolicy = MisfirePolicy.SKIP,
) -> ScheduledJob:
    """Let a job's clock go on, its failures forgiven.

    :param missed: what becomes of the slots that passed meanwhile. What is made up for fires with the next sweep.
    """
    rows = ScheduledJob.objects.filter(pk=job.pk)
    was_running = rows.select_for_update(no_key=True).get().is_active
    rows.update(is_active=True, paused_reason="", consecutive_failures=0, updated_at=now)
    job.refresh_from_db()
    if not was_running:
        _decide_about_passed(job, missed, now=now)
        job.refresh_from_db()
    _note("scheduled_job.resumed", job, by=by, reason=reason, missed=missed.value)
    return job


def _decide_about_passed(job: ScheduledJob, missed: MisfirePolicy, *, now: datetime) -> None:
    rows = ScheduledJob.objects.filter(pk=job.pk)
    if job.next_run is not None and job.next_run <= now:
        if missed != MisfirePolicy.SKIP:
            rows.update(catch_up=missed.value, waits_for=None, is_queued=False)
            return
        passed = span_of(job.schedule, since=job.next_run, until=now)
        if passed is not None:
            record_skip(job, passed, SkipReason.RESUMED, now=now, detail="It was paused, and resumed without them.")
    start_from_now(rows, now=now)


@transaction.atomic
def change_job(job: ScheduledJob, *, max_consecutive_failures: int, by: Actor | None, now: datetime) -> ScheduledJob:
    """Set after how many failures in a row a job pauses itself; 0: never. A version that says something new about it overrides it."""
    before = job.max_consecutive_failures
    ScheduledJob.objects.filter(pk=job.pk).update(max_consecutive_failures=max_consecutive_failures, updated_at=now)
    job.refresh_from_db()
    audit.record(
        "scheduled_job.changed",
        job,
        project=job.workflow.project,
        by=by,
        details={"max_consecutive_failures": {"from": before, "to": max_consecutive_failures}},
    )
    return job


def _note(action: str, job: ScheduledJob, *, by: Actor | None, **details: str) -> None:
    audit.record(action, job, project=job.workflow.project, by=by, details=details)
