"""When a schedule is due. Pure: no clock, no database; moments come in and go out as aware datetimes, slots in UTC.

What happens when clocks change:

- An expression that names hours (``30 2 * * *``, ``0 */6 * * *``) means times of day. A time that is skipped fires
  once, at the first moment after the gap; a time that comes twice fires once, at its first occurrence.
- An expression for every hour (``*/15 * * * *``) means a rhythm. It fires whenever the clock on the wall shows a
  matching time: also in both passes of a repeated hour, and not at all in a skipped one.

Cron text is read by cronsim (Debian's cron, also with six fields: seconds first). The rule above is ours: cronsim's own
loses ``*/10 2 * * *`` on the day of a gap and fires it twelve times on the day of a fold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone, from ``start`` to ``end``; both belong to it."""

    cron: str
    zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what can never be due.

        :raises ValueError: if the expression or the zone means nothing.
        """
        try:
            CronSim(self.cron, datetime(2000, 1, 1))  # noqa: DTZ001 - wall-clock time
        except (CronSimError, ValueError, TypeError, AssertionError) as error:
            # The last three are cronsim's answers to combinations that it does not foresee, such as 5#3/2.
            raise ValueError(f"Cron expression {self.cron!r} means nothing: {error}.") from error
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"Time zone {self.zone!r} is not known. Use a name like Europe/Berlin.") from error


def slots(schedule: Schedule, *, after: datetime) -> Iterator[datetime]:
    """Yield the slots later than a moment, in order, without end unless the schedule has one."""
    if schedule.start is not None and schedule.start > after:
        after = schedule.start - timedelta(microseconds=1)
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


def latest_slot(schedule: Schedule, *, since: datetime, until: datetime) -> datetime | None:
    """Return the last slot in a span, whose ends belong to it, or None if it has none.

    Looks from the end, so that a span with a million slots costs no more than one with a few.
    """
    if schedule.end is not None:
        until = min(until, schedule.end)
    latest = next((moment for moment in _matches_back(schedule, until) if moment <= until), None)
    if latest is None:
        return None
    # Backwards, cronsim may pass over one half of a repeated hour; forwards from there, it can't.
    for moment in slots(schedule, after=latest):
        if moment > until:
            break
        latest = moment
    if schedule.start is not None:
        since = max(since, schedule.start)
    return latest if latest >= since else None


def _matches(schedule: Schedule, after: datetime) -> Iterator[datetime]:
    """Yield the moments of an expression from about ``after`` on; some may be earlier, and some may come twice."""
    zone = ZoneInfo(schedule.zone)
    local = after.astimezone(zone)
    if _is_rhythm(schedule.cron):
        yield from (moment.astimezone(UTC) for moment in CronSim(schedule.cron, local))
    else:
        yield from (_moment_of(wall, zone) for wall in CronSim(schedule.cron, local.replace(tzinfo=None)))


def _matches_back(schedule: Schedule, until: datetime) -> Iterator[datetime]:
    """Yield the moments of an expression from ``until`` backwards; some may be later."""
    zone = ZoneInfo(schedule.zone)
    local = (until + SECOND).astimezone(zone).replace(microsecond=0)
    if _is_rhythm(schedule.cron):
        yield from (moment.astimezone(UTC) for moment in CronSim(schedule.cron, local, reverse=True))
    else:
        walls = CronSim(schedule.cron, local.replace(tzinfo=None), reverse=True)
        yield from (_moment_of(wall, zone) for wall in walls)


def _is_rhythm(cron: str) -> bool:
    """Return whether an expression names no hours, but means all of them."""
    return len(CronSim(cron, datetime(2000, 1, 1)).hours) == 24  # noqa: DTZ001 - wall-clock time


def _moment_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first moment at which clocks in a zone show a time; for one that is skipped, the end of the gap."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    # PEP 495: in a gap fold=1 names a moment before it, fold=0 one after it. The change lies between.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change_between(before, moment, zone)


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
