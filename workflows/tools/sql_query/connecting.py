"""One connection to somebody's PostgreSQL: to a checked address, with what the URL says, and nothing of this machine's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from workflows.http.configured import configured_door
from workflows.http.gates import current_gate
from workflows.http.urls import one_form
from workflows.http.waits import trusted_authorities
from workflows.nodes.base import NodeError
from workflows.tools.sql_query.errors import as_node_error
from workflows.tools.sql_query.values import adapters

CONNECT_SECONDS = 5.0
# libpq counts whole seconds, and takes one for two.
MIN_CONNECT_SECONDS = 2
# What a URL may say. Everything else would read files of this machine, or make the connection another one than was checked.
ALLOWED = frozenset({"host", "port", "user", "password", "dbname", "sslmode", "channel_binding", "application_name"})
SSL_MODES = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
VERIFYING = frozenset({"verify-ca", "verify-full"})
DEFAULT_PORT = 5432
# In place of what libpq would else take from the environment or the home of whoever runs the worker.
NOTHING_OF_OUR_OWN = {
    "passfile": "/dev/null/none",
    "gssencmode": "disable",
    "sslcertmode": "disable",
    "require_auth": "scram-sha-256,md5,password,none",
    "options": "",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "client_encoding": "UTF8",
    "sslcrl": "/dev/null/none",
    "sslcrldir": "/dev/null/none",
}


@contextlib.contextmanager
def connected(url: str, *, left: Callable[[], float]) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Yield a connection, and close it. The server undoes what was not committed.

    :param left: asked again for each step, how many seconds are left for everything.
    :raises NodeError: ``invalid_connection`` if the URL is none that may be used; ``connect``, ``tls`` and others if nothing comes of it.
    :raises DoorError: if the host's address is refused or unknown.
    :raises Postponed: if the gate of this thread says so.
    :raises Cancelled: if the node was abandoned.
    """
    given = _read(url.strip())  # Secrets that come from files often end with a line end.
    with current_gate().passing(one_form(given["host"]), seconds=left()):
        connection = _connect(given, left=left)
        try:
            yield connection
        finally:
            connection.close()


def _connect(given: Mapping[str, str], *, left: Callable[[], float]) -> psycopg.Connection[tuple[object, ...]]:
    host, port = given["host"], int(given["port"])
    said = {**NOTHING_OF_OUR_OWN, **given, **_authorities(given["sslmode"])}
    failure: psycopg.Error | None = None
    for address in configured_door().addresses(host, port, timeout=left()):
        seconds = max(MIN_CONNECT_SECONDS, int(min(CONNECT_SECONDS, left())))
        try:
            return psycopg.connect(
                make_conninfo(**said, hostaddr=address, connect_timeout=seconds),
                cursor_factory=psycopg.RawCursor,
                context=adapters(),
                prepare_threshold=None,
            )
        except psycopg.OperationalError as error:
            failure = error
            if getattr(error, "sqlstate", None):
                break  # The server has answered: another address of it would say the same.
    assert failure is not None  # noqa: S101 - the door names at least one address
    raise as_node_error(failure, is_connecting=True) from failure


def _read(url: str) -> dict[str, str]:
    """Return what a URL says, checked and complete."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise _invalid("it is no URL that begins with postgresql://")
    try:
        parsed = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    except psycopg.Error:
        # Not its own words: they quote the URL.
        raise _invalid(
            "it is malformed; characters such as @ / : % in a password are written in percent-encoding"
        ) from None
    if unknown := sorted(parsed.keys() - ALLOWED):
        raise _invalid(f"it sets {', '.join(unknown)}; a URL may set {', '.join(sorted(ALLOWED))}")
    host = parsed.get("host", "")
    if not host or host.startswith(("/", "@")) or "," in host:
        raise _invalid("it must name one host")
    port = parsed.setdefault("port", str(DEFAULT_PORT))
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise _invalid("its port is none")
    for name in ("user", "dbname"):
        if not parsed.get(name):
            raise _invalid(f"it names no {'user' if name == 'user' else 'database'}")
    if parsed.setdefault("sslmode", "prefer") not in SSL_MODES:
        raise _invalid(f"its sslmode must be one of {', '.join(sorted(SSL_MODES))}")
    # Not left out: libpq would ask the environment.
    return {"password": "", "channel_binding": "prefer", "application_name": "segue", **parsed}


def _authorities(sslmode: str) -> dict[str, str]:
    return {"sslrootcert": (trusted_authorities() or "system") if sslmode in VERIFYING else "/dev/null/none"}


def _invalid(what: str) -> NodeError:
    return NodeError(
        "invalid_connection",
        f"The connection cannot be used: {what}. It looks like postgresql://user:password@host:5432/name?sslmode=verify-full.",
    )
