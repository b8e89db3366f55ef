"""How often a webhook may be called: a bucket that fills at an even pace.

The webhook's own limit and the installation's hold side by side. The bucket's memory is in the webhook's row, so that there is
one bucket, however many processes answer.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.conf import settings

from projects import pacing
from triggers.models import WebhookRegistration
from workflows.nodes.trigger.webhook import RateLimit

MINUTE_US = 60_000_000


def wait_needed(registration_id: UUID, now: datetime, *, own: RateLimit | None = None) -> int | None:
    """Take one call out of a webhook's bucket; if it is empty, return the seconds until it is worth trying again.

    Without a limit it costs no statement.

    :param own: the webhook's own limit. ``WEBHOOK_RATE_PER_MINUTE`` holds beside it.
    """
    limits = [] if own is None else [(own.per_minute, own.burst or own.per_minute)]
    if settings.WEBHOOK_RATE_PER_MINUTE > 0:
        limits.append((settings.WEBHOOK_RATE_PER_MINUTE, settings.WEBHOOK_RATE_PER_MINUTE))
    if not limits:
        return None
    per_minute, at_once = (min(each) for each in zip(*limits, strict=True))
    row = WebhookRegistration.objects.filter(pk=registration_id)
    return pacing.wait_needed(row, pace_us=MINUTE_US // per_minute, at_once=at_once, now=now)
