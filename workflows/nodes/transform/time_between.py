"""The operation ``time_between``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.calendar_durations import on_calendar
from workflows.nodes.transform.field_operation import Found, at
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation

_CLOCK = {"milliseconds": timedelta(milliseconds=1), "seconds": timedelta(seconds=1)}
_CLOCK |= {"minutes": timedelta(minutes=1), "hours": timedelta(hours=1)}
_MONTHS = {"months": 1, "quarters": 3, "years": 12}
_DAYS = {"days": 1, "weeks": 7}


class TimeBetween(DateOperation):
    """Count the time from a moment until another: hours and less in true time, days and more as whole ones of the calendar."""

    operation: Literal["time_between"]
    until: Dynamic[Any] = Field(description="The later moment: `{{ item.shipped_at }}`, `{{ now() }}`. Per item.")
    unit: Literal["milliseconds", "seconds", "minutes", "hours", "days", "weeks", "months", "quarters", "years"] = (
        Field(description="What is counted. What is earlier counts below zero.")
    )

    example: ClassVar[Example] = Example(
        value={"ordered": "2026-03-28T12:00:00+01:00", "shipped": "2026-03-29T12:00:00+02:00"},
        settings={"field": "ordered", "until": "{{ item.shipped }}", "unit": "hours", "into": "hours"},
        output={"ordered": "2026-03-28T12:00:00+01:00", "shipped": "2026-03-29T12:00:00+02:00", "hours": 23},
    )

    def converted_all(self, found: Sequence[Found], each: Each) -> list[Any]:
        """Return the numbers.

        :raises NodeError: ``invalid_moment``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        ends = each.value(self.until, [there.item for there in found])
        results = []
        for there, end in zip(found, ends, strict=True):
            with at(there.index):
                results.append(self._counted(self.read(there.value, each), self.read(end, each)))
        return results

    def _counted(self, start: datetime, end: datetime) -> int | float:
        if self.unit in _CLOCK:
            exact = _true_time(start, end)
            quotient, rest = divmod(exact, _CLOCK[self.unit])
            return quotient if not rest else exact / _CLOCK[self.unit]
        first, last = start.replace(tzinfo=None, fold=0), end.replace(tzinfo=None, fold=0)
        return _whole(first, last, self.unit) if first <= last else -_whole(last, first, self.unit)


def _true_time(start: datetime, end: datetime) -> timedelta:
    # Python's own subtraction of moments in one zone compares what the clocks show.
    offset = (end.utcoffset() or timedelta(0)) - (start.utcoffset() or timedelta(0))
    return end.replace(tzinfo=None) - start.replace(tzinfo=None) - offset


def _whole(first: datetime, last: datetime, unit: str) -> int:
    """Return how many whole units of the calendar lie between two times on the wall."""
    if unit in _DAYS:
        return (last - first) // timedelta(days=_DAYS[unit])
    months = (last.year - first.year) * 12 + last.month - first.month
    if on_calendar(first, months=months) > last:
        months -= 1
    return months // _MONTHS[unit]
