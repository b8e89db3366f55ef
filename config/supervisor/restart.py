"""When to start a program again that has ended."""

from __future__ import annotations

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0

# A program that ran for this long has recovered from whatever ended it before.
STEADY_SECONDS = 60.0


def pause_seconds(failures: int) -> float:
    """Return how long to wait before the start after ``failures`` ends in a row (at least 1)."""
    return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))


def failures_after(failures: int, *, ran_seconds: float) -> int:
    """Return how many ends in a row there are now that another run of ``ran_seconds`` has ended."""
    return 1 if ran_seconds >= STEADY_SECONDS else failures + 1
