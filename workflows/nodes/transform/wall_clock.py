"""Moments and the clock on the wall: what the date operations stand on.

A moment comes as ISO 8601 text. With an offset it is exact; without one it is what a clock on the wall of a time zone shows,
which a change of the clocks may make ambiguous (shown twice) or impossible (skipped). Both are decided by a rule, never guessed.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.moments import TimeZoneName, read_moment
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each


class DateOperation(FieldOperation):
    """An operation on moments, as the clocks of a time zone show them."""

    timezone: Dynamic[TimeZoneName] | None = Field(
        default=None, description="The zone whose clocks count; left out, the workflow's."
    )
    skipped: Literal["shift", "fail"] = Field(
        default="shift",
        description="A time that the clocks skip in spring: read it as so much later (02:30 as 03:30), or fail.",
    )
    repeated: Literal["first", "last", "fail"] = Field(
        default="first",
        description="A time that the clocks show twice in autumn: the first one, the last one, or fail.",
    )

    def zone(self, each: Each) -> ZoneInfo:
        """Return the zone whose clocks count."""
        return ZoneInfo(self.timezone or each.default_timezone)

    def read(self, value: Any, each: Each) -> datetime:
        """Return the moment that a text means, in the zone. A date alone is its first moment.

        :raises NodeError: ``invalid_moment``, ``skipped_time`` or ``repeated_time``.
        """
        try:
            moment = read_moment(text(value))
        except ValueError as error:
            raise NodeError("invalid_moment", f"{error} `parse_date` reads other forms.") from error
        zone = self.zone(each)
        return self.at_wall(moment, zone) if moment.tzinfo is None else self.in_zone(moment, zone)

    def at_wall(self, wall: datetime, zone: ZoneInfo) -> datetime:
        """Return the moment at which the clocks of a zone show a time.

        :raises NodeError: ``skipped_time`` or ``repeated_time``, if the rule is to fail.
        """
        try:
            # PEP 495: of a time that is shown twice, fold=0 is the first and fold=1 the last. One that is skipped is read
            # with the offset before the gap (fold=0), which is later than the gap by as much as it lies within.
            first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
            last = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
        except OverflowError as error:
            raise out_of_calendar() from error
        if last < first and self.skipped == "fail":
            raise NodeError(
                "skipped_time",
                f"The clocks of {zone.key} skip {wall.isoformat(' ')}. `skipped: shift` reads it as later.",
            )
        if last > first and self.repeated == "fail":
            raise NodeError(
                "repeated_time",
                f"The clocks of {zone.key} show {wall.isoformat(' ')} twice. `repeated` says which is meant.",
            )
        return self.in_zone(last if last > first and self.repeated == "last" else first, zone)

    def in_zone(self, moment: datetime, zone: ZoneInfo) -> datetime:
        """Return a moment as the clocks of a zone show it.

        :raises NodeError: ``invalid_moment``, beyond the years 1 to 9999.
        """
        try:
            return moment.astimezone(zone)
        except OverflowError as error:
            raise out_of_calendar() from error


def shown(moment: datetime) -> str:
    """Return a moment as ISO 8601 text, with its offset; fractions of a second only where there are some."""
    precision = "seconds" if not moment.microsecond else "microseconds" if moment.microsecond % 1000 else "milliseconds"
    written = moment.isoformat(timespec=precision)
    is_utc = getattr(moment.tzinfo, "key", "") in ("UTC", "Etc/UTC") or moment.tzinfo is UTC
    return written.removesuffix("+00:00") + "Z" if is_utc else written


def out_of_calendar() -> NodeError:
    """Return the error for a moment beyond the calendar."""
    return NodeError("invalid_moment", "This leads beyond the years 1 to 9999, where the calendar ends.")
