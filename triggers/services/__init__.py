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
from triggers.services.emissions import plan_emission
from triggers.services.endings import start_followers
from triggers.services.events import emit, remove_old_events
from triggers.services.handshakes import answer_hub
from triggers.services.polls import pause_poll, poll_soon, reset_poll, resume_poll
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
from triggers.services.status import status_of
from triggers.services.switches import switch_trigger, switch_webhook
from triggers.services.webhook_secrets import (
    can_make_secret,
    end_secret,
    facts_of_secrets,
    rotate_secret,
    set_secret,
)
from triggers.services.webhook_tests import (
    close_test,
    find_test,
    no_route,
    open_test,
    production_url_of,
    remove_old_tests,
    route_of_test,
    url_of,
)

__all__ = [
    "Backfill",
    "Receipt",
    "RunOn",
    "answer_hub",
    "can_make_secret",
    "cancel_backfill",
    "carry_on_backfills",
    "change_job",
    "close_test",
    "emit",
    "end_secret",
    "facts_of_secrets",
    "find_test",
    "fire_due_schedules",
    "fire_now",
    "keep_refused",
    "let_waiting_go",
    "no_route",
    "note_end",
    "open_test",
    "pause_job",
    "pause_poll",
    "plan_backfill",
    "plan_emission",
    "poll_soon",
    "preview",
    "preview_config",
    "production_url_of",
    "receive_delivery",
    "redeliver",
    "redeliver_many",
    "register_triggers",
    "remove_old_deliveries",
    "remove_old_events",
    "remove_old_skips",
    "remove_old_tests",
    "reset_poll",
    "resume_job",
    "resume_poll",
    "rotate_secret",
    "route_of_test",
    "set_secret",
    "skip_missed_slots",
    "start_backfill",
    "start_followers",
    "status_of",
    "switch_trigger",
    "switch_webhook",
    "url_of",
]
