"""Who fires a slot: whoever moves ``next_run`` forward, in the transaction that starts the execution."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from triggers.models import ScheduledJob


def claim(job_id: UUID, now: datetime) -> ScheduledJob | None:
    """Return a job that is due, locked until the end of the transaction; None if it is not, or somebody else has it.

    Its workflow is locked with it: the start of an execution may need that lock (``executions.engine.limits``), and whoever
    publishes has the workflow first and its jobs then. While somebody has the workflow, the slot waits for the next sweep.

    On SQLite the transaction itself is the lock: there is one writer at a time.
    """
    rows = ScheduledJob.objects.due(now).select_related("trigger", "workflow").defer("workflow__definition")
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self", "workflow"), no_key=True)
    return rows.filter(pk=job_id).first()


def move_on(job: ScheduledJob, next_run: datetime | None, **changes: Any) -> bool:
    """Move a job to its next slot, if it still stands at the one that was read; return whether it did."""
    rows = ScheduledJob.objects.filter(pk=job.pk, next_run=job.next_run)
    return bool(rows.update(next_run=next_run, **changes))
