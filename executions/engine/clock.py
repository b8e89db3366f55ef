"""The one clock of the engine: the database's."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone


def database_now() -> datetime:
    """Return the database's time: what leases, timers and deadlines are compared with, whatever a worker's clock says.

    SQLite lives on the machine itself, so there it is the machine's.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    return now  # type: ignore[no-any-return]


# For so long a machine's own measure of time is good enough to tell the database's from its last answer.
RECENT_SECONDS = 10.0

_asked: tuple[datetime, float] | None = None


def recent_database_now() -> datetime:
    """Return the database's time as it follows from its last answer, which is not older than ten seconds."""
    global _asked
    asked = _asked
    if asked is None or time.monotonic() - asked[1] > RECENT_SECONDS:
        before = time.monotonic()
        asked = _asked = (database_now(), before)
    return asked[0] + timedelta(seconds=time.monotonic() - asked[1])


def database_started_at() -> datetime:
    """Return when the database server was started. SQLite has none: long ago."""
    if connection.vendor != "postgresql":
        return datetime.min.replace(tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_postmaster_start_time()")
        (started_at,) = cursor.fetchone()
    return started_at  # type: ignore[no-any-return]
