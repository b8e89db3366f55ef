"""What the person at the terminal reads."""

from __future__ import annotations

import contextlib
import sys


def say(text: str = "") -> None:
    """Print a line. A terminal that is gone is no reason to stop."""
    with contextlib.suppress(OSError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
