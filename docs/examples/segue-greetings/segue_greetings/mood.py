"""The node type ``greetings.mood``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from workflows.nodes.base import Config, Context, Done, NodeType, Outcome, register
from workflows.nodes.fields import Dynamic

PORTS = ("calm", "loud")


class MoodConfig(Config):
    """What is listened to."""

    text: Dynamic[str] = Field(description="The text whose mood is meant.")


# Keys of other packages' node types have a prefix and a dot.
@register("greetings.mood")
class Mood(NodeType[MoodConfig]):
    """Leave through `loud` if a text shouts, else through `calm`; the input is handed on."""

    Config = MoodConfig
    icon = "volume-2"
    example: ClassVar[dict[str, Any]] = {"text": "{{ input.greeting }}"}

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the ports, whatever the config says."""
        return PORTS

    def run(self, config: MoodConfig, context: Context) -> Outcome:
        """Listen. Without an effect on the outside, this runs in place and is recorded with the next commit."""
        is_loud = config.text.endswith("!!") or config.text.isupper()
        return Done(context.input, ports=("loud" if is_loud else "calm",))
