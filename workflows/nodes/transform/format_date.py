"""The operation ``format_date``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.transform.date_pattern import WritePattern, write
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.wall_clock import DateOperation

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FormatDate(DateOperation):
    """Write a moment in another form, as the clocks of a zone show it."""

    operation: Literal["format_date"]
    form: Literal["date", "time", "unix", "unix_ms", "rfc2822"] | None = Field(
        default=None, description="`2026-03-01`, `09:00:00`, seconds or milliseconds since 1970, as in e-mail."
    )
    pattern: WritePattern | None = Field(
        default=None, description="Instead of `form`: a pattern such as `dd.MM.yyyy HH:mm`."
    )

    example: ClassVar[Example] = Example(
        value={"at": "2026-10-25T01:30:00Z"},
        settings={"field": "at", "pattern": "EEEE, d MMMM yyyy, HH:mm ZZ", "timezone": "Europe/Berlin"},
        output={"at": "Sunday, 25 October 2026, 02:30 +01:00"},
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> FormatDate:
        if (self.form is None) == (self.pattern is None):
            raise PydanticCustomError("exactly_one", "Give exactly one of `form` and `pattern`.")
        return self

    def converted(self, value: Any, each: Each) -> Any:
        """Return the text, or the number.

        :raises NodeError: ``invalid_moment``, ``skipped_time``, ``repeated_time`` or ``wrong_type``.
        """
        moment = self.read(value, each)
        if self.pattern is not None:
            return write(moment, self.pattern)
        match self.form:
            case "date":
                return moment.date().isoformat()
            case "time":
                return moment.time().isoformat(timespec="seconds")
            case "rfc2822":
                return format_datetime(moment)
            case "unix":
                return (moment - _EPOCH) // timedelta(seconds=1)
            case _:
                return (moment - _EPOCH) // timedelta(milliseconds=1)
