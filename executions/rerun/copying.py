"""Node runs of one execution as node runs of another, copied by the database: a loop may have had 10,000 passes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Exists, F, Func, IntegerField, OuterRef, Q, Sum, TextField, UUIDField, Value, Window
from django.db.models.functions import Cast, Coalesce, RowNumber
from django.db.models.lookups import In, LessThan

from executions.models import ENDED, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.reference import FILE_COLUMNS
from projects.ids import new_id

# What a copy has of its original. All other columns are its own.
KEPT = (
    "node_id",
    "node_name",
    "node_type",
    "iteration",
    "status",
    "ports",
    "state",
    "input_data",
    "output_data",
    *FILE_COLUMNS,
    "error",
)
OWN = (
    "id",
    "execution_id",
    "reused_from",
    "attempt",
    "interruptions",
    "started_at",
    "completed_at",
    "created_at",
    "duration_ms",
    "tokens_used",
    "cost",
)
_INSERT = f"INSERT INTO {WorkflowExecutionLog._meta.db_table} ({', '.join(KEPT + OWN)})"


@dataclass(frozen=True)
class Passes:
    """Passes of one scope.

    :param inside: the nodes in the scope, and in the scopes in it.
    :param iteration: of the scope's own node run.
    :param before: the passes with a lower number; None: all.
    :param but: not these.
    """

    inside: frozenset[str]
    iteration: str
    before: int | None = None
    but: Collection[int] = ()

    @property
    def node_runs(self) -> Q:
        """The node runs in these passes."""
        prefix = f"{self.iteration}." if self.iteration else ""
        chosen = Q(node_id__in=self.inside, iteration__startswith=prefix)
        if self.before is not None:
            chosen &= Q(LessThan(PassNumber(prefix), self.before))
        if self.but:
            chosen &= ~Q(In(PassNumber(prefix), list(self.but)))
        return chosen


class PassNumber(Func):
    """The number of the pass of a scope that a node run lies in: of ``3.17.2``, below ``3.``, it is 17."""

    output_field: ClassVar[Any] = IntegerField()
    template = "CAST(NULLIF(split_part(substr(%(expressions)s), '.', 1), '') AS integer)"

    def __init__(self, prefix: str) -> None:
        super().__init__(F("iteration"), Value(len(prefix) + 1))

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite has no ``split_part``; its cast stops at the point."""
        return self.as_sql(compiler, connection, template="CAST(substr(%(expressions)s) AS integer)", **context)


class NumberedId(Func):
    """An id that begins as all of one statement do and ends with a number, so that the rows stay in their order."""

    output_field: ClassVar[Any] = UUIDField()
    template = "CAST(concat('%(beginning)s', lpad(to_hex(%(expressions)s), 12, '0')) AS uuid)"

    def __init__(self, number: Any) -> None:
        # Of a UUIDv7: the time, and 22 of its random bits.
        super().__init__(number, beginning=new_id().hex[:20])

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite keeps ids as text."""
        return self.as_sql(
            compiler, connection, template="'%(beginning)s' || printf('%%%%012x', %(expressions)s)", **context
        )


class Bytes(Func):
    """How long a column is as text, in bytes."""

    output_field: ClassVar[Any] = IntegerField()
    function = "OCTET_LENGTH"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite counts bytes in what it holds to be bytes."""
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **context)


def copy_node_runs(
    original: WorkflowExecution,
    copy: WorkflowExecution,
    *,
    pks: Collection[UUID],
    passes: Collection[Passes],
    now: datetime,
) -> None:
    """Give an execution the node runs of another: these, and the last attempt of each node in these passes. One statement.

    Those with large outputs name the same files, which are there as long as any row names them. They took no time and cost nothing this time, and each says which one it was taken over from.
    """
    wanted = Q(pk__in=pks)
    for each in passes:
        wanted |= each.node_runs
    later = WorkflowExecutionLog.objects.filter(
        execution=original,
        iteration=OuterRef("iteration"),
        node_id=OuterRef("node_id"),
        attempt__gt=OuterRef("attempt"),
    )
    own: dict[str, Any] = {
        "id": NumberedId(Window(RowNumber(), order_by=("started_at", "id"))),
        "execution_id": _constant(copy.pk, "id", WorkflowExecution),
        "reused_from": F("id"),
        "attempt": Value(1),
        "interruptions": Value(0),
        "started_at": _constant(now, "started_at"),
        "completed_at": _constant(now, "completed_at"),
        "created_at": _constant(now, "created_at"),
        "duration_ms": Value(0),
        "tokens_used": Value(0),
        "cost": _constant(0, "cost"),
    }
    chosen = (
        WorkflowExecutionLog.objects.filter(~Exists(later), wanted, execution=original, status__in=ENDED)
        .annotate(**{f"own_{name}": own[name] for name in OWN})
        .values_list(*KEPT, *(f"own_{name}" for name in OWN))
    )
    try:
        select, parameters = chosen.query.get_compiler(connection=connection).as_sql()
    except EmptyResultSet:
        return  # No condition that any row could meet: nothing is taken over as it is.
    statement = f"{_INSERT} {select}"
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def output_bytes_of(execution: WorkflowExecution) -> int:
    """Return how large all outputs of an execution's node runs are together, as the database writes them, and in files."""
    size = Coalesce(Sum(Bytes(Cast("output_data", TextField()))), 0) + Coalesce(Sum("output_file_bytes"), 0)
    found: int = execution.node_runs.aggregate(bytes=size)["bytes"]
    return found


def _constant(value: Any, column: str, model: Any = WorkflowExecutionLog) -> Value:
    return Value(value, output_field=model._meta.get_field(column))
