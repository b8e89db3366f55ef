"""Emptying the database after a test with real transactions, at the price of what the test has written."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.test import TransactionTestCase

# What is larger is cut off with all the rest: to delete that many rows would be slow, and would leave their space behind.
LARGE_BYTES = 1_000_000

# By table, what Django puts into an empty database after migrating: content types, permissions, ticks.
_as_made: dict[str, str] = {}


def empty_cheaply() -> None:
    """Let tests with real transactions end with :func:`empty`."""
    TransactionTestCase._fixture_teardown = _fixture_teardown


def empty() -> None:
    """Leave the database as Django's ``flush`` does.

    That truncates every table and makes every content type and permission anew, whatever the test has done. Here rows are
    deleted where there are some, and what Django makes is left alone unless it has changed.
    """
    if connection.vendor == "sqlite":
        _flush_past_the_trigger()
        return
    if _as_made and _delete_rows():
        return
    _flush()
    _as_made.clear()
    _as_made.update(_fingerprints([table for table in _tables() if _sizes([table])]))


def _fixture_teardown(case: Any) -> None:
    assert case.available_apps is None, "a test of some apps alone would have their tables alone emptied"
    assert not case.serialized_rollback, "a test that wants the first rows back would have to get them"
    empty()


def _flush() -> None:
    call_command("flush", verbosity=0, interactive=False, reset_sequences=False)


def _flush_past_the_trigger() -> None:
    """Flush where that deletes rows, which the audit log refuses."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, sql FROM sqlite_master WHERE name = 'audit_log_no_delete'")
        triggers = cursor.fetchall()
        for name, _ in triggers:
            cursor.execute(f"DROP TRIGGER {name}")
        try:
            _flush()
        finally:
            for _, sql in triggers:
                cursor.execute(sql)


def _delete_rows() -> bool:
    """Delete what Django has not made, unless there is much of it, or something has changed of what Django makes."""
    tables = [table for table in _tables() if table not in _as_made]
    with transaction.atomic(), connection.cursor() as cursor:
        # As when truncating: what a thread of the test has not yet committed is waited for.
        cursor.execute(f"LOCK TABLE {_listed(tables)} IN SHARE ROW EXCLUSIVE MODE")
        sizes = _sizes(tables)
        if any(size > LARGE_BYTES for size in sizes.values()) or _fingerprints(list(_as_made)) != _as_made:
            return False
        if refusing := sorted(sizes.keys() & _refuse_deletes()):
            cursor.execute(f"TRUNCATE {_listed(refusing)}")
        if others := sorted(sizes.keys() - _refuse_deletes()):
            # In one statement: what refers to what does not matter when all of it goes.
            parts = ", ".join(f'_{number} AS (DELETE FROM "{table}")' for number, table in enumerate(others))
            cursor.execute(f"WITH {parts} SELECT 1")
    return True


@cache
def _tables() -> list[str]:
    return sorted(connection.introspection.django_table_names(only_existing=True, include_views=False))


@cache
def _refuse_deletes() -> frozenset[str]:
    """Return the tables with a trigger of ours that sees a row deleted: that of the audit log forbids it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgtype & 8 <> 0")
        return frozenset(table for (table,) in cursor.fetchall())


def _sizes(tables: list[str]) -> dict[str, int]:
    """Return how many bytes those of the tables have that have a row."""
    return _asked(
        f"""SELECT '{table}', pg_total_relation_size('"{table}"') WHERE EXISTS (SELECT FROM "{table}")"""
        for table in tables
    )


def _fingerprints(tables: list[str]) -> dict[str, str]:
    return _asked(
        f"""SELECT '{table}', md5(string_agg(row::text, ' ' ORDER BY row)) FROM "{table}" row""" for table in tables
    )


def _asked(selects: Any) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(selects))
        return dict(cursor.fetchall())


def _listed(tables: list[str]) -> str:
    return ", ".join(f'"{table}"' for table in tables)
