"""What processes ask of PostgreSQL for their connections, and how its plans stay right."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Value
from django.db.models.sql.compiler import SQLCompiler

# In leases: nobody thinks for so long in the middle of a transaction, unless stopped, frozen, or behind a broken network.
IDLE_LEASES = 3


def end_forgotten_transactions() -> None:
    """Have PostgreSQL end transactions of this process in which nothing happens any more, and free the rows that they lock.

    For web and worker processes; a person at a shell, or a migration, may take as long as they like.
    """
    connection_created.connect(_limit_idling, dispatch_uid="projects.database")


def _limit_idling(connection: BaseDatabaseWrapper, **_: Any) -> None:
    if connection.vendor == "postgresql":
        milliseconds = settings.ENGINE_LEASE_SECONDS * IDLE_LEASES * 1000
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [str(milliseconds)])


class Literal(Value):
    """A whole number or a UUID that stands in the statement itself and is no parameter of it.

    A prepared statement is planned for any parameters. Then PostgreSQL cannot know that a partial index has all the rows that are
    asked for, nor that the one that is asked for has a hundred thousand rows, where others have ten.
    """

    def __init__(self, value: int | UUID) -> None:
        super().__init__(value)

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, tuple[str | int, ...]]:
        if not isinstance(self.value, UUID):
            return str(int(self.value)), ()
        return f"'{self.value}'::uuid" if connection.features.has_native_uuid_field else f"'{self.value.hex}'", ()
