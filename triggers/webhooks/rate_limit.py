"""How often a webhook may be called: a bucket that holds a minute's worth and fills at an even pace."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings

from projects import pacing
from triggers.models import WebhookRegistration

MINUTE_US = 60_000_000


def wait_needed(registration_id: UUID, now: datetime) -> int | None:
    """Take one call out of a webhook's bucket; if it is empty, return the seconds until it is worth trying again."""
    per_minute: int = settings.WEBHOOK_RATE_PER_MINUTE
    if per_minute <= 0:
        return None
    row = WebhookRegistration.objects.filter(pk=registration_id)
    return pacing.wait_needed(row, pace_us=MINUTE_US // per_minute, at_once=per_minute, now=now)
