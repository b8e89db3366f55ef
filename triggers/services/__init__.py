"""What people and other apps do with triggers."""

from __future__ import annotations

from triggers.services.deliveries import (
    Receipt,
    RunOn,
    keep_refused,
    receive_delivery,
    redeliver,
    redeliver_many,
    remove_old_deliveries,
)
from triggers.services.registration import register_triggers
from triggers.services.schedules import (
    fire_due_schedules,
    note_end,
    pause_job,
    preview,
    resume_job,
    skip_missed_slots,
)
from triggers.services.switches import switch_trigger, switch_webhook
from triggers.services.webhook_secrets import rotate_secret, set_secret

__all__ = [
    "Receipt",
    "RunOn",
    "fire_due_schedules",
    "keep_refused",
    "note_end",
    "pause_job",
    "preview",
    "receive_delivery",
    "redeliver",
    "redeliver_many",
    "register_triggers",
    "remove_old_deliveries",
    "resume_job",
    "rotate_secret",
    "set_secret",
    "skip_missed_slots",
    "switch_trigger",
    "switch_webhook",
]
