"""What PostgreSQL's errors mean to a node (SQLSTATE: appendix A of its manual)."""

from __future__ import annotations

import psycopg

from workflows.nodes.base import NodeError

MAX_TEXT_CHARS = 500
# By SQLSTATE, else by its class (the first two characters): our code, and whether trying again can help.
_BY_STATE = {
    "40001": ("serialization_failure", True),
    "40P01": ("deadlock", True),
    "55P03": ("lock_timeout", True),
    "57014": ("timeout", True),
    "57P01": ("connection_lost", True),  # The administrator has ended it.
    "57P02": ("connection_lost", True),
    "57P03": ("connect", True),  # It starts up or shuts down.
    "25006": ("read_only", False),
    "08P01": ("invalid_sql", False),  # Other parameters than the statement has, and COPY.
    "28000": ("login_failed", False),
    "28P01": ("login_failed", False),
    "3D000": ("unknown_database", False),
}
_BY_CLASS = {
    "08": ("connection_lost", True),
    "22": ("invalid_data", False),
    "23": ("constraint_violated", False),
    "40": ("transaction_failed", True),
    "42": ("invalid_sql", False),
    "53": ("server_busy", True),  # Too many connections, no memory, a full disk.
}
_HINTS = {
    "read_only": " Set `read_only` to false if the statement is meant to write.",
    "lock_timeout": " Somebody else holds a lock that the statement needs.",
    "timeout": " Raise `timeout_seconds`, or ask for less.",
}


def as_node_error(error: psycopg.Error, *, is_connecting: bool = False) -> NodeError:
    """Return what a node fails with. PostgreSQL's words, never the connection's URL.

    What comes from the server has a SQLSTATE, and its message is about the statement; what the client library says by itself
    may name hosts and addresses, and is not handed on.
    """
    state = error.sqlstate
    if state is None:
        return _without_state(error, is_connecting=is_connecting)
    code, retryable = _BY_STATE.get(state) or _BY_CLASS.get(state[:2]) or ("sql_error", False)
    said = error.diag.message_primary or "no reason"
    message = f"PostgreSQL refused ({state}): {said[:MAX_TEXT_CHARS].rstrip('.')}.{_HINTS.get(code, '')}"
    details = {
        "sqlstate": state,
        "constraint": error.diag.constraint_name,
        "table": error.diag.table_name,
        "column": error.diag.column_name,
        "position": error.diag.statement_position,
        "hint": (error.diag.message_hint or "")[:MAX_TEXT_CHARS] or None,
    }
    return NodeError(
        code, message, retryable=retryable, details={key: value for key, value in details.items() if value is not None}
    )


def _without_state(error: psycopg.Error, *, is_connecting: bool) -> NodeError:
    if is_connecting:
        return _not_connected(str(error).lower())
    # COPY leaves the library no way out of the pipeline in which statements are sent.
    if isinstance(error, psycopg.OperationalError) and "pipeline mode" not in str(error):
        return NodeError("connection_lost", "The connection to the database was lost.", retryable=True)
    if isinstance(error, psycopg.DataError):
        return NodeError(
            "invalid_data",
            "A parameter cannot be sent: text with a NUL character, or a list with values of several types.",
        )
    return NodeError("invalid_sql", "The statement cannot be run this way. COPY and the like are not possible.")


def _not_connected(text: str) -> NodeError:
    # While connecting, the library hands on no SQLSTATE. In another language than English, what the server says counts as
    # one that may pass.
    if "database" in text and "does not exist" in text:
        return NodeError("unknown_database", "The server has no database of the name that the connection says.")
    if any(sign in text for sign in ("password", "authentication", "role ", "pg_hba.conf", "permission denied")):
        return NodeError(
            "login_failed", "The server does not let the connection's user in, or asks for another password."
        )
    if "ssl" in text or "certificate" in text:
        return NodeError(
            "tls",
            "No connection that is as safe as `sslmode` asks: the server has no TLS, or its certificate is not trusted or for "
            "another name.",
        )
    return NodeError("connect", "The database did not accept a connection.", retryable=True)
