"""Started by the clock."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.moments import MomentText, TimeZoneName, parse_moment


def _cron(text: str) -> str:
    try:
        CronSim(text, datetime(2000, 1, 1))  # noqa: DTZ001 -- Read for its form; no moment of it is used.
    except (CronSimError, ValueError, TypeError, AssertionError, RecursionError) as error:
        # The last three are cronsim's answers to combinations that it does not foresee, such as 5#3/2.
        reason = str(error) if isinstance(error, CronSimError) else "this combination means nothing"
        raise PydanticCustomError(
            "invalid_cron",
            "{text} is no cron expression: {reason}.",
            {
                "text": repr(text[:60]),
                "reason": reason[:1].lower() + reason[1:],
                "hint": "Minute, hour, day of month, month, day of week: `30 6 * * mon-fri`.",
            },
        ) from error
    return text


class ScheduleTrigger(Config):
    """The clock starts the workflow."""

    kind: Literal["schedule"]
    cron: Annotated[str, Field(max_length=200), AfterValidator(_cron)] = Field(
        description="When: minute, hour, day of month, month, day of week."
    )
    timezone: TimeZoneName | None = Field(
        default=None, description="The zone whose clock is meant; left out, the workflow's."
    )
    start_date: MomentText | None = Field(default=None, description="Not before this moment (ISO 8601).")
    end_date: MomentText | None = Field(default=None, description="Not after this moment (ISO 8601).")

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> ScheduleTrigger:
        start, end = self.starts_at("UTC"), self.ends_at("UTC")
        if start and end and end <= start:
            raise PydanticCustomError("invalid_range", "`end_date` must be after `start_date`.", {"key": "end_date"})
        return self

    def starts_at(self, default_timezone: str) -> datetime | None:
        """Return the first moment that counts. Without an offset it is meant in the schedule's zone."""
        return self._moment(self.start_date, default_timezone)

    def ends_at(self, default_timezone: str) -> datetime | None:
        """Return the last moment that counts. Without an offset it is meant in the schedule's zone."""
        return self._moment(self.end_date, default_timezone)

    def _moment(self, text: str | None, default_timezone: str) -> datetime | None:
        return parse_moment(text, default_timezone=self.timezone or default_timezone) if text else None
