"""What migrations need beyond Django's own operations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation


class VendorSQL(Operation):
    """SQL that PostgreSQL and SQLite spell differently, such as triggers. Reversible.

    Each database gives a pair: the statements that make it, and those that take it back. A trigger's body is part of
    its one statement.

    SQLite's triggers vanish whenever Django rebuilds their table, which it does for most ALTERs there: a later
    migration of the same table has to run the operation again.
    """

    reduces_to_sql = True
    reversible = True
    atomic = True

    def __init__(
        self,
        *,
        postgresql: tuple[Sequence[str], Sequence[str]],
        sqlite: tuple[Sequence[str], Sequence[str]],
        name: str = "",
    ) -> None:
        self.postgresql = postgresql
        self.sqlite = sqlite
        self.name = name

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        return "VendorSQL", [], {"postgresql": self.postgresql, "sqlite": self.sqlite, "name": self.name}

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing: models know nothing of it."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._run(app_label, schema_editor, direction=0)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        self._run(app_label, schema_editor, direction=1)

    def describe(self) -> str:
        return f"SQL: {self.name}" if self.name else "SQL of each database's own"

    def _run(self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, *, direction: int) -> None:
        if not router.allow_migrate(schema_editor.connection.alias, app_label):
            return
        for statement in self.statements(schema_editor.connection.vendor)[direction]:
            schema_editor.execute(statement, params=None)

    def statements(self, vendor: str) -> tuple[Sequence[str], Sequence[str]]:
        """Return what a database is told, there and back.

        :raises NotImplementedError: for one that Segue does not run on.
        """
        match vendor:
            case "postgresql":
                return self.postgresql
            case "sqlite":
                return self.sqlite
        raise NotImplementedError(f"Segue runs on PostgreSQL and SQLite, not on {vendor}.")
