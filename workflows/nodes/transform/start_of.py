"""The operation ``start_of``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.calendar_durations import on_calendar
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation, out_of_calendar, shown

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}
_CLOCK = {"second": timedelta(seconds=1), "minute": timedelta(minutes=1), "hour": timedelta(hours=1)}


class StartOf(DateOperation):
    """Go to the start or the end of the hour, day, week (from Monday), month, quarter or year that a moment lies in."""

    operation: Literal["start_of"]
    unit: Literal["second", "minute", "hour", "day", "week", "month", "quarter", "year"] = Field(description="Of what.")
    side: Literal["start", "end"] = Field(default="start", description="Its first moment, or its last millisecond.")

    example: ClassVar[Example] = Example(
        value="2026-03-31T22:30:00Z",
        settings={"unit": "month", "side": "end", "timezone": "Europe/Berlin"},
        output="2026-04-30T23:59:59.999+02:00",
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the moment.

        :raises NodeError: ``invalid_moment``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        moment, zone = self.read(value, each), self.zone(each)
        try:
            if self.unit in _CLOCK:
                start = moment - (moment.replace(tzinfo=None, fold=0) - datetime.min) % _CLOCK[self.unit]  # noqa: DTZ901
                start = self.in_zone(_same_pass(moment, start), zone)
                following = self.in_zone(start.astimezone(UTC) + _CLOCK[self.unit], zone)
            else:
                wall = self._first_wall(moment.replace(tzinfo=None, fold=0))
                months, days = _MONTHS.get(self.unit, 0), _DAYS.get(self.unit, 0)
                start = self.at_wall(wall, zone)
                following = self.at_wall(on_calendar(wall, months=months, days=days), zone)
        except OverflowError as error:
            raise out_of_calendar() from error
        end = following.astimezone(UTC) - timedelta(milliseconds=1)
        return shown(start if self.side == "start" else self.in_zone(end, zone))

    def _first_wall(self, wall: datetime) -> datetime:
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0)
        match self.unit:
            case "week":
                return midnight - timedelta(days=midnight.weekday())
            case "month":
                return midnight.replace(day=1)
            case "quarter":
                return midnight.replace(day=1, month=(midnight.month - 1) // 3 * 3 + 1)
            case "year":
                return midnight.replace(day=1, month=1)
            case _:
                return midnight


def _same_pass(moment: datetime, start: datetime) -> datetime:
    # Of an hour that comes twice, both have a start of their own.
    return start.replace(fold=moment.fold).astimezone(UTC)
