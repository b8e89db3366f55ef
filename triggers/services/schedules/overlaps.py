"""Firing one job in a transaction of its own: what its slots do while an execution of its trigger has not ended.

Skipping and waiting look at every execution of the trigger, whoever started it, so that no two are ever at work at once.
Cancelling ends only what the clock has started: what a person started, a person ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet

from executions.exceptions import IllegalTransition
from executions.models import WorkflowExecution
from executions.services import cancel_execution, start_execution
from projects.failpoints import failpoint
from triggers.models import Overlap, ScheduledJob, SkipReason
from triggers.schedules import claims
from triggers.schedules.misfires import Due, Span, due_slots
from triggers.services.schedules.payloads import newest_version, payload_of
from triggers.services.schedules.skips import record_skip
from workflows.models import TriggerType

# Jobs that one sweep lets go.
MOST_LET_GO = 1000


def fire_alone(job_id: UUID, now: datetime) -> int | None:
    """Start the executions of one job's due slots, as its overlap rule allows.

    Returns how many were started; ``None`` if the job is not due, somebody else has it, or what it replaces has not ended.
    """
    _end_replaced(job_id, now)
    with transaction.atomic():
        job = claims.claim(job_id, now)
        if job is None or job.next_run is None:
            return None
        return _fire(job, job.next_run, now)


def live_of(trigger_id: UUID, workflow_id: UUID) -> QuerySet[WorkflowExecution]:
    """Return the executions of a trigger that have not ended, the oldest first."""
    # By workflow, for which there is an index of those that are live.
    live = WorkflowExecution.objects.live().filter(workflow_id=workflow_id, completed_at__isnull=True)
    return live.filter(trigger_id=trigger_id).order_by("created_at", "id")


def let_waiting_go(now: datetime) -> int:
    """Make jobs due again whose slot waits for an execution that has ended, or is gone. Returns how many.

    The end of an execution does so itself; this is for the moment in which one ends while a slot begins to wait for it.
    """
    live = WorkflowExecution.objects.filter(pk=OuterRef("waits_for"), completed_at__isnull=True)
    forgotten = ScheduledJob.objects.filter(~Exists(live), waits_for__isnull=False)
    pks = list(forgotten.values_list("pk", flat=True)[:MOST_LET_GO])
    return ScheduledJob.objects.filter(~Exists(live), pk__in=pks).update(waits_for=None) if pks else 0


def _fire(job: ScheduledJob, since: datetime, now: datetime) -> int | None:
    due = due_slots(job.schedule, since=since, now=now, misfire=job.misfire, jitter=job.delay_of)
    slots = _not_fired(job, due.fire)
    if job.overlap == Overlap.CANCEL and slots and _replaced(job.trigger_id, job.workflow_id, by=slots[-1]).exists():
        return None  # It began after this sweep had looked, and is ended by the next one.
    live = None if job.overlap == Overlap.ALLOW else live_of(job.trigger_id, job.workflow_id).first()
    if due.missed is not None:
        detail = "Too many waited for their turn." if job.is_queued else ""
        record_skip(job, due.missed, SkipReason.OVERLAP if job.is_queued else SkipReason.MISSED, now=now, detail=detail)
    match job.overlap:
        case Overlap.SKIP:
            return _fire_or_skip(job, due, slots, live, now)
        case Overlap.QUEUE:
            return _fire_or_wait(job, due, slots, live, now)
        case Overlap.CANCEL:
            return _replace(job, due, slots, now)
        case _:
            for slot in slots:
                _start(job, slot, now)
            return _move_on(job, due.following, started=len(slots), now=now)


def _fire_or_skip(
    job: ScheduledJob, due: Due, slots: Sequence[datetime], live: WorkflowExecution | None, now: datetime
) -> int:
    started = 0
    for slot in slots:
        if live is not None:
            _skip(job, [slot], f"{_told(live)} had not ended.", now)
            continue
        execution = _start(job, slot, now)
        started += 1
        live = None if execution.has_ended else execution
    return _move_on(job, due.following, started=started, now=now)


def _fire_or_wait(
    job: ScheduledJob, due: Due, slots: Sequence[datetime], live: WorkflowExecution | None, now: datetime
) -> int:
    if not slots:
        return _move_on(job, due.following, started=0, now=now)
    if live is not None:
        return _move_on(job, slots[0], started=0, now=now, waits_for=live.pk, is_queued=True)
    execution = _start(job, slots[0], now)
    if len(slots) == 1:
        return _move_on(job, due.following, started=1, now=now)
    waits_for = None if execution.has_ended else execution.pk
    return _move_on(job, slots[1], started=1, now=now, waits_for=waits_for, is_queued=True)


def _replace(job: ScheduledJob, due: Due, slots: Sequence[datetime], now: datetime) -> int:
    if not slots:
        return _move_on(job, due.following, started=0, now=now)
    if slots[:-1]:
        _skip(job, slots[:-1], f"The slot of {slots[-1]:%Y-%m-%d %H:%M:%S} UTC had come, too.", now)
    _start(job, slots[-1], now)
    return _move_on(job, due.following, started=1, now=now)


def _end_replaced(job_id: UUID, now: datetime) -> None:
    """End what a due slot replaces. Before its job is claimed: who has a workflow's row waits for no execution's."""
    job = ScheduledJob.objects.due(now).filter(pk=job_id, overlap=Overlap.CANCEL).first()
    if job is None or job.next_run is None:
        return
    due = due_slots(job.schedule, since=job.next_run, now=now, misfire=job.misfire, jitter=job.delay_of)
    if not due.fire:
        return
    for execution in _replaced(job.trigger_id, job.workflow_id, by=due.fire[-1]):
        try:
            cancel_execution(
                execution, by=None, now=now, reason=f"The slot of {due.fire[-1]:%Y-%m-%d %H:%M:%S} UTC replaces it."
            )
        except IllegalTransition:
            continue  # It has ended by itself.


def _replaced(trigger_id: UUID, workflow_id: UUID, *, by: datetime) -> QuerySet[WorkflowExecution]:
    """Return what a slot replaces: what the clock has started for earlier ones. Never its own execution, by whomever it was started."""
    by_the_clock = {"triggered_by": TriggerType.SCHEDULE, "started_by__isnull": True, "rerun_of__isnull": True}
    return live_of(trigger_id, workflow_id).filter(scheduled_for__lt=by, **by_the_clock)


def _start(job: ScheduledJob, slot: datetime, now: datetime) -> WorkflowExecution:
    return start_execution(
        newest_version(job.workflow),
        kind=TriggerType.SCHEDULE,
        node_id=job.trigger.node_id,
        payload=payload_of(job, slot),
        now=now,
        trigger_id=job.trigger_id,
        scheduled_for=slot,
    )


def _move_on(
    job: ScheduledJob,
    next_run: datetime | None,
    *,
    started: int,
    now: datetime,
    waits_for: UUID | None = None,
    is_queued: bool = False,
) -> int:
    counted = {"last_run": now, "run_count": F("run_count") + started} if started else {}
    claims.move_on(job, next_run, waits_for=waits_for, is_queued=is_queued, updated_at=now, **counted)
    if started:
        failpoint("schedule.inside")
    return started


def _skip(job: ScheduledJob, slots: Sequence[datetime], detail: str, now: datetime) -> None:
    span = Span(slots[0], slots[-1], len(slots))
    record_skip(job, span, SkipReason.OVERLAP, now=now, detail=detail)


def _told(execution: WorkflowExecution) -> str:
    slot = f"of {execution.scheduled_for:%Y-%m-%d %H:%M:%S} UTC" if execution.scheduled_for else "started by hand"
    return f"Execution {execution.pk} ({slot})"


def _not_fired(job: ScheduledJob, slots: Sequence[datetime]) -> list[datetime]:
    executions = WorkflowExecution.objects.filter(
        trigger_id=job.trigger_id, scheduled_for__in=slots, rerun_of__isnull=True
    )
    fired = set(executions.values_list("scheduled_for", flat=True)) if slots else set()
    return [slot for slot in slots if slot not in fired]
