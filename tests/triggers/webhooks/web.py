"""Web processes as in production, on the tests' database."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from tests import environment
from tests.environment import ROOT

START_SECONDS = 60


@contextlib.contextmanager
def web_process(folder: Path, **more: str) -> Iterator[int]:
    """Run gunicorn and return its port.

    :param more: settings that differ from those of the tests, as environment.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if name not in environment.known_names()}
    settled = environment.environment(database_url=_database_url(), broker_url=settings.CELERY_BROKER_URL)
    with (folder / f"{free}.log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--config", "config/gunicorn.py", "--bind", f"127.0.0.1:{free}"],
            cwd=ROOT,
            env=own | settled | more,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not _listens(free):
                log.seek(0)
                assert process.poll() is None, log.read().decode()
                assert time.monotonic() < until
                time.sleep(0.1)
            yield free
        finally:
            process.terminate()
            process.wait(30)


def _database_url() -> str:
    name = str(settings.DATABASES["default"]["NAME"])
    if connection.vendor != "postgresql":
        return f"sqlite:///{name}"
    # The path alone: a server of the tests' own is named by a folder after it.
    return urlunsplit(urlsplit(os.environ["TEST_DATABASE_URL"])._replace(path=f"/{name}"))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
