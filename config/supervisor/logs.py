"""The log files of the programs, in ``var/log``."""

from __future__ import annotations

import shutil
from pathlib import Path

# A log that has grown to this size becomes NAME.log.1, whose former contents go.
LOG_MAX_BYTES = 10 * 1024 * 1024

# How much of a log's end is read to show its last lines.
TAIL_BYTES = 16 * 1024


def rotate(path: Path) -> None:
    """Put a full log aside. Its writer goes on at the start of the file, because it opened it for appending."""
    if path.exists() and path.stat().st_size > LOG_MAX_BYTES:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        with path.open("r+b") as file:
            file.truncate(0)


def tail(path: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented for the console."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])
