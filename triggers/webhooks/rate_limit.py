"""How often a webhook may be called: a bucket that holds a minute's worth and fills at an even pace.

The algorithm is GCRA (ITU-T I.371), whose whole memory is one number. It stands in the registration's row and is changed
by one guarded statement, so that it holds over any number of web processes.
"""

from __future__ import annotations

from datetime import datetime
from math import ceil
from uuid import UUID

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Greatest

from triggers.models import WebhookRegistration

MINUTE_US = 60_000_000


def wait_needed(registration_id: UUID, now: datetime) -> int | None:
    """Take one call out of a webhook's bucket; if it is empty, return the seconds until it is worth trying again."""
    per_minute: int = settings.WEBHOOK_RATE_PER_MINUTE
    if per_minute <= 0:
        return None
    now_us = int(now.timestamp() * 1_000_000)
    pace_us = MINUTE_US // per_minute
    fullest = now_us + MINUTE_US - pace_us
    row = WebhookRegistration.objects.filter(pk=registration_id)
    taken = row.filter(paced_until_us__lte=fullest).update(
        paced_until_us=Greatest(F("paced_until_us"), Value(now_us)) + pace_us
    )
    if taken:
        return None
    paced_until_us: int = row.values_list("paced_until_us", flat=True).get()
    return max(ceil((paced_until_us - fullest) / 1_000_000), 1)
