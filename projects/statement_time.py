"""How long the database may work on one statement, by what a process is for. PostgreSQL ends what takes longer.

Web and worker processes say at their start what holds for all their connections; commands of ``manage.py`` say nothing, so
that a migration or a clean-up takes the time that it needs. SQLite has no such limit, and is for small installations.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

_QUERY_CANCELED = "57014"
_SET_FOR_THE_CONNECTION = "SELECT set_config('statement_timeout', %s, false)"

_seconds_of_this_process = 0


def limit_this_process(seconds: int) -> None:
    """Give each statement on each connection that this process, or a child of it, opens from now on so long. 0: no limit."""
    global _seconds_of_this_process
    _seconds_of_this_process = seconds
    connection_created.connect(_limit_connection, dispatch_uid="segue.statement_time")


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Give each statement so long on this thread's connection, whatever the process says. 0: as the process says."""
    if not seconds or connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute(_SET_FOR_THE_CONNECTION, [f"{seconds}s"])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(_SET_FOR_THE_CONNECTION, [before])


def ran_out(error: BaseException) -> bool:
    """Test whether an error of the database says that a statement was ended because it took too long."""
    return getattr(error.__cause__, "sqlstate", None) == _QUERY_CANCELED


def _limit_connection(*, connection: BaseDatabaseWrapper, **_: Any) -> None:
    if _seconds_of_this_process and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(_SET_FOR_THE_CONNECTION, [f"{_seconds_of_this_process}s"])
