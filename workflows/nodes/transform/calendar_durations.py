"""Durations that know years and months: ISO 8601, such as ``P1Y2M10DT2H30M``, with a sign if they lead back."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?=[\dT])(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class CalendarDuration:
    """So many months and days, as the calendar has them, and then so much true time."""

    months: int = 0
    days: int = 0
    clock: timedelta = timedelta(0)


def parse_calendar_duration(text: str) -> CalendarDuration:
    """Return what a text means.

    :raises ValueError: if it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no duration. Write it as P1M, P2DT3H or -PT90S.")
    sign = -1 if match["sign"] == "-" else 1
    number = {unit: float(found) for unit, found in match.groupdict().items() if unit != "sign" and found}
    return CalendarDuration(
        months=sign * int(number.get("years", 0) * 12 + number.get("months", 0)),
        days=sign * int(number.get("weeks", 0) * 7 + number.get("days", 0)),
        clock=sign
        * timedelta(hours=number.get("hours", 0), minutes=number.get("minutes", 0), seconds=number.get("seconds", 0)),
    )


def on_calendar(wall: datetime, *, months: int = 0, days: int = 0) -> datetime:
    """Return the same time of day so many months and then days later. Of a day that a month lacks, its last one is taken.

    :raises OverflowError: beyond the years 1 to 9999.
    """
    count = wall.year * 12 + wall.month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError
    day = min(wall.day, calendar.monthrange(year, month)[1])
    return wall.replace(year=year, month=month, day=day) + timedelta(days=days)
