"""The operation ``convert_zone``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from workflows.nodes.moments import TimeZoneName
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation, shown


class ConvertZone(DateOperation):
    """Show a moment as the clocks of another zone do. `timezone` is for moments that come without an offset."""

    operation: Literal["convert_zone"]
    to: TimeZoneName = Field(description="The zone in which it is shown, an IANA name.")

    example: ClassVar[Example] = Example(
        value={"at": "2026-07-01T09:00"},
        settings={"field": "at", "timezone": "Europe/Berlin", "to": "America/New_York"},
        output={"at": "2026-07-01T03:00:00-04:00"},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the moment.

        :raises NodeError: ``invalid_moment``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        return shown(self.in_zone(self.read(value, each), ZoneInfo(self.to)))
