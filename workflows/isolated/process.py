"""The parent's side of a process that reads what strangers sent."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from workflows.http.calls import Call
from workflows.nodes.base import NodeError

_CHILD = Path(__file__).with_name("child.py")
_PROGRAMS = Path(__file__).with_name("programs")


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
    """Return what a program answers.

    :param program: the name of one in ``programs``.
    :param parts: what it is to read.
    :param libraries: the packages that it imports.
    :raises Exhausted: if none comes.
    :raises NodeError: ``crashed``, retryable, if the process does not start.
    :raises Cancelled: if the node was abandoned; the process is ended then.
    """
    call = Call(limits.wall_seconds, None)
    process = _started(program, libraries, limits)
    asked = orjson.dumps({"question": question, "sizes": [len(part) for part in parts]})
    with process, call.cancel.waking(process.kill):
        try:
            answer, _ = process.communicate(b"".join((asked, b"\n", *parts)), timeout=limits.wall_seconds)
        except subprocess.TimeoutExpired as error:
            raise Exhausted from error
        finally:
            process.kill()  # It may not have ended, whatever was raised here.
    call.cancel.check()
    if process.returncode != 0:
        raise Exhausted
    return orjson.loads(answer)


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
