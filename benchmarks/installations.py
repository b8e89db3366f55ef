"""A Segue of its own for each measurement, and a look into its database that costs it little."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks import processes
from tests import environment, servers
from tests.installation import Installation, fresh_database

# What makes tests quick, and no figure true.
SHORTENED = ("ENGINE_LEASE_SECONDS", "ENGINE_SWEEP_SECONDS")


class Measured(Installation):
    """An installation with the settings that people have, and what it has recorded and used."""

    def __init__(self, folder: Path, *, database_url: str, broker_url: str, **settings: str) -> None:
        super().__init__(
            folder, database_url=database_url, broker_url=broker_url, **{"LOG_LEVEL": "WARNING", **settings}
        )
        for name in SHORTENED:
            if name not in settings:
                del self.environment[name]

    def ask(self, question: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Ask the database directly, over one session that is kept. ``?`` stands for each parameter."""
        if self.environment["DATABASE_URL"].startswith("postgres"):
            return self._session.execute(question.replace("?", "%s"), parameters or None).fetchall()
        return self._session.execute(question, parameters).fetchall()

    @cached_property
    def _session(self) -> Any:
        url = self.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            return sqlite3.connect(url.removeprefix("sqlite:///"))
        return psycopg.connect(
            url.replace("postgres://", "postgresql://"), autocommit=True, application_name="benchmark"
        )

    def stop(self) -> None:
        """End everything."""
        super().stop()
        if "_session" in self.__dict__:
            self._session.close()

    def wait_until_idle(self, *, seconds: float = 300) -> None:
        """Wait until every execution has ended."""
        until = time.monotonic() + seconds
        while self.ask("SELECT 1 FROM workflow_executions WHERE completed_at IS NULL LIMIT 1"):
            assert time.monotonic() < until, f"Executions are open after {seconds} s.\n{self.log('worker')[-2000:]}"
            time.sleep(0.05)

    def ends(self, workflow_id: str) -> dict[UUID, float]:
        """Return when each execution of a workflow that completed did so, in seconds of the epoch."""
        found = self.ask(
            "SELECT id, completed_at FROM workflow_executions WHERE status = 'completed' AND workflow_id = ?",
            self.key(workflow_id),
        )
        return {_uuid(pk): _moment(at).timestamp() for pk, at in found}

    def others(self, workflow_id: str) -> list[tuple[Any, ...]]:
        """Return how each execution of a workflow stands that has not completed, and when the first ones that did so ended."""
        key = self.key(workflow_id)
        asked = "SELECT id, status, error, created_at, completed_at FROM workflow_executions WHERE workflow_id = ? AND "
        return [
            *self.ask(f"{asked} status <> 'completed' LIMIT 5", key),
            *self.ask(f"{asked} status = 'completed' ORDER BY completed_at DESC LIMIT 2", key),
        ]

    def key(self, text: str) -> object:
        """Return an id as the database compares it."""
        return UUID(text).hex if self.environment["DATABASE_URL"].startswith("sqlite") else UUID(text)

    def hook(self, name: str, definition: dict[str, Any]) -> tuple[str, str]:
        """Publish a workflow that a webhook starts; return its id and the webhook's path."""
        workflow_id = self.publish(name, definition)
        return workflow_id, f"/webhooks/{self.webhook(workflow_id)['path']}"

    def cpu_seconds(self) -> dict[str, float]:
        """Return the processor time used so far, by part."""
        return processes.cpu_seconds(
            {name: self.pid(name) for name in self.names()},
            database_url=self.environment["DATABASE_URL"],
            broker_url=self.broker_url,
        )

    def setting(self, name: str) -> str:
        """Return the value that a setting has."""
        return self.manage(
            "shell", "--verbosity=0", "-c", f"from django.conf import settings; print(settings.{name})"
        ).strip()

    def of(self, name: str) -> list[processes.Process]:
        """Return the processes of a part: ``web``, ``worker`` or ``beat``."""
        return processes.in_group(self.pid(name))


def has_postgres() -> bool:
    """Return whether the environment names a PostgreSQL server. Without one, measurements run on SQLite."""
    return os.environ.get("TEST_DATABASE_URL", "sqlite") != "sqlite"


@contextlib.contextmanager
def installed(*, keep: str | None = None, **settings: str) -> Iterator[Measured]:
    """Yield an installation of which nothing runs yet, on the servers that the environment names, else embedded ones.

    :param keep: the name of a database that is used if there is one, else made, and stays.
    """
    # Whoever ends a measurement early ends what it has started, too: those processes lead groups of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Asked to end."))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="segue-", dir="/tmp")))
        kind = "postgres" if has_postgres() else "sqlite"
        database_url = _kept_database(keep) if keep else stack.enter_context(fresh_database(kind, folder))
        broker_url = stack.enter_context(_broker(folder))
        segue = Measured(folder, database_url=database_url, broker_url=broker_url, **settings)
        stack.callback(segue.stop)
        yield segue


@contextlib.contextmanager
def running(*names: str, keep: str | None = None, **settings: str) -> Iterator[Measured]:
    """Yield an installation that runs: web, worker and beat, or the parts that are named."""
    with installed(keep=keep, **settings) as segue:
        segue.start(*names)
        yield segue


def _kept_database(name: str) -> str:
    assert name.startswith("segue_"), f"{name!r}: call it segue_…, so that nothing else is taken for it."
    parts = urlsplit(os.environ["TEST_DATABASE_URL"])
    server = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
    with psycopg.connect(server, autocommit=True) as session:
        if not session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            session.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return urlunsplit(parts._replace(path=f"/{name}"))


@contextlib.contextmanager
def _broker(folder: Path) -> Iterator[str]:
    url = environment.named_broker(os.environ, worker=0)
    if url:
        yield url
        return
    socket = folder / "broker.sock"
    with servers.valkey(socket):
        yield f"redis+socket://{socket}"


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)  # SQLite keeps text.


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value).replace(tzinfo=UTC)
