"""Writing many new rows at once, as fast as the database takes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from django.db import connection
from django.db.models import JSONField, Model

# Fewer than these are as fast in one INSERT.
FEW = 2


def insert(rows: Sequence[Model]) -> None:
    """Insert new rows of one model, whose values are all there: no defaults or expressions of the database's.

    PostgreSQL takes them by COPY, which costs a third of what an INSERT of as many rows does. Nothing is sent to signals.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql" or len(rows) < FEW:
        model._default_manager.bulk_create(rows)
        return
    columns = _columns(model)
    names = ", ".join(f'"{column}"' for column, _, _ in columns)
    with connection.cursor() as cursor, cursor.copy(f'COPY "{model._meta.db_table}" ({names}) FROM STDIN') as copy:
        for row in rows:
            values = row.__dict__
            copy.write_row([_json(values[name]) if is_json else values[name] for _, name, is_json in columns])
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias


@cache
def _columns(model: type[Model]) -> tuple[tuple[str, str, bool], ...]:
    fields = model._meta.local_concrete_fields
    return tuple((field.column, field.attname, isinstance(field, JSONField)) for field in fields)


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()
