"""What the database must hold, read from the models and migrations, and what it lacks."""

from __future__ import annotations

import re
from collections.abc import Iterator, KeysView
from dataclasses import dataclass

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import CheckConstraint, Model

from projects.migration_operations import VendorSQL

OUR_APPS = ("projects", "workflows", "executions", "triggers", "templates_app")
_TRIGGER = re.compile(r"CREATE TRIGGER\s+(\w+)")


@dataclass(frozen=True)
class Part:
    """One thing that must be there: a table, a column, a check, a unique constraint, an index, a trigger."""

    kind: str
    table: str
    name: str
    is_there: bool


def parts() -> Iterator[Part]:
    """Yield everything that our tables are made of, and whether the database has it."""
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        for model in _models():
            table = model._meta.db_table
            yield Part("table", table, table, table in tables)
            if table in tables:
                columns = {column.name for column in connection.introspection.get_table_description(cursor, table)}
                constraints = connection.introspection.get_constraints(cursor, table)
                yield from _parts_of(model, columns, constraints.keys())
        triggers = _triggers_there(cursor)
    for name in _triggers_expected():
        yield Part("trigger", "", name, name in triggers)


def _models() -> list[type[Model]]:
    return [model for label in OUR_APPS for model in apps.get_app_config(label).get_models()]


def _parts_of(model: type[Model], columns: set[str], names: KeysView[str]) -> Iterator[Part]:
    table = model._meta.db_table
    for field in model._meta.local_concrete_fields:
        yield Part("column", table, field.column or "", field.column in columns)
    for constraint in model._meta.constraints:
        kind = "check" if isinstance(constraint, CheckConstraint) else "unique"
        yield Part(kind, table, constraint.name, constraint.name in names)
    for index in model._meta.indexes:
        yield Part("index", table, index.name or "", index.name in names)


def _triggers_expected() -> list[str]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    statements = [
        statement
        for (label, _), migration in sorted(loader.disk_migrations.items())
        if label in OUR_APPS
        for operation in migration.operations
        if isinstance(operation, VendorSQL)
        for statement in operation.statements(connection.vendor)[0]
    ]
    return [name for statement in statements for name in _TRIGGER.findall(statement)]


def _triggers_there(cursor: object) -> set[str]:
    ask = {
        "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'",
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    }[connection.vendor]
    cursor.execute(ask)  # type: ignore[attr-defined]
    return {name for (name,) in cursor.fetchall()}  # type: ignore[attr-defined]
