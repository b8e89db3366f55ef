"""Wait."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem
from workflows.nodes.base import Config, Context, Done, NodeError, NodeType, Outcome, Wait, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.moments import DurationText, MomentText, TimeZoneName, parse_duration, parse_moment
from workflows.nodes.trigger.cron import CronText
from workflows.schedules.calendar import Schedule, next_slot

MAX_DELAY = timedelta(days=90)


class DelayConfig(Config):
    """How long, or until when: exactly one of the four."""

    for_seconds: Dynamic[Annotated[float, Field(ge=0, le=MAX_DELAY.total_seconds())]] | None = Field(
        default=None, description="A number of seconds."
    )
    duration: Dynamic[DurationText] | None = Field(
        default=None, alias="for", description="An ISO 8601 duration: PT30S, PT5M, P1DT12H, P2W."
    )
    until: Dynamic[MomentText] | None = Field(
        default=None,
        description="An ISO 8601 date and time. Without an offset it is meant in the workflow's time zone.",
    )

    cron: Dynamic[CronText] | None = Field(
        default=None,
        description="Until the next time of a cron expression: minute, hour, day of month, month, day of week; or @daily and the like.",
    )
    timezone: Dynamic[TimeZoneName] | None = Field(
        default=None, description="With `until` and `cron`: the zone whose clock is meant; left out, the workflow's."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> DelayConfig:
        given = [name for name in (self.for_seconds, self.duration, self.until, self.cron) if name is not None]
        if len(given) != 1:
            raise PydanticCustomError("exactly_one", "Give exactly one of `for_seconds`, `for`, `until` and `cron`.")
        if self.timezone is not None and self.until is None and self.cron is None:
            raise PydanticCustomError(
                "unknown_key",
                "`timezone` goes with `until` and `cron`: a duration is the same everywhere.",
                {"key": "timezone"},
            )
        return self

    def fixed_length(self) -> timedelta | None:
        """Return how long it waits, if that is known before it runs."""
        if isinstance(self.for_seconds, int | float):
            return timedelta(seconds=self.for_seconds)
        return parse_duration(self.duration) if isinstance(self.duration, str) else None


@register("delay")
class Delay(NodeType[DelayConfig]):
    """Wait for a time or until a moment, then hand the input on. No worker is held meanwhile."""

    Config = DelayConfig
    icon = "clock"
    example = {"for": "PT5M"}

    def check(self, config: DelayConfig) -> list[Problem]:
        """Refuse a wait that is too long."""
        length = config.fixed_length()
        if length is None or length <= MAX_DELAY:
            return []
        return [Problem("delay_too_long", "/for", f"A delay may last at most {MAX_DELAY.days} days.")]

    def check_together(
        self, configs: Mapping[str, DelayConfig], *, execution_timeout_seconds: int
    ) -> list[tuple[str, Problem]]:
        """Refuse a wait that the execution would not live to see the end of."""
        found = []
        for node_id, config in configs.items():
            length = config.fixed_length()
            if length is not None and length.total_seconds() >= execution_timeout_seconds:
                pointer = "/for" if config.duration is not None else "/for_seconds"
                message = (
                    f"This waits {length.total_seconds():.0f} seconds, but an execution of this workflow is ended after "
                    f"{execution_timeout_seconds}."
                )
                hint = "Raise `timeout_seconds` in the workflow's `settings`."
                found.append((node_id, Problem("delay_exceeds_timeout", pointer, message, hint)))
        return found

    def run(self, config: DelayConfig, context: Context) -> Outcome:
        """Wait, unless the moment has passed."""
        until = _end(config, context)
        if until <= context.now:
            return Done(context.input)
        if until - context.now > MAX_DELAY:
            raise NodeError(
                "delay_too_long", f"A delay may last at most {MAX_DELAY.days} days; this one would end at {until}."
            )
        return Wait(until, output=context.input)


def _end(config: DelayConfig, context: Context) -> datetime:
    timezone = config.timezone or context.default_timezone
    if config.until is not None:
        return parse_moment(config.until, default_timezone=timezone)
    if config.cron is not None:
        slot = next_slot(Schedule(cron=config.cron, zone=timezone), after=context.now)
        if slot is None:
            raise NodeError("no_next_slot", f"Cron expression {config.cron!r} never comes again.")
        return slot
    length = config.fixed_length()
    assert length is not None, "A running delay has one of the four."  # noqa: S101
    return context.now + min(length, MAX_DELAY + timedelta(days=1))
