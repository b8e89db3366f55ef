"""Started by the clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.moments import MomentText, TimeZoneName, parse_moment
from workflows.nodes.trigger.cron import CronText

SHORTEST = timedelta(seconds=10)
LONGEST = timedelta(days=366)
MOST_MADE_UP = 100
MAX_SECONDS_OF_GRACE = 24 * 3600
MAX_SECONDS_OF_JITTER = 3600

_INTERVAL = re.compile(r"(?P<number>\d{1,9})(?P<unit>[smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_interval(written: str | int) -> timedelta:
    """Return the interval that a text such as ``90s``, ``15m``, ``2h`` or ``1d`` means, or a number of seconds.

    :raises ValueError: if it means none, or one that is too short or too long.
    """
    match = _INTERVAL.fullmatch(f"{written}s" if isinstance(written, int) else written)
    if match is None:
        raise ValueError(f"{str(written)[:60]!r} is no interval")
    number = int(match["number"])
    try:
        interval = timedelta(**{_UNITS[match["unit"]]: number})
    except OverflowError:
        interval = timedelta.max
    if not SHORTEST <= interval <= LONGEST:
        raise ValueError(f"An interval lies between {SHORTEST.seconds} seconds and {LONGEST.days} days")
    return interval


def _interval(written: Any) -> Any:
    if isinstance(written, bool) or not isinstance(written, str | int):
        return written  # Pydantic says what it is instead.
    try:
        parse_interval(written)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_interval",
            "{reason}.",
            {"reason": str(error), "hint": "Write a number and a unit: `90s`, `15m`, `2h`, `1d`."},
        ) from error
    return f"{written}s" if isinstance(written, int) else written


class TimeChange(Config):
    """What becomes of times of day that a change of the clocks skips or shows twice."""

    skipped: Literal["after_gap", "skip"] | None = Field(
        default=None,
        description="A time that does not exist: fires right `after_gap`, or is left out. Left out, as the kind of expression has it.",
    )
    repeated: Literal["first", "last", "both"] | None = Field(
        default=None,
        description="A time that comes twice: when it fires. Left out, as the kind of expression has it.",
    )


class MisfireRule(Config):
    """What becomes of slots that passed while nobody could fire them."""

    policy: Literal["skip", "last", "all"] = Field(
        default="last", description="Fire none of them, the last due one, or the last `max`, in order."
    )
    max: Annotated[int, Field(ge=1, le=MOST_MADE_UP)] = Field(default=10, description="With `all`: how many at most.")
    grace_seconds: Annotated[int, Field(ge=10, le=MAX_SECONDS_OF_GRACE)] = Field(
        default=60, description="A slot that is late by less was not missed. It fires, whatever the policy."
    )


class ScheduleTrigger(Config):
    """The clock starts the workflow."""

    kind: Literal["schedule"]
    cron: CronText | None = Field(
        default=None,
        description="When: minute, hour, day of month, month, day of week; or @hourly, @daily, @weekly, @monthly, @yearly.",
    )
    every: Annotated[str, BeforeValidator(_interval)] | None = Field(
        default=None, description="Instead of `cron`: an interval such as 90s, 15m, 2h or 1d, or a number of seconds."
    )
    timezone: TimeZoneName | None = Field(
        default=None, description="The zone whose clock is meant; left out, the workflow's."
    )
    start_date: MomentText | None = Field(
        default=None, description="Not before this moment (ISO 8601). Intervals are counted from it."
    )
    end_date: MomentText | None = Field(default=None, description="Not after this moment (ISO 8601).")
    time_change: TimeChange = Field(
        default=TimeChange(), description="With `cron`: the rule for times that clocks skip or show twice."
    )
    misfire: MisfireRule = Field(
        default=MisfireRule(), description="The rule for slots that passed while nobody could fire them."
    )
    overlap: Literal["allow", "skip", "queue", "cancel"] = Field(
        default="allow",
        description="While an execution of this trigger has not ended: start beside it, skip the slot, let it wait, or cancel the execution.",
    )
    jitter_seconds: Annotated[int, Field(ge=0, le=MAX_SECONDS_OF_JITTER)] = Field(
        default=0,
        description="Each slot fires up to so much later, always as much, so that not everything starts at once.",
    )
    max_consecutive_failures: Annotated[int, Field(ge=0, le=1000)] | None = Field(
        default=None, description="After so many failures in a row the schedule pauses itself; 0: never. Left out, 5."
    )

    @model_validator(mode="after")
    def _is_due_in_one_way(self) -> ScheduleTrigger:
        if (self.cron is None) == (self.every is None):
            is_missing = self.cron is None
            raise PydanticCustomError(
                "missing_key" if is_missing else "unknown_key",
                "A schedule needs `cron` or `every`."
                if is_missing
                else "`every` stands instead of `cron`, not beside it.",
                {"key": "cron" if is_missing else "every"},
            )
        if self.every is not None and self.time_change != TimeChange():
            raise PydanticCustomError(
                "unknown_key",
                "`time_change` goes only with `cron`: an interval is counted in true time, which no clock skips or repeats.",
                {"key": "time_change"},
            )
        return self

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> ScheduleTrigger:
        start, end = self.starts_at("UTC"), self.ends_at("UTC")
        if start and end and end <= start:
            raise PydanticCustomError("invalid_range", "`end_date` must be after `start_date`.", {"key": "end_date"})
        return self

    @property
    def interval(self) -> timedelta | None:
        """How far slots lie apart, if that is how the schedule is written."""
        return None if self.every is None else parse_interval(self.every)

    def starts_at(self, default_timezone: str) -> datetime | None:
        """Return the first moment that counts. Without an offset it is meant in the schedule's zone."""
        return self._moment(self.start_date, default_timezone)

    def ends_at(self, default_timezone: str) -> datetime | None:
        """Return the last moment that counts. Without an offset it is meant in the schedule's zone."""
        return self._moment(self.end_date, default_timezone)

    def _moment(self, text: str | None, default_timezone: str) -> datetime | None:
        return parse_moment(text, default_timezone=self.timezone or default_timezone) if text else None
