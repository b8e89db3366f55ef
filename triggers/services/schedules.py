"""Schedules: firing what is due, and what people and executions do to jobs.

The misfire rule is ``last``: of the slots that passed while nobody could fire them (no sweep ran, or the workflow was
paused), the latest one fires, once, and the others never do. What passed while the job, its trigger or its workflow was
switched off is not made up for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F

from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import start_execution
from projects import audit
from projects.access import Actor
from projects.failpoints import failpoint
from triggers.models import ScheduledJob
from triggers.schedules import claims
from triggers.schedules.calendar import latest_slot, next_slot, next_slots
from workflows.models import TriggerType, Workflow, WorkflowVersion

logger = logging.getLogger(__name__)

# Jobs that one sweep looks at; what is left waits for the next one, a second later.
BATCH = 200
MAX_REASON = 500


def fire_due_schedules(now: datetime) -> int:
    """Start an execution for every job whose slot has come. Returns how many were started.

    Any number of processes may do this at once: a slot fires once.

    :param now: the database's time.
    """
    due = ScheduledJob.objects.due(now).order_by("next_run", "id").values_list("pk", flat=True)[:BATCH]
    fired = 0
    for job_id in list(due):
        try:
            fired += _fire(job_id, now)
        except (OperationalError, InterfaceError):
            raise  # The database, not the job: the next sweep comes in a second.
        except Exception as error:  # One bad job must not stop the others.
            logger.exception("A schedule could not start its execution.", extra={"job_id": str(job_id)})
            _put_back(job_id, error, now)
    return fired


@transaction.atomic
def _fire(job_id: UUID, now: datetime) -> bool:
    job = claims.claim(job_id, now)
    if job is None or job.next_run is None:
        return False
    slot = latest_slot(job.schedule, since=job.next_run, until=now) or job.next_run
    if _has_fired(job, slot):
        claims.move_on(job, next_slot(job.schedule, after=now))
        return False
    following = next_slot(job.schedule, after=now)
    if not claims.move_on(job, following, last_run=now, run_count=F("run_count") + 1, updated_at=now):
        return False
    start_execution(
        _version_of(job.workflow),
        kind=TriggerType.SCHEDULE,
        node_id=job.trigger.node_id,
        payload={"scheduled_for": slot.astimezone(ZoneInfo(job.timezone)).isoformat(), "timezone": job.timezone},
        now=now,
        trigger_id=job.trigger_id,
        scheduled_for=slot,
    )
    failpoint("schedule.inside")
    return True


def _has_fired(job: ScheduledJob, slot: datetime) -> bool:
    # When a schedule is changed to and fro, a slot may come up a second time.
    executions = WorkflowExecution.objects.filter(trigger_id=job.trigger_id, scheduled_for=slot)
    return executions.filter(rerun_of__isnull=True).exists()


def _version_of(workflow: Workflow) -> WorkflowVersion:
    version = WorkflowVersion.objects.defer("definition").get(workflow=workflow, number=workflow.version)
    version.workflow = workflow
    return version


@transaction.atomic
def _put_back(job_id: UUID, error: Exception, now: datetime) -> None:
    """Let a job that could not start its execution try again at its next slot; count it as a failure."""
    job = ScheduledJob.objects.select_related("workflow__project").get(pk=job_id)
    try:
        following = next_slot(job.schedule, after=now)
    except ValueError as unreadable:
        _pause(job, f"Its times cannot be read. {unreadable}", now)
        return
    if claims.move_on(job, following, consecutive_failures=F("consecutive_failures") + 1, updated_at=now):
        _pause_after_failures(job, f"the last one could not be started ({type(error).__name__})", now)


def note_end(execution: WorkflowExecution, *, now: datetime) -> None:
    """Count how an execution that a schedule started has ended; pause the job after too many failures in a row.

    A cancelled one says nothing about the workflow and counts as neither.
    """
    is_of_a_schedule = execution.triggered_by == TriggerType.SCHEDULE and execution.rerun_of_id is None
    if not is_of_a_schedule or execution.trigger_id is None:
        return
    job = ScheduledJob.objects.filter(trigger_id=execution.trigger_id).select_related("workflow__project").first()
    if job is None:
        return
    row = ScheduledJob.objects.filter(pk=job.pk)
    match execution.status:
        case ExecutionStatus.COMPLETED:
            row.filter(consecutive_failures__gt=0).update(consecutive_failures=0, updated_at=now)
        case ExecutionStatus.FAILED | ExecutionStatus.TIMEOUT:
            row.update(consecutive_failures=F("consecutive_failures") + 1, updated_at=now)
            _pause_after_failures(job, f"the last one is {execution.pk}", now)


def _pause_after_failures(job: ScheduledJob, last: str, now: datetime) -> None:
    job.refresh_from_db(fields=["consecutive_failures"])
    if 0 < job.max_consecutive_failures <= job.consecutive_failures:
        _pause(job, f"{job.consecutive_failures} failures in a row; {last}.", now)


def _pause(job: ScheduledJob, reason: str, now: datetime) -> None:
    row = ScheduledJob.objects.filter(pk=job.pk, is_active=True)
    if row.update(is_active=False, paused_reason=reason[:MAX_REASON], updated_at=now):
        logger.warning("A schedule paused itself.", extra={"job_id": str(job.pk), "reason": reason})
        _note("scheduled_job.paused", job, by=None, reason=reason)


@transaction.atomic
def pause_job(job: ScheduledJob, *, by: Actor | None, now: datetime, reason: str = "") -> ScheduledJob:
    """Stop a job's clock until it is resumed. Asked twice, the last reason stands."""
    ScheduledJob.objects.filter(pk=job.pk).update(is_active=False, paused_reason=reason[:MAX_REASON], updated_at=now)
    job.refresh_from_db()
    _note("scheduled_job.paused", job, by=by, reason=reason)
    return job


@transaction.atomic
def resume_job(job: ScheduledJob, *, by: Actor | None, now: datetime, reason: str = "") -> ScheduledJob:
    """Let a job's clock go on from now, its failures forgiven. Slots that passed meanwhile are not made up for."""
    rows = ScheduledJob.objects.filter(pk=job.pk)
    rows.update(is_active=True, paused_reason="", consecutive_failures=0, updated_at=now)
    start_from_now(rows, now=now)
    job.refresh_from_db()
    _note("scheduled_job.resumed", job, by=by, reason=reason)
    return job


def preview(job: ScheduledJob, count: int, *, now: datetime) -> list[datetime]:
    """Return the next slots of a job, as they are while it runs."""
    return next_slots(job.schedule, count, after=now)


def skip_missed_slots(workflow: Workflow, *, now: datetime) -> None:
    """Begin anew with a workflow's schedules, after it was off."""
    start_from_now(ScheduledJob.objects.filter(workflow=workflow), now=now)


def start_from_now(jobs: Iterable[ScheduledJob], *, now: datetime) -> None:
    """Set the next run of jobs to their first slot after now."""
    for job in jobs:
        ScheduledJob.objects.filter(pk=job.pk).update(next_run=next_slot(job.schedule, after=now), updated_at=now)


def _note(action: str, job: ScheduledJob, *, by: Actor | None, reason: str) -> None:
    audit.record(action, job, project=job.workflow.project, by=by, details={"reason": reason})
