"""Run the commands of a page as a reader would: in one shell, in an empty folder, against a live installation."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.docs.pages import ROOT, Block
from tests.installation import Installation

# What pages say, where an installation of a test has another.
ADDRESS = "http://127.0.0.1:8000"
MANAGE = ".venv/bin/python manage.py"

RECORD_SEPARATOR = "\x1e"
SECONDS = 120

# What differs from run to run, and what stands for it.
_VARYING = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
    # Not those of a far year: pages say exactly what happens there when clocks change.
    (r"\b20(?:2\d|3[0-5])-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<moment>"),
    (r"\b[0-9a-f]{32}\b", "<path>"),
    (r"(duration_ms: )\d+", r"\1<number>"),
    (r"\b\d+\.\d+ s\b", "<number> s"),
)


class CommandFailed(AssertionError):
    """A command of a page ended with an error."""


def run(blocks: Sequence[Block], installation: Installation, *, folder: Path) -> list[str]:
    """Run blocks in one shell and return what each has printed, errors too.

    :raises CommandFailed: at the first command that fails, with everything up to it.
    """
    done = subprocess.run(
        ["bash", "-c", _script(translated(block.text, address=installation.url) for block in blocks)],
        cwd=folder,
        env={**installation.environment, "NO_COLOR": "1", "COLUMNS": "120"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
    )
    printed = done.stdout.replace(installation.url, ADDRESS).split(RECORD_SEPARATOR)[1:]
    if done.returncode:
        raise CommandFailed(f"{blocks[len(printed) - 1].place} failed:\n{blocks[len(printed) - 1].text}{printed[-1]}")
    return printed


def matches(printed: str, expected: str) -> bool:
    """Test whether a command has printed what its page says, apart from what differs from run to run."""
    parts = _settled(expected).split("…")
    return re.fullmatch(".*?".join(re.escape(part) for part in parts), _settled(printed), re.DOTALL) is not None


def translated(text: str, *, address: str) -> str:
    """Return commands of a page as this machine and this installation need them."""
    return text.replace(ADDRESS, address).replace(MANAGE, f"'{sys.executable}' '{ROOT / 'manage.py'}'")


def _script(texts: Iterable[str]) -> str:
    return "set -euo pipefail\n" + "\n".join(f"printf '\\036'\n{text}" for text in texts)


def _settled(text: str) -> str:
    for pattern, name in _VARYING:
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
