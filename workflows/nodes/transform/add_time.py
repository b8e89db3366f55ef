"""The operation ``add_time``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.calendar_durations import CalendarDuration, on_calendar, parse_calendar_duration
from workflows.nodes.transform.field_operation import Found, at, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation, out_of_calendar, shown


def _duration_text(written: str) -> str:
    try:
        parse_calendar_duration(written)
    except ValueError as error:
        raise PydanticCustomError("invalid_duration", "{error}", {"error": str(error)}) from error
    return written


class AddTime(DateOperation):
    """Add a duration to a moment, or take it away: years to days on the calendar of the zone, hours to seconds in true time."""

    operation: Literal["add_time"]
    duration: Dynamic[Annotated[str, AfterValidator(_duration_text)]] = Field(
        description="ISO 8601: P1Y, P1M, P2W, P3D, PT36H, P1DT12H; with `-` before it, back. Per item."
    )

    example: ClassVar[Example] = Example(
        value=["2026-03-28T12:00:00+01:00", "2026-01-31T09:00:00+01:00"],
        settings={"duration": "P1M", "timezone": "Europe/Berlin"},
        output=["2026-04-28T12:00:00+02:00", "2026-02-28T09:00:00+01:00"],
    )

    def converted_all(self, found: Sequence[Found], each: Each) -> list[Any]:
        """Return the moments.

        :raises NodeError: ``invalid_moment``, ``invalid_duration``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        durations = each.value(self.duration, [there.item for there in found])
        results = []
        for there, duration in zip(found, durations, strict=True):
            with at(there.index):
                moment = self._later(self.read(there.value, each), _duration(duration), each)
                results.append(shown(moment))
        return results

    def _later(self, moment: datetime, duration: CalendarDuration, each: Each) -> datetime:
        zone = self.zone(each)
        try:
            if duration.months or duration.days:
                wall = on_calendar(moment.replace(tzinfo=None, fold=0), months=duration.months, days=duration.days)
                moment = self.at_wall(wall, zone)
            # In UTC: around a change of the clocks, local arithmetic is wrong by an hour.
            return self.in_zone(moment.astimezone(UTC) + duration.clock, zone)
        except OverflowError as error:
            raise out_of_calendar() from error


def _duration(value: Any) -> CalendarDuration:
    try:
        return parse_calendar_duration(text(value))
    except ValueError as error:
        raise NodeError("invalid_duration", str(error)) from error
