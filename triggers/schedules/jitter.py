"""Spreading what is due in the same moment. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from hashlib import sha256
from uuid import UUID


def jitter_of(job_id: UUID, slot: datetime, *, at_most: timedelta) -> timedelta:
    """Return how much later than its slot a job fires: from nothing to ``at_most``, in whole milliseconds.

    Asked twice, the same answer, in every process: a restart neither fires sooner nor later.
    """
    millis = at_most // timedelta(milliseconds=1)
    if millis <= 0:
        return timedelta(0)
    digest = sha256(job_id.bytes + int(slot.timestamp()).to_bytes(8, "big", signed=True)).digest()
    return timedelta(milliseconds=int.from_bytes(digest[:8], "big") % (millis + 1))
