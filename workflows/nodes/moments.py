"""Text that means time: zones, moments, durations. Read strictly; what is read is never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.definition.problems import did_you_mean

_MOMENT = re.compile(
    r"[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
# Names of the zone files that are no zones: one is whatever the machine is set to, one says that nothing is set.
_NO_ZONES = {"localtime", "Factory"}
# RFC 3339 and what is usual in data: no offset, no seconds, no time at all; nanoseconds, of which micro ones are read.
_DATA = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
# Years and months have no fixed length, so that there are none.
_DURATION = re.compile(
    r"P(?=[\dT])(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,9}(?:\.\d{1,6})?)S)?)?",
    re.ASCII,
)


def parse_moment(text: str, *, default_timezone: str) -> datetime:
    """Return the moment that an ISO 8601 date and time names; without an offset it is meant in the default zone.

    It comes in UTC, where sums and comparisons are of true time. Python makes those within a zone on the wall: twelve hours
    after 02:30 would be 14:30, also in the night in which the clocks change.

    :raises ValueError: if it names none.
    """
    match = _MOMENT.fullmatch(text)
    try:
        moment = datetime.fromisoformat(text) if match else None
    except ValueError:  # The 30th of February.
        moment = None
    if match is None or moment is None:
        raise ValueError(f"{text[:60]!r} is no date and time. Write it as 2026-03-01T09:00:00+01:00.")
    return (moment if match["zone"] else moment.replace(tzinfo=ZoneInfo(default_timezone))).astimezone(UTC)


def read_moment(text: str) -> datetime:
    """Return the date and time that data names: naive, where it has no offset. A date alone is its midnight.

    :raises ValueError: if it names none.
    """
    try:
        moment = datetime.fromisoformat(text) if _DATA.fullmatch(text) else None
    except ValueError:  # The 30th of February.
        moment = None
    if moment is None:
        raise ValueError(f"{text[:60]!r} is no date and time such as 2026-03-01T09:00:00+01:00.")
    return moment


def parse_duration(text: str) -> timedelta:
    """Return the length of an ISO 8601 duration in weeks, days, hours, minutes and seconds: ``P1DT12H``.

    :raises ValueError: if it is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is no duration. Write it as PT30S, PT5M, P1DT12H or P2W.")
    return timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number})


def _known_zone(name: str) -> str:
    if name not in _zones():
        raise PydanticCustomError(
            "unknown_timezone",
            "There is no time zone {name}.",
            {
                "name": repr(name[:60]),
                "hint": did_you_mean(name[:60], _zones()) or "Use an IANA name such as Europe/Berlin or UTC.",
            },
        )
    return name


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_ZONES)


def _moment_text(text: str) -> str:
    try:
        parse_moment(text, default_timezone="UTC")
    except ValueError as error:
        raise PydanticCustomError("invalid_moment", "{error}", {"error": str(error)}) from error
    return text


def _duration_text(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise PydanticCustomError("invalid_duration", "{error}", {"error": str(error)}) from error
    return text


TimeZoneName = Annotated[str, AfterValidator(_known_zone), Field(json_schema_extra={"x-input": "time_zone"})]
MomentText = Annotated[str, AfterValidator(_moment_text), Field(json_schema_extra={"x-input": "moment"})]
DurationText = Annotated[str, AfterValidator(_duration_text), Field(json_schema_extra={"x-input": "duration"})]
