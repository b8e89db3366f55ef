"""How often something may happen: a bucket of permissions that fills at an even pace.

The algorithm is GCRA (ITU-T I.371), whose whole memory is one number: until when permissions are spoken for. It stands in
the column ``paced_until_us`` of a row and is changed by one guarded statement, so that it holds over any number of processes.
"""

from __future__ import annotations

from datetime import datetime
from math import ceil
from typing import Any

from django.db.models import BigIntegerField, F, QuerySet, Value
from django.db.models.functions import Greatest


def wait_needed(row: QuerySet[Any], *, pace_us: int, at_once: int, now: datetime) -> int | None:
    """Take one permission out of a row's bucket; if it is empty, return the seconds until it is worth trying again.

    :param pace_us: microseconds in which one permission comes in.
    :param at_once: how many the full bucket holds.
    """
    now_us = int(now.timestamp() * 1_000_000)
    fullest = now_us + (at_once - 1) * pace_us
    taken = row.filter(paced_until_us__lte=fullest).update(
        paced_until_us=Greatest(F("paced_until_us"), _long(now_us)) + _long(pace_us)
    )
    if taken:
        return None
    paced_until_us: int = row.values_list("paced_until_us", flat=True).get()
    return max(ceil((paced_until_us - fullest) / 1_000_000), 1)


def _long(number: int) -> Value:
    # Bound by a server, a whole number of no particular kind has 32 bits, and what is longer is cut off in silence.
    return Value(number, output_field=BigIntegerField())
