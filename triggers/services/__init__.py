"""What people and other apps do with triggers."""

from __future__ import annotations

from triggers.services.deliveries import (
    Receipt,
    keep_refused,
    receive_delivery,
    redeliver,
    remove_old_deliveries,
)
from triggers.services.registration import register_triggers
from triggers.services.schedules import (
    Backfill,
    cancel_backfill,
    carry_on_backfills,
    change_job,
    fire_due_schedules,
    fire_now,
    let_waiting_go,
    note_end,
    pause_job,
    plan_backfill,
    preview,
    preview_config,
    remove_old_skips,
    resume_job,
    skip_missed_slots,
    start_backfill,
)
from triggers.services.switches import switch_trigger, switch_webhook
from triggers.services.webhook_secrets import rotate_secret, set_secret

__all__ = [
    "Backfill",
    "Receipt",
    "cancel_backfill",
    "carry_on_backfills",
    "change_job",
    "fire_due_schedules",
    "fire_now",
    "keep_refused",
    "let_waiting_go",
    "note_end",
    "pause_job",
    "plan_backfill",
    "preview",
    "preview_config",
    "receive_delivery",
    "redeliver",
    "register_triggers",
    "remove_old_deliveries",
    "remove_old_skips",
    "resume_job",
    "rotate_secret",
    "set_secret",
    "skip_missed_slots",
    "start_backfill",
    "switch_trigger",
    "switch_webhook",
]
