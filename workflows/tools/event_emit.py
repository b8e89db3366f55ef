"""The tool ``event.emit``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workflows.nodes.base import Config, Context, EmitEvent
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register

MAX_NAME_CHARS = 200
MAX_ID_CHARS = 255


class EmitArguments(Config):
    """What ``event.emit`` takes."""

    name: Dynamic[Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]] = Field(
        description="The event's name, in parts with dots between them: order.created."
    )
    data: Dynamic[Any] = Field(None, description="What listeners see as trigger.data.")
    id: Dynamic[Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]] | None = Field(
        None, description="An id of your own: the same one again in the project emits nothing."
    )


@register("event.emit")
class EventEmit(Tool[EmitArguments]):
    """Emit an event of the project, which starts every workflow that listens to its name.

    The output is ``{"event_id": …, "name": …, "is_duplicate": false}``. The event is written in the commit that records the
    node run, so it is emitted exactly once, whoever dies. What it starts lies one deeper than the execution: beyond
    ``WORKFLOW_MAX_DEPTH`` it starts nothing, so that no circle goes on for ever; the log of events says so.
    """

    Arguments = EmitArguments
    icon = "radio"
    example: ClassVar[dict[str, Any]] = {
        "name": "invoice.sent",
        "data": {"invoice": "{{ input.number }}", "total": "{{ input.total }}"},
        "id": "invoice-{{ input.number }}",
    }

    def call(self, arguments: EmitArguments, context: Context) -> EmitEvent:
        """Ask the engine to emit it."""
        return EmitEvent(arguments.name, arguments.data, arguments.id)
