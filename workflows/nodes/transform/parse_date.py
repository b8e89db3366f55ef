"""The operation ``parse_date``."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.definition.pydantic_problems import shown as shown_value
from workflows.nodes.base import NodeError
from workflows.nodes.transform.date_pattern import ReadPattern, read
from workflows.nodes.transform.field_operation import text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation, out_of_calendar, shown

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A count of seconds as headers, CSV and Slack have it: text.
_COUNT = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)


class ParseDate(DateOperation):
    """Read a date and time that is written in some form, and give ISO 8601 text with the offset of the zone."""

    operation: Literal["parse_date"]
    form: Literal["iso", "unix", "unix_ms", "rfc2822"] = Field(
        default="iso",
        description="How it is written, if `patterns` are not given: ISO 8601; seconds or milliseconds since 1970, a number or its text; as in e-mail.",
    )
    patterns: Annotated[list[ReadPattern], Field(min_length=1, max_length=10)] | None = Field(
        default=None, description="Patterns such as `dd.MM.yyyy HH:mm`; the first that fits is taken."
    )

    example: ClassVar[Example] = Example(
        value=[{"at": "29.03.2026 01:59"}, {"at": "29.3.2026"}],
        settings={"field": "at", "patterns": ["dd.MM.yyyy HH:mm", "d.M.yyyy"], "timezone": "Europe/Berlin"},
        output=[{"at": "2026-03-29T01:59:00+01:00"}, {"at": "2026-03-29T00:00:00+01:00"}],
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the moment as text.

        :raises NodeError: ``invalid_moment``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        if self.patterns is not None:
            return shown(self._placed(self._by_patterns(text(value), self.patterns), each))
        match self.form:
            case "iso":
                return shown(self.read(value, each))
            case "rfc2822":
                return shown(self._placed(_as_in_mail(text(value)), each))
            case "unix" | "unix_ms":
                return shown(self.in_zone(_since_1970(value, in_ms=self.form == "unix_ms"), self.zone(each)))

    def _by_patterns(self, written: str, patterns: list[str]) -> datetime:
        for pattern in patterns[:-1]:
            try:
                return read(written, pattern)
            except NodeError:
                continue  # Another may fit.
        return read(written, patterns[-1])

    def _placed(self, moment: datetime, each: Each) -> datetime:
        zone = self.zone(each)
        return self.at_wall(moment, zone) if moment.tzinfo is None else self.in_zone(moment, zone)


def _as_in_mail(written: str) -> datetime:
    try:
        return parsedate_to_datetime(written)
    except ValueError as error:
        raise NodeError(
            "invalid_moment", f"{written[:60]!r} is no date as in e-mail: `Sun, 01 Mar 2026 09:00:00 +0100`."
        ) from error


def _since_1970(value: Any, *, in_ms: bool) -> datetime:
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NodeError("wrong_type", f"This must be a finite number, not {shown_value(value)}.")
    try:
        return _EPOCH + (timedelta(milliseconds=value) if in_ms else timedelta(seconds=value))
    except OverflowError as error:
        raise out_of_calendar() from error
