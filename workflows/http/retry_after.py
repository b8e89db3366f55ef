"""How long a server asks its callers to stay away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A server that asks for more is not obeyed to the letter: the workflow should fail while somebody still cares.
MAX_SECONDS = 3600.0

# With these a server speaks of itself, and not of the one request (RFC 9110, 15.6.4; RFC 6585, 4).
_BUSY = frozenset({429, 503})


def asked_to_wait(status: int, headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return for how many seconds an answer wants no more calls, if it wants that."""
    if status not in _BUSY:
        return None
    return retry_after_seconds(headers.get("retry-after", ""), now=now)


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
    except (ValueError, OverflowError):  # A date or an offset beyond what Python's own have.
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_SECONDS)
