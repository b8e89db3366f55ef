"""Schedules: firing what is due, and what people and executions do to jobs. One file for each.

Of the slots that passed while nobody could fire them (no sweep ran, or the workflow was paused) the job's misfire rule decides.
What passed while the trigger or its workflow was switched off is not made up for; what passed while the job was paused, if
whoever resumes it wants it.
"""

from __future__ import annotations

from triggers.services.schedules.backfills import (
    Backfill,
    cancel_backfill,
    carry_on_backfills,
    plan_backfill,
    start_backfill,
)
from triggers.services.schedules.by_hand import fire_now
from triggers.services.schedules.clocks import preview, preview_config, set_clock, skip_missed_slots, start_from_now
from triggers.services.schedules.ends import note_end
from triggers.services.schedules.firing import fire_due_schedules
from triggers.services.schedules.overlaps import let_waiting_go
from triggers.services.schedules.skips import remove_old_skips
from triggers.services.schedules.switching import change_job, pause_job, resume_job

__all__ = [
    "Backfill",
    "cancel_backfill",
    "carry_on_backfills",
    "change_job",
    "fire_due_schedules",
    "fire_now",
    "let_waiting_go",
    "note_end",
    "pause_job",
    "plan_backfill",
    "preview",
    "preview_config",
    "remove_old_skips",
    "resume_job",
    "set_clock",
    "skip_missed_slots",
    "start_backfill",
    "start_from_now",
]
