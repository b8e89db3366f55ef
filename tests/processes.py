"""What the machine says of its processes (Linux)."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's children that live."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "123 (a name, perhaps with spaces) S 1 …": state and parent follow the name.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in "ZX":
                found.append(int(stat.parent.name))
    return sorted(found)


def lives(pid: int) -> bool:
    """Whether there is such a process, and it is more than a remnant."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process, if it still lives."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
