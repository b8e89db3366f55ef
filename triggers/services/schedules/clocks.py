"""Setting the clocks of jobs, and looking ahead."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from triggers.exceptions import InvalidSchedule
from triggers.models import MAX_CONSECUTIVE_FAILURES, Overlap, ScheduledJob, Trigger
from workflows.definition.pydantic_problems import problems_in
from workflows.models import Workflow
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.schedules.calendar import Schedule, next_slot, next_slots


def set_clock(
    trigger: Trigger,
    wanted: ScheduleTrigger,
    default_zone: str,
    *,
    before: dict[str, Any],
    was_running: bool,
    now: datetime,
) -> None:
    """Make a trigger's job the one that a version wants. Its next run stays, unless its times have changed.

    :param before: the trigger's settings until now. How many failures are too many is set only when it differs there, so
        that what an operator has set meanwhile stays.
    """
    job = ScheduledJob.objects.filter(trigger=trigger).first() or ScheduledJob(
        trigger=trigger, workflow=trigger.workflow, created_at=now
    )
    is_new = job._state.adding
    times = _times(wanted, default_zone, anchor=job.anchor or now.replace(microsecond=0))
    has_other_times = any(getattr(job, name) != value for name, value in times.items())
    key = "max_consecutive_failures"
    if is_new or before.get(key) != wanted.max_consecutive_failures:
        job.max_consecutive_failures = (
            MAX_CONSECUTIVE_FAILURES if wanted.max_consecutive_failures is None else wanted.max_consecutive_failures
        )
    for name, value in (times | _rules(wanted)).items():
        setattr(job, name, value)
    if job.overlap != Overlap.QUEUE:
        job.waits_for, job.is_queued = None, False
    if is_new or not was_running or has_other_times:
        _begin_anew(job, now=now)
    job.save()


def _times(wanted: ScheduleTrigger, default_zone: str, *, anchor: datetime) -> dict[str, Any]:
    """Return the columns that say when a job is due."""
    start, interval = wanted.starts_at(default_zone), wanted.interval
    return {
        "cron_expression": wanted.cron or "",
        "every_seconds": None if interval is None else int(interval.total_seconds()),
        "anchor": None if interval is None else start or anchor,
        "timezone": wanted.timezone or default_zone,
        "start_date": start,
        "end_date": wanted.ends_at(default_zone),
        "skipped_times": wanted.time_change.skipped or "",
        "repeated_times": wanted.time_change.repeated or "",
        "jitter_seconds": wanted.jitter_seconds,
    }


def _rules(wanted: ScheduleTrigger) -> dict[str, Any]:
    """Return the columns that say what becomes of slots."""
    return {
        "misfire_policy": wanted.misfire.policy,
        "misfire_max": wanted.misfire.max,
        "misfire_grace_seconds": wanted.misfire.grace_seconds,
        "overlap": wanted.overlap,
    }


def skip_missed_slots(workflow: Workflow, *, now: datetime) -> None:
    """Begin anew with a workflow's schedules, after it was off."""
    start_from_now(ScheduledJob.objects.filter(workflow=workflow), now=now)


def start_from_now(jobs: Iterable[ScheduledJob], *, now: datetime) -> None:
    """Set the next run of jobs to their first slot after now, and let nothing wait."""
    for job in jobs:
        _begin_anew(job, now=now)
        columns = ("next_run", "delayed_until", "catch_up", "waits_for", "is_queued")
        changes = {name: getattr(job, name) for name in columns}
        ScheduledJob.objects.filter(pk=job.pk).update(**changes, updated_at=now)


def _begin_anew(job: ScheduledJob, *, now: datetime) -> None:
    for name, value in job.clock_at(next_slot(job.schedule, after=now)).items():
        setattr(job, name, value)
    job.catch_up, job.waits_for, job.is_queued = "", None, False


def preview(job: ScheduledJob, count: int, *, now: datetime) -> list[datetime]:
    """Return the next slots of a job, as they are while it runs."""
    return next_slots(job.schedule, count, after=now)


def preview_config(config: Any, *, default_zone: str, count: int, now: datetime) -> tuple[str, list[datetime]]:
    """Return the zone of a trigger's settings, and the slots that it would have next, if it were published now.

    :param config: as in a definition; ``kind`` may be left out.
    :param default_zone: the workflow's zone.
    :raises InvalidSchedule: if they are no schedule's; ``problems`` lists why.
    """
    wanted = _read(config)
    times = _times(wanted, wanted.timezone or _known(default_zone), anchor=now.replace(microsecond=0))
    job = ScheduledJob(**times)
    return job.timezone, preview(job, count, now=now)


def _read(config: Any) -> ScheduleTrigger:
    given = {"kind": "schedule", **config} if isinstance(config, dict) else config
    try:
        return ScheduleTrigger.model_validate(given)
    except ValidationError as error:
        problems = problems_in(error, ScheduleTrigger, below="/config")
        raise InvalidSchedule(
            "These are not the settings of a schedule.", problems=[problem.to_json() for problem in problems]
        ) from None


def _known(zone: str) -> str:
    try:
        Schedule("* * * * *", zone)
    except ValueError as error:
        raise InvalidSchedule(str(error), path="/timezone") from None
    return zone
