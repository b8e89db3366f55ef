"""Started by an event of the project."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from workflows.nodes.base import Config
from workflows.nodes.fields import OneExpression
from workflows.nodes.forms import Form, each_once

MAX_NAME = 200
MAX_SEGMENTS = 20

_SEGMENT = "[A-Za-z0-9_-]+"
_MORE = rf"(\.{_SEGMENT}){{0,{MAX_SEGMENTS - 1}}}"
_LETTERS = "Letters, digits, `-` and `_`, in at most 20 parts with dots between them"
NAME_PATTERN = f"{_SEGMENT}{_MORE}"

EventName = Annotated[str, Field(max_length=MAX_NAME), Form(NAME_PATTERN, f"{_LETTERS}: `order.created`.")]
# ``*`` at the end stands for one part or more.
EventPattern = Annotated[
    str,
    Field(max_length=MAX_NAME),
    Form(rf"({NAME_PATTERN}(\.\*)?|\*)", f"{_LETTERS}, and `*` as the last for all that begin so: `order.*`."),
]


class EventTrigger(Config):
    """An event with one of some names starts it."""

    kind: Literal["event"]
    names: Annotated[list[EventPattern], Field(min_length=1, max_length=20), AfterValidator(each_once)] = Field(
        description="The names of events; `order.*` means all that begin with `order.`, and `*` all there are."
    )
    filter: OneExpression | None = Field(
        default=None, description="Whether an event starts it: `{{ trigger.data.total > 100 }}`. Left out, each does."
    )


def patterns_for(name: str) -> list[str]:
    """Return every pattern that an event's name matches, itself first.

    >>> patterns_for("order.created")
    ['order.created', 'order.*', '*']
    """
    parts = name.split(".")
    return [name, *(".".join([*parts[:count], "*"]) for count in range(len(parts) - 1, -1, -1))]
