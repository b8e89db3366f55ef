"""Started by what a tool finds, asked again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem, did_you_mean
from workflows.nodes.base import Config, Effect
from workflows.nodes.fields import TemplateText
from workflows.nodes.forms import Form
from workflows.nodes.moments import DurationText, parse_duration
from workflows.tools.base import catalogue

SHORTEST = timedelta(seconds=30)
LONGEST = timedelta(days=7)
MAX_ITEMS = 1_000

Pointer = Annotated[
    str, Form("(/.*)?", "A JSON Pointer: empty for the whole output, else it begins with `/`, as `/body/orders`.")
]


def _pace(text: str) -> str:
    if not SHORTEST <= parse_duration(text) <= LONGEST:
        raise PydanticCustomError(
            "invalid_range",
            "A poll comes every 30 seconds at most, and every 7 days at least.",
            {"hint": "Write `PT5M`."},
        )
    return text


class PollingTrigger(Config):
    """A tool is called on an interval; each new item that it finds starts an execution."""

    kind: Literal["polling"]
    tool: str = Field(description="The tool's name in the catalogue. It may only read.")
    arguments: dict[str, Any] = Field(
        default={},
        alias="with",
        description="The tool's arguments. Expressions see `vars`, `secret()` and `trigger.cursor`.",
    )
    every: Annotated[DurationText, AfterValidator(_pace)] = Field(
        default="PT5M", description="How long from one poll to the next, from PT30S to P7D."
    )
    items: Pointer | None = Field(
        default=None,
        description="Where in the tool's output the list is: `/body/orders`. Left out, where the tool says.",
    )
    key: TemplateText | None = Field(
        default=None, description="What tells items apart: `{{ item.id }}`. One that was here before is not new."
    )
    cursor: TemplateText | None = Field(
        default=None,
        description="How far things have come. With `item` in it, such as `{{ item.updated_at }}`: items beyond the furthest so far are "
        "new. Without, such as `{{ input.body.next }}`: a mark for the next call; all items are new.",
    )
    first: Literal["take", "skip"] = Field(
        default="skip", description="Whether the first poll takes what is there already, or skips it."
    )
    max_items: Annotated[int, Field(ge=1, le=MAX_ITEMS)] = Field(
        default=100, description="Executions that one poll starts; the other new items wait for the next one."
    )
    max_consecutive_failures: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=10, description="After so many failed polls in a row it pauses; 0: never."
    )

    @property
    def interval(self) -> timedelta:
        """How long from one poll to the next."""
        return parse_duration(self.every)

    @property
    def items_at(self) -> str:
        """Where in the tool's output the list is."""
        return self.items if self.items is not None else catalogue()[self.tool].items_at

    @property
    def key_text(self) -> str | None:
        """The template that tells items apart, the author's or the tool's; a cursor of the author's needs none."""
        if self.key is not None or self.cursor is not None:
            return self.key
        return catalogue()[self.tool].item_key or None


def polling_problems(trigger: PollingTrigger) -> list[Problem]:
    """Return what is wrong with a polling trigger beside its form, but for the tool's arguments."""
    tools = catalogue()
    if trigger.tool not in tools:
        hint = did_you_mean(trigger.tool, tools) or "The catalogue of tools has all names."
        return [Problem("unknown_tool", "/tool", f"There is no tool `{trigger.tool[:100]}`.", hint)]
    found = []
    if tools[trigger.tool].effect(trigger.arguments) is Effect.WRITE:
        message = "A poll may only read, and this call may change something."
        found.append(Problem("tool_writes", "/tool", message, "Use `http.request` with the method GET, written out."))
    if trigger.key_text is None and trigger.cursor is None:
        message = "It must be told what is new: by a `key` of each item, or by a `cursor`."
        found.append(Problem("missing_key", "/key", message, "Write `{{ item.id }}`, for example."))
    return found
