"""One program as a child process: started, started again when it ends, stopped within bounded time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from config.supervisor.folder import Folder
from config.supervisor.logs import rotate
from config.supervisor.restart import failures_after, pause_seconds

LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True)
class Program:
    """What to run: a name for log and console, the command, and what a stop may cost."""

    name: str
    command: tuple[str, ...]
    grace_seconds: float
    pass_fds: tuple[int, ...] = ()


def spawn(
    program: Program,
    *,
    folder: Folder,
    environ: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stdout: IO[bytes] | int | None = None,
    stderr: IO[bytes] | int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, so that Ctrl-C at the terminal reaches the supervisor alone.

    Streams as in ``subprocess``: None is the supervisor's own. Call it from the main thread: the kernel ends the program when the *thread* that started it ends.
    """
    launcher = (sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()))
    return subprocess.Popen(  # noqa: S603 - the commands are ours
        [*launcher, *program.command],
        cwd=folder.base,
        env=dict(environ),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        pass_fds=program.pass_fds,
        start_new_session=True,
    )


def end(process: subprocess.Popen[bytes], *, grace_seconds: float) -> None:
    """Ask a process to stop; after the grace kill it. What it started itself and left behind is killed too."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_seconds)
    kill_session(process)
    process.wait()


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it started. It led its own process group, which is named by its id.

    An id is not given out again while a process group bears it, so no stranger is hit.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class Child:
    """Keeps one program running, with a growing pause between its ends and its starts."""

    def __init__(self, program: Program, *, folder: Folder, environ: Mapping[str, str]) -> None:
        self.program = program
        self.log = folder.log(program.name)
        self.failures = 0
        self._folder = folder
        self._environ = environ
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0

    @property
    def pid(self) -> int | None:
        """The process id, or None while the program is not running."""
        return self._process.pid if self._process else None

    def watch(self, now: float | None = None) -> str | None:
        """Start the program if it is due, notice its end. Return a sentence when it has ended, else None."""
        now = time.monotonic() if now is None else now
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
            return None
        rotate(self.log)
        code = self._process.poll()
        return None if code is None else self._ended(code, now)

    def stop(self, *, at_once: bool = False) -> None:
        """End the program: asked first, killed after its grace, or at once."""
        if self._process:
            end(self._process, grace_seconds=0 if at_once else self.program.grace_seconds)
            self._process = None

    def kill(self) -> None:
        """End the program and all that it started, now. It is not waited for."""
        if self._process:
            kill_session(self._process)

    def _start(self, now: float) -> None:
        with self.log.open("ab") as log:
            self._process = spawn(
                self.program, folder=self._folder, environ=self._environ, stdout=log, stderr=subprocess.STDOUT
            )
        self._started_at = now

    def _ended(self, code: int, now: float) -> str:
        if self._process:
            kill_session(self._process)
        self._process = None
        self.failures = failures_after(self.failures, ran_seconds=now - self._started_at)
        pause = pause_seconds(self.failures)
        self._start_at = now + pause
        return f"{self.program.name} ended ({describe(code)}); it starts again in {pause:g} s. See {self.log}"


def describe(code: int) -> str:
    """Say how a process ended: ``exit code 3``, ``SIGKILL``."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
