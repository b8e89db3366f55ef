"""Many rows after the pattern of one, made where they lie, and what a transaction has read of their tables."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import Model


def multiply(row: Model, times: int, **columns: str) -> None:
    """Add ``times`` copies of a row, each with an id of its own, and let the database learn how many there are.

    :param columns: SQL for what differs; ``n`` is the number of the copy, from 1.
    """
    table, key = row._meta.db_table, row._meta.pk.column
    names = [field.column for field in row._meta.concrete_fields if field.column != key or "id" in columns]
    if "id" not in columns and row._meta.pk.get_internal_type() == "UUIDField":
        names, columns = [*names, key], {**columns, key: "gen_random_uuid()"}
    written = ", ".join(columns.get(name, f'"{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({listed}) SELECT {written} FROM "{table}", generate_series(1, {times}) n '
            f'WHERE "{key}" = %s',
            [row.pk],
        )
        cursor.execute(f'ANALYZE "{table}"')


@contextlib.contextmanager
def rows_read_in_order_of_the_table(*tables: str) -> Iterator[dict[str, int]]:
    """Yield a dictionary that says afterwards which of some tables were read from end to end, and how often."""
    found: dict[str, int] = {}
    before = _sequential_scans()
    yield found
    after = _sequential_scans()
    found |= {table: after[table] - before[table] for table in tables if after[table] > before[table]}


@contextlib.contextmanager
def rows_read() -> Iterator[Counter[str]]:
    """Yield a counter that says afterwards how many rows of each table were read, by an index or without."""
    found: Counter[str] = Counter()
    before = Counter(_statistics("seq_tup_read + coalesce(idx_tup_fetch, 0)"))
    yield found
    found += Counter(_statistics("seq_tup_read + coalesce(idx_tup_fetch, 0)")) - before


def _sequential_scans() -> dict[str, int]:
    return _statistics("seq_scan")


def _statistics(figure: str) -> dict[str, int]:
    # Those of the present transaction: the others' come late.
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT relname, {figure} FROM pg_stat_xact_user_tables")
        rows: list[Any] = cursor.fetchall()
    return dict(rows)
