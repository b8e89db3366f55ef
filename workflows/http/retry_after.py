"""How long a server asks its callers to stay away."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A server that asks for more is not obeyed to the letter: the workflow should fail while somebody still cares.
MAX_SECONDS = 3600.0


def retry_after_seconds(value: str, *, now: datetime) -> float | None:
    """Return the seconds that a ``Retry-After`` header asks for (RFC 9110, 10.2.3), or ``None`` if it says nothing.

    Never below zero nor above an hour.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Not int() first: its digits may be more than Python converts.
        return min(float(value), MAX_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_SECONDS)
