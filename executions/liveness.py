"""Whether worker processes get on: each touches a file whenever it has looked for work and the database has answered.

``python -m executions.liveness`` says so by its exit status, without a broker, a database or Django: it may be asked often. A
worker that answers pings but claims nothing is not alive.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# Looks come every few seconds; this many without one is no coincidence.
WITHIN_SECONDS = 60
# Between two touches of one process.
PAUSE_SECONDS = 2.0
_PREFIX = "segue-worker-"

_mark: Path | None = None
_noted_at = float("-inf")


def begin() -> None:
    """Let this process be one that is asked after: a child of a worker's main process. What dead ones left is removed."""
    global _mark
    for folder in _folders():
        if not _lives(folder.name.removeprefix(_PREFIX)):
            shutil.rmtree(folder, ignore_errors=True)
    _mark = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getppid()}" / str(os.getpid())
    _mark.parent.mkdir(mode=0o700, exist_ok=True)
    note()


def note() -> None:
    """Note that this process has looked for work. Costs nothing most of the time."""
    global _noted_at
    now = time.monotonic()
    if _mark is not None and now - _noted_at > PAUSE_SECONDS:
        _noted_at = now
        _mark.touch(mode=0o600)


def stale(*, now: float) -> list[str]:
    """Return what is wrong with the worker processes of this machine; nothing, if all get on.

    :param now: seconds since the epoch.
    """
    seen = 0
    problems = []
    for folder in _folders():
        if not _lives(folder.name.removeprefix(_PREFIX)):
            continue
        for mark in folder.iterdir():
            if not _lives(mark.name):
                continue
            seen += 1
            seconds = now - mark.stat().st_mtime
            if seconds > WITHIN_SECONDS:
                problems.append(f"Process {mark.name} has not looked for work for {seconds:.0f} seconds.")
    return problems if seen else ["No worker process has looked for work yet."]


def main() -> None:
    """Exit with 0 if every worker process of this machine has looked for work lately."""
    problems = stale(now=time.time())
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    sys.exit(bool(problems))


def _folders() -> list[Path]:
    found = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return sorted(folder for folder in found if folder.stat().st_uid == os.getuid())


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        return False  # Somebody else's by now, or no process id.
    return True


if __name__ == "__main__":
    main()
