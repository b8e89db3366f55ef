"""Which slots of a job fire now, and which are passed over. Pure.

A slot that is late by less than the grace is late, and fires. An older one was missed, and the policy decides about it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

from workflows.schedules.calendar import INSTANT, Schedule, latest_slot, latest_slots, next_slot, slots_between

# Missed slots are counted up to here; more are told as so many.
MOST_COUNTED = 1000
# Slots of one job that fire in one go. What is left is due at once again.
MOST_AT_ONCE = 100


class MisfirePolicy(StrEnum):
    """What becomes of slots that were missed."""

    SKIP = "skip"  # None of them fires.
    LAST = "last"  # The latest due slot fires, and none before it.
    ALL = "all"  # The latest ``max`` fire, in order.


@dataclass(frozen=True)
class Misfire:
    """The rule of one job. ``max`` counts for ``all``."""

    policy: MisfirePolicy = MisfirePolicy.LAST
    max: int = 10
    grace: timedelta = timedelta(seconds=60)


@dataclass(frozen=True)
class Span:
    """Slots that follow one another. ``count`` stops at :data:`MOST_COUNTED`."""

    first: datetime
    last: datetime
    count: int


@dataclass(frozen=True)
class Due:
    """What a look at a clock leads to.

    :param fire: the slots that fire, in order.
    :param missed: those that never will.
    :param following: where the clock stands then; ``None``: it has no slot any more.
    """

    fire: tuple[datetime, ...]
    missed: Span | None
    following: datetime | None


def due_slots(
    schedule: Schedule,
    *,
    since: datetime,
    now: datetime,
    misfire: Misfire,
    jitter: Callable[[datetime], timedelta] = lambda slot: timedelta(0),
) -> Due:
    """Decide about the slots of a job that are due.

    :param since: the first slot that nobody has decided about.
    :param jitter: how much later than its slot it fires.
    """
    edge = now - misfire.grace
    late = list(islice(slots_between(schedule, since=max(since, edge + INSTANT), until=now), MOST_AT_ONCE))
    due = _until_not_due(late, now, jitter)
    made_up = _made_up(schedule, since=since, edge=edge, misfire=misfire, is_anything_late=bool(due))
    if since > edge and not late:
        # The time zone's rules have changed since the slot was worked out. It fires nevertheless, for better than never.
        due = [since]
    missed = None
    if since <= edge:
        until = made_up[0] - INSTANT if made_up else edge
        missed = span_of(schedule, since=since, until=until)
    fire = (*made_up, *due)
    done = fire[-1] if fire else (max(since, edge) if since <= edge else since - INSTANT)
    return Due(fire, missed, next_slot(schedule, after=done))


def _until_not_due(late: list[datetime], now: datetime, jitter: Callable[[datetime], timedelta]) -> list[datetime]:
    due = []
    for slot in late:
        if slot + jitter(slot) > now:
            break
        due.append(slot)
    return due


def _made_up(
    schedule: Schedule, *, since: datetime, edge: datetime, misfire: Misfire, is_anything_late: bool
) -> list[datetime]:
    """Return the missed slots that fire after all."""
    if since > edge:
        return []
    match misfire.policy:
        case MisfirePolicy.SKIP:
            return []
        case MisfirePolicy.LAST:
            latest = None if is_anything_late else latest_slot(schedule, since=since, until=edge)
            return [latest] if latest else []
        case MisfirePolicy.ALL:
            return latest_slots(schedule, misfire.max, since=since, until=edge)


def span_of(schedule: Schedule, *, since: datetime, until: datetime) -> Span | None:
    """Return the slots of a span, whose ends belong to it; ``None`` if it has none."""
    if until < since:
        return None
    last = latest_slot(schedule, since=since, until=until)
    first = next(slots_between(schedule, since=since, until=until), None)
    if first is None or last is None:
        return None
    counted = sum(1 for _ in islice(slots_between(schedule, since=since, until=until), MOST_COUNTED))
    return Span(first, last, counted)
