"""The parent's side of the child process that evaluates expressions."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import struct
import subprocess
import sys
import time
import weakref
from dataclasses import asdict
from pathlib import Path
from typing import IO, cast

import orjson

from workflows.expressions.limits import Limits
from workflows.expressions.request import Request

_LENGTH = struct.Struct(">I")
_LENGTHS = struct.Struct(">III")
_LONGEST_ERROR = 64 * 1024  # What it may answer instead of a result.
_START_SECONDS = 30.0  # Importing takes 0.05 s on an idle machine; a busy one may be far slower.
_CPU_SIGNALS = (-signal.SIGPROF, -signal.SIGXCPU)


class ChildLost(Exception):
    """The child process died or stopped answering.

    :param code: ``time_limit`` or ``crashed``.
    :param reason: half a sentence that says how it ended.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class ChildProcess:
    """A running evaluation process. One conversation at a time: whoever uses it holds a lock.

    It gets no environment, no descriptors but its two pipes, and a session of its own, so that Ctrl-C is the parent's
    business. It ends when the parent closes the pipe or dies, because then its input ends. (The kernel's signal for a
    parent's death, PR_SET_PDEATHSIG, would come when the *thread* that started it ends, which is too soon.)
    """

    def __init__(self, limits: Limits) -> None:
        """Start it.

        :raises ChildLost: if it does not start.
        """
        self._process = _start(limits)
        self._most = max(limits.output_bytes, limits.each_output_bytes) + _LONGEST_ERROR
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        self._received = bytearray()
        self._writable = _poll(self._in, select.POLLOUT)
        self._readable = _poll(self._out, select.POLLIN)
        self._end = weakref.finalize(self, _end, self._process)
        try:
            self.receive(_START_SECONDS)
        except ChildLost as lost:
            self.close()
            raise ChildLost("crashed", f"it did not start, {lost.reason}") from None

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, request: Request, seconds: float) -> None:
        """Hand over a request.

        :raises ChildLost: if it does not take it in time, or is gone.
        """
        deadline = time.monotonic() + seconds
        frames = request.to_frames()
        data = memoryview(b"".join((_LENGTHS.pack(*map(len, frames)), *frames)))
        while data:
            try:
                data = data[os.write(self._in.fileno(), data) :]
            except BlockingIOError:
                self._wait(self._writable, deadline)
            except BrokenPipeError:
                raise self._lost() from None

    def receive(self, seconds: float) -> bytes:
        """Return the next answer.

        :raises ChildLost: if none comes in time, or the process is gone.
        """
        deadline = time.monotonic() + seconds
        (size,) = _LENGTH.unpack(self._take(_LENGTH.size, deadline))
        if size > self._most:
            self.close()
            raise ChildLost("crashed", "it answers with more than it may")
        return self._take(size, deadline)

    def close(self) -> None:
        """End it."""
        self._end()

    def abandon(self) -> None:
        """Forget it without ending it: it belongs to the process that this one was forked from."""
        self._end.detach()
        self._in.close()
        self._out.close()
        self._process.returncode = 0  # It is not ours to wait for.

    def _take(self, size: int, deadline: float) -> bytes:
        while len(self._received) < size:
            self._wait(self._readable, deadline)
            part = os.read(self._out.fileno(), 1 << 20)
            if not part:
                raise self._lost()
            self._received += part
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def _wait(self, pipe: select.poll, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not pipe.poll(left * 1000):
            self.close()
            raise ChildLost("time_limit", "no answer came in time")

    def _lost(self) -> ChildLost:
        """Find out how it ended."""
        try:
            status = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return ChildLost("crashed", "it does not listen")
        if status in _CPU_SIGNALS:
            return ChildLost("time_limit", "it computes for too long")
        if status < 0:
            return ChildLost("crashed", f"it was ended by signal {-status}")
        return ChildLost("crashed", f"it ended with status {status}")


def _start(limits: Limits) -> subprocess.Popen[bytes]:
    arguments = [orjson.dumps(asdict(limits)).decode(), *_site_directories()]
    # -I: nothing from the environment or the current directory. -S: no site, which would read many files.
    command = [sys.executable, "-I", "-S", "-B", str(Path(__file__).with_name("child.py")), *arguments]
    try:
        return subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={"TZ": "UTC"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ChildLost("crashed", f"it did not start: {error.strerror}") from error


def _poll(pipe: IO[bytes], event: int) -> select.poll:
    os.set_blocking(pipe.fileno(), False)
    poll = select.poll()
    poll.register(pipe, event)
    return poll


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.kill()
    process.wait()


def _site_directories() -> list[str]:
    """Return where the child finds the two packages that it needs."""
    specs = [importlib.util.find_spec(name) for name in ("_quickjs", "orjson")]
    origins = [Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None]
    directories = (origins[0].parent, origins[1].parent.parent)
    return list(dict.fromkeys(map(str, directories)))
