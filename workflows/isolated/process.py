"""The parent's side of a process that reads what strangers sent."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from workflows.http.calls import Call, Cancel
from workflows.nodes.base import NodeError

_CHILD = Path(__file__).with_name("child.py")
_PROGRAMS = Path(__file__).with_name("programs")

# So many at a time for one worker process. They compute all the time, so that more would not be done sooner; and of as many as a
# worker has threads, each with all the memory that it may take, no machine would be left.
MOST_AT_ONCE = 4
_places = threading.BoundedSemaphore(MOST_AT_ONCE)
# How often a thread that waits for a place looks whether its node is still wanted.
LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Limits:
    """What a process may take. Bytes of memory, seconds of processor time, and seconds until it must have ended."""

    memory_bytes: int = 512 * 1024 * 1024
    cpu_seconds: int = 20
    wall_seconds: float = 60.0


class Exhausted(Exception):
    """The process took more than it may, or a library has ended it."""


def ask(
    program: str, question: dict[str, Any], parts: Sequence[bytes], *, libraries: Sequence[str], limits: Limits
) -> Any:
    """Return what a program answers. With as many at work as may be, it waits for its turn.

    :param program: the name of one in ``programs``.
    :param parts: what it is to read.
    :param libraries: the packages that it imports.
    :raises Exhausted: if none comes.
    :raises NodeError: ``crashed`` if the process does not start, ``timeout`` if it did not get the time; both retryable.
    :raises Cancelled: if the node was abandoned; the process is ended then.
    """
    cancel = Call(limits.wall_seconds, None).cancel
    asked = orjson.dumps({"question": question, "sizes": [len(part) for part in parts]})
    with _place(cancel), _started(program, libraries, limits) as process, cancel.waking(process.kill):
        try:
            answer, _ = process.communicate(b"".join((asked, b"\n", *parts)), timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired as error:
            # Whoever computes all the time has come to the end of the processor time long before.
            message = f"It was not read within {limits.wall_seconds:g} seconds: the machine has too much else to do."
            raise NodeError("timeout", message, retryable=True) from error
        finally:
            process.kill()  # It may not have ended, whatever was raised here.
    cancel.check()
    if process.returncode != 0:
        raise Exhausted
    return orjson.loads(answer)


@contextmanager
def _place(cancel: Cancel) -> Iterator[None]:
    while not _places.acquire(timeout=LOOK_SECONDS):
        cancel.check()
    try:
        yield
    finally:
        _places.release()


def _started(program: str, libraries: Sequence[str], limits: Limits) -> subprocess.Popen[bytes]:
    arguments = {
        "program": str(_PROGRAMS / f"{program}.py"),
        "limits": asdict(limits),
        "libraries": _directories(libraries),
    }
    command = [sys.executable, "-I", "-S", "-B", str(_CHILD), orjson.dumps(arguments).decode()]
    try:
        return subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"TZ": "UTC"},
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise NodeError(
            "crashed", f"The process that reads did not start: {error.strerror}.", retryable=True
        ) from error


def _directories(libraries: Sequence[str]) -> list[str]:
    """Return where the child finds them: it has no site directories of its own, which it would read many files for."""
    specs = [importlib.util.find_spec(name) for name in libraries]
    origins = [Path(spec.origin) for spec in specs if spec is not None and spec.origin is not None]
    return list(dict.fromkeys(str(origin.parent.parent) for origin in origins))
