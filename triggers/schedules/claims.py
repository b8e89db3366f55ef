"""Who fires a slot: whoever moves ``next_run`` forward, in the transaction that starts the execution."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from triggers.models import ScheduledJob, ScheduledJobQuerySet


def claim(job_id: UUID, now: datetime) -> ScheduledJob | None:
    """Return a job that is due, locked until the end of the transaction; None if it is not, or somebody else has it.

    Its workflow is locked with it: the start of an execution may need that lock (``executions.engine.limits``), and whoever
    publishes has the workflow first and its jobs then. While somebody has the workflow, the slot waits for the next sweep.

    On SQLite the transaction itself is the lock: there is one writer at a time.
    """
    return locked(ScheduledJob.objects.due(now).filter(pk=job_id)).first()


def is_any_due(now: datetime) -> bool:
    """Whether there is anything to claim. Asked in order, so that the database looks where the first one would stand."""
    return bool(ScheduledJob.objects.due(now).longest_due_first().values_list("pk")[:1])


def claim_batch(now: datetime, *, most: int, without: Collection[UUID] = ()) -> list[ScheduledJob]:
    """Return the jobs that have been due for the longest time and that nobody else has, locked like one job.

    :param without: jobs that are left to others.
    """
    due = ScheduledJob.objects.due(now).exclude(pk__in=list(without)) if without else ScheduledJob.objects.due(now)
    return list(locked(due.longest_due_first())[:most])


def locked(rows: ScheduledJobQuerySet) -> QuerySet[ScheduledJob]:
    """Lock jobs and their workflows, past those that somebody has."""
    jobs = rows.select_related("trigger", "workflow").defer("workflow__definition", "trigger__config")
    if connection.features.has_select_for_update_skip_locked:
        return jobs.select_for_update(skip_locked=True, of=("self", "workflow"), no_key=True)
    return jobs


def move_on(job: ScheduledJob, next_run: datetime | None, **changes: Any) -> bool:
    """Move a job to its next slot, if it still stands at the one that was read; return whether it did."""
    rows = ScheduledJob.objects.filter(pk=job.pk, next_run=job.next_run)
    return bool(rows.update(**job.clock_at(next_run), catch_up="", **changes))
