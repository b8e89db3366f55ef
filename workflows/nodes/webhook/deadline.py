"""Until when a node waits for somebody."""

from __future__ import annotations

from datetime import datetime, timedelta

from workflows.definition.problems import Problem
from workflows.nodes.base import Context
from workflows.nodes.moments import DurationText, parse_duration

# As long as an execution may live at all.
LONGEST = timedelta(days=365)


def length_of(timeout: DurationText | object | None) -> timedelta | None:
    """Return how long a wait may last, if that is known before it runs."""
    return parse_duration(timeout) if isinstance(timeout, str) else None


def until(timeout: DurationText | None, context: Context) -> datetime | None:
    """Return the moment at which a wait is over; None without a timeout, or with one beyond all executions."""
    length = length_of(timeout)
    return None if length is None else context.now + min(length, LONGEST)


def too_long(timeout: object, *, execution_timeout_seconds: int) -> Problem | None:
    """Return what is wrong with a wait that its execution would not live to see the end of."""
    length = length_of(timeout)
    if length is None or length.total_seconds() < execution_timeout_seconds:
        return None
    message = (
        f"This waits for up to {length.total_seconds():.0f} seconds, but an execution of this workflow is ended after "
        f"{execution_timeout_seconds}."
    )
    hint = "Raise `timeout_seconds` in the workflow's `settings`."
    return Problem("wait_exceeds_timeout", "/timeout", message, hint)


def told(moment: datetime | None) -> str:
    """Return a deadline as people read it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "its deadline"
