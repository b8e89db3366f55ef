"""The tool ``sql.query``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import orjson
import psycopg
from django.conf import settings

from projects.payloads import storable
from workflows.http import DoorError
from workflows.http.secrets import Secrets
from workflows.http.waits import bounded
from workflows.nodes.base import Context, Effect, NodeError
from workflows.tools.base import Tool, register
from workflows.tools.sql_query.arguments import SqlArguments
from workflows.tools.sql_query.connecting import connected
from workflows.tools.sql_query.errors import as_node_error
from workflows.tools.sql_query.values import OUTPUT_SETTINGS, as_parameter

# Values travel as text, which is longer than the JSON that becomes of them; this leaves room for that.
WIRE_FACTOR = 2
# The server gives up this much earlier than we do, so that its answer still comes.
SERVER_MARGIN = 0.9


@register("sql.query")
class SqlQuery(Tool[SqlArguments]):
    """Run one SQL statement on a PostgreSQL database.

    The output is ``{"rows": [{…}], "row_count": 2, "command": "SELECT 2"}``: each row an object by the columns' names, and how many
    rows came or were changed. numeric, times, uuid and whatever JSON has no form for are text, times in ISO 8601 (UTC), bytea is
    base64, json is itself. Every call has a connection and a transaction of its own, which may only read unless ``read_only`` is false.
    """

    Arguments = SqlArguments
    authors_alone = ("connection",)
    icon = "database"
    items_at = "/rows"
    example: ClassVar[dict[str, Any]] = {
        "connection": "{{ secret('DATABASE') }}",
        "sql": "SELECT id, total FROM orders WHERE customer = $1 AND created_at > $2 ORDER BY id LIMIT 100",
        "parameters": ["{{ input.customer }}", "{{ input.since }}"],
    }

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Only a transaction that may only read counts as reading."""
        return Effect.READ if arguments.get("read_only", True) is True else Effect.WRITE

    def call(self, arguments: SqlArguments, context: Context) -> dict[str, Any]:
        """Run the statement, and commit.

        :raises NodeError: ``invalid_connection``, ``connect``, ``tls``, ``login_failed``, ``timeout``, ``lock_timeout``, ``deadlock``,
            ``serialization_failure``, ``read_only``, ``constraint_violated``, ``invalid_sql``, ``invalid_data``, ``too_many_rows``,
            ``too_large``, ``duplicate_column``, or the door's own code. Where PostgreSQL has spoken, ``details.sqlstate`` says how.
        :raises Postponed: if a limit of the project lets no call out for a while.
        :raises Cancelled: if the engine abandoned the node. The server undoes what it has not committed.
        """
        secrets = Secrets(context)
        ends_at = time.monotonic() + min(arguments.timeout_seconds, context.seconds_left)
        try:
            output = _run(arguments, secrets, left=lambda: _left(ends_at))
        except DoorError as error:
            raise NodeError(error.code, f"The database: {error.message}", retryable=error.retryable) from error
        masked: dict[str, Any] = secrets.mask(output)
        return masked


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise NodeError("timeout", "The time for the statement was over. Raise `timeout_seconds`.", retryable=True)
    return left


def _run(arguments: SqlArguments, secrets: Secrets, *, left: Callable[[], float]) -> dict[str, Any]:
    parameters = [as_parameter(value) for value in secrets.fill(arguments.parameters)]
    with connected(secrets.fill(arguments.connection), left=left) as connection:
        try:
            return _run_on(connection, arguments, parameters, seconds=left())
        except psycopg.Error as error:
            raise as_node_error(error) from error
        except UnicodeEncodeError as error:
            raise NodeError("invalid_data", "A text holds half a character (a lone surrogate).") from error


def _run_on(
    connection: psycopg.Connection[Any], arguments: SqlArguments, parameters: list[Any], *, seconds: float
) -> dict[str, Any]:
    most = settings.NODE_OUTPUT_MAX_BYTES
    with bounded(connection.fileno(), seconds=seconds, max_bytes=most * WIRE_FACTOR):
        connection.read_only = arguments.read_only
        cursor = connection.cursor()
        _settle(cursor, seconds, arguments)
        # A pipeline has each statement sent with its parameters apart, even if there are none: only so the server
        # refuses a text that holds several, such as "COMMIT; DROP TABLE …".
        with connection.pipeline():
            cursor.execute(arguments.sql.encode(), parameters)
        output = _output(cursor, arguments, max_bytes=most)
        connection.commit()
        return output


def _settle(cursor: psycopg.Cursor[Any], seconds: float, arguments: SqlArguments) -> None:
    """Bound what the statement may take, and fix how values are written, for this transaction alone.

    It is the transaction's first query: after it, no statement can make a transaction that may only read one that writes.
    """
    wanted = {
        "statement_timeout": _milliseconds(seconds * SERVER_MARGIN),
        "lock_timeout": _milliseconds(min(arguments.lock_timeout_seconds, seconds * SERVER_MARGIN)),
        "idle_in_transaction_session_timeout": _milliseconds(seconds + 1),
        "client_connection_check_interval": "1000",  # A call that is abandoned ends there too.
        **OUTPUT_SETTINGS,
    }
    cursor.execute(
        "SELECT set_config(name, value, true) FROM unnest($1::text[], $2::text[]) AS wanted(name, value) "
        # Older servers do not know all of them.
        "WHERE current_setting(name, true) IS NOT NULL",
        [list(wanted), list(wanted.values())],
    )


def _milliseconds(seconds: float) -> str:
    return f"{max(1, int(seconds * 1000))}"


def _output(cursor: psycopg.Cursor[Any], arguments: SqlArguments, *, max_bytes: int) -> dict[str, Any]:
    rows: list[Any] = []
    if cursor.description is not None:
        if cursor.rowcount > arguments.max_rows:
            raise NodeError(
                "too_many_rows",
                f"{cursor.rowcount:,} rows came, and `max_rows` allows {arguments.max_rows:,}. Narrow the statement with WHERE "
                "or LIMIT. Nothing was committed.",
            )
        names = [column.name for column in cursor.description]
        _refuse_doubled(names)
        rows = storable([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
        if len(orjson.dumps(rows)) > max_bytes:
            raise NodeError(
                "too_large",
                f"The rows have more than {max_bytes:,} bytes. Ask for fewer columns or rows. Nothing was committed.",
            )
    return {"rows": rows, "row_count": max(cursor.rowcount, 0), "command": cursor.statusmessage or ""}


def _refuse_doubled(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise NodeError(
                "duplicate_column",
                f"Two columns are called {name[:60]!r}. Give them names of their own with AS. Nothing was committed.",
            )
