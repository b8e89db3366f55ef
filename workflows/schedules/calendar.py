"""When a schedule is due. Pure: no clock, no database; moments come in and go out as aware datetimes, slots in UTC.

A schedule is a cron expression, which speaks of the clock on the wall in a time zone, or an interval, which is counted in
true time from its anchor and never drifts.

What happens when clocks change, unless the schedule says otherwise (``skipped``, ``repeated``):

- An expression that names hours (``30 2 * * *``, ``0 */6 * * *``) means times of day. A time that is skipped fires
  once, at the first moment after the gap; a time that comes twice fires once, at its first occurrence.
- An expression for every hour (``*/15 * * * *``) means a rhythm. It fires whenever the clock on the wall shows a
  matching time: also in both passes of a repeated hour, and not at all in a skipped one.

Cronsim only tells which times on the wall match. The rule above is ours: cronsim's own loses ``*/10 2 * * *`` on the day of a
gap and fires it twelve times on the day of a fold.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from heapq import heappop, heappush
from itertools import count, islice, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim

from workflows.nodes.trigger.cron import fields_of, hours_of

SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)
SHORTEST_INTERVAL = timedelta(seconds=10)


class SkippedTimes(StrEnum):
    """What becomes of a time that the clocks skip."""

    AFTER_GAP = "after_gap"  # It fires at the first moment after the gap.
    SKIP = "skip"  # It does not fire.


class RepeatedTimes(StrEnum):
    """What becomes of a time that the clocks show twice."""

    FIRST = "first"  # It fires the first time.
    LAST = "last"  # It fires the second time.
    BOTH = "both"  # It fires both times.


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone, or an interval from an anchor; from ``start`` to ``end``, which both belong to it.

    :param every: the interval, instead of ``cron``.
    :param anchor: the moment from which it is counted, and its first slot.
    :param skipped: for times that clocks skip; ``None``: as the expression's kind has it.
    :param repeated: for times that clocks show twice; ``None``: as the expression's kind has it.
    """

    cron: str = ""
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None
    every: timedelta | None = None
    anchor: datetime | None = None
    skipped: SkippedTimes | None = None
    repeated: RepeatedTimes | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be due.

        :raises ValueError: if the expression, the interval or the zone means nothing.
        """
        if self.every is None:
            try:
                hours_of(self.cron)
            except ValueError as error:
                raise ValueError(f"Cron expression {self.cron!r} means nothing: {error}.") from error
        elif self.cron or self.anchor is None or self.every < SHORTEST_INTERVAL:
            raise ValueError(
                f"An interval has an anchor, no cron expression, and at least {SHORTEST_INTERVAL.seconds} seconds."
            )
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"Time zone {self.zone!r} is not known. Use a name like Europe/Berlin.") from error
        for name in ("start", "end", "anchor"):
            moment: datetime | None = getattr(self, name)
            if moment is not None:  # Within a zone, Python would count on the wall, and not in true time.
                object.__setattr__(self, name, moment.astimezone(UTC))

    @property
    def is_rhythm(self) -> bool:
        """Whether an expression names no hours, but means all of them."""
        return len(hours_of(self.cron)) == 24

    @property
    def skipped_rule(self) -> SkippedTimes:
        """What becomes of times that clocks skip."""
        return self.skipped or (SkippedTimes.SKIP if self.is_rhythm else SkippedTimes.AFTER_GAP)

    @property
    def repeated_rule(self) -> RepeatedTimes:
        """What becomes of times that clocks show twice."""
        return self.repeated or (RepeatedTimes.BOTH if self.is_rhythm else RepeatedTimes.FIRST)


def slots(schedule: Schedule, *, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than a moment, in order, without end unless the schedule has one."""
    if schedule.start is not None and schedule.start > after:
        after = schedule.start - INSTANT
    latest = after
    try:
        for moment in _matches(schedule, after):
            if schedule.end is not None and moment > schedule.end:
                return
            if moment > latest:  # Two times in one gap are one slot; a time that comes twice is one, too.
                latest = moment
                yield moment
    except (OverflowError, ValueError):
        return  # The calendar ends with the year 9999.


def next_slot(schedule: Schedule, *, after: datetime) -> datetime | None:
    """Return the first slot later than a moment, or None when there is none any more."""
    return next(slots(schedule, after=after), None)


def next_slots(schedule: Schedule, count: int, *, after: datetime) -> list[datetime]:
    """Return the next ``count`` slots, or as many as there still are."""
    return list(islice(slots(schedule, after=after), count))


def slots_between(schedule: Schedule, *, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots of a span, whose ends belong to it."""
    return takewhile(lambda slot: slot <= until, slots(schedule, after=since - INSTANT))


def latest_slots(schedule: Schedule, most: int, *, since: datetime, until: datetime) -> list[datetime]:
    """Return the last slots in a span, whose ends belong to it, in order: ``most`` of them, or as many as there are.

    Looks from the end, so that a span with a million slots costs no more than one with a few.
    """
    if schedule.start is not None:
        since = max(since, schedule.start)
    if schedule.end is not None:
        until = min(until, schedule.end)
    begin, found, previous = until + SECOND, 0, None
    try:
        for moment in _matches_back(schedule, until):
            begin = max(min(begin, moment), since)
            if moment < since:
                begin = since
                break
            if moment <= until and moment != previous:
                found, previous = found + 1, moment
            if found == most:
                break
        else:
            begin = since
    except (OverflowError, ValueError):
        begin = since  # The calendar begins with the year 1.
    # Backwards, one half of a repeated hour may be passed over; forwards from there, it can't.
    return list(deque(slots_between(schedule, since=begin, until=until), maxlen=most))


def latest_slot(schedule: Schedule, *, since: datetime, until: datetime) -> datetime | None:
    """Return the last slot in a span, whose ends belong to it, or None if it has none."""
    return next(iter(latest_slots(schedule, 1, since=since, until=until)), None)


def _matches(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the moments of a schedule from about ``after`` on, in order; some may be earlier, and some may come twice."""
    if schedule.every is not None and schedule.anchor is not None:
        first = max((after - schedule.anchor) // schedule.every, 0)
        yield from (schedule.anchor + schedule.every * number for number in count(first))
        return
    zone = ZoneInfo(schedule.zone)
    later: list[datetime] = []  # The second passes of times that come twice.
    for wall in CronSim(fields_of(schedule.cron), _first_wall(after, zone)):
        for number, moment in enumerate(_moments_of(wall, zone, schedule)):
            if number:
                heappush(later, moment)
                continue
            # No time that follows on the wall is first shown before this moment.
            while later and later[0] < moment:
                yield heappop(later)
            yield moment
    while later:
        yield heappop(later)


def _matches_back(schedule: Schedule, until: datetime) -> Iterator[datetime]:
    """Yield the moments of a schedule from ``until`` backwards; some may be later."""
    if schedule.every is not None and schedule.anchor is not None:
        last = (until - schedule.anchor) // schedule.every
        yield from (schedule.anchor + schedule.every * number for number in range(last, -1, -1))
        return
    zone = ZoneInfo(schedule.zone)
    wall = (until + SECOND).astimezone(zone).replace(tzinfo=None, microsecond=0)
    for shown in CronSim(fields_of(schedule.cron), wall, reverse=True):
        yield from reversed(_moments_of(shown, zone, schedule))


def _first_wall(after: datetime, zone: ZoneInfo) -> datetime:
    """Return a time on the wall that no slot after a moment lies before: in a first pass, the second one is still to come."""
    local = after.astimezone(zone)
    difference = _offset(local) - _offset(local.replace(fold=1))
    return local.replace(tzinfo=None) - max(difference, timedelta(0))


def _moments_of(wall: datetime, zone: ZoneInfo, schedule: Schedule) -> tuple[datetime, ...]:
    """Return the moments at which a schedule fires for a time on the wall, in order."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if second < first:
        # PEP 495: in a gap fold=1 names a moment before it, fold=0 one after it. The change lies between.
        skips = schedule.skipped_rule is SkippedTimes.SKIP
        return () if skips else (_change_between(second, first, zone),)
    match schedule.repeated_rule:
        case RepeatedTimes.FIRST:
            return (first,)
        case RepeatedTimes.LAST:
            return (second,)
        case RepeatedTimes.BOTH:
            return (first, second)


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second with the offset of ``after``."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > SECOND:
        middle = before + SECOND * ((after - before) // SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)
