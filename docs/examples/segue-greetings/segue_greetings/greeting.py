"""The tool ``greetings.write``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import Config, Context, Effect, NodeError
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, register

WORDS = {"en": "Hello", "de": "Guten Tag", "fr": "Bonjour"}
UNKNOWN = "Nobody"


class GreetingArguments(Config):
    """What ``greetings.write`` takes. ``Dynamic`` fields may hold expressions, all others are refused with one."""

    name: Dynamic[str] = Field(min_length=1, description="Who is greeted.")
    language: Dynamic[Literal["en", "de", "fr"]] = Field("en", description="The language of the greeting.")


# Names of tools have a prefix of their maker's, so that they do not meet those of others.
@register("greetings.write")
class WriteGreeting(Tool[GreetingArguments]):
    """Write a greeting in one of three languages."""

    Arguments = GreetingArguments
    icon = "smile"
    example: ClassVar[dict[str, Any]] = {"name": "{{ input.name }}", "language": "fr"}

    def effect(self, arguments: Mapping[str, Any]) -> Effect:
        """Nothing outside is changed, so that a call may be repeated freely."""
        return Effect.READ

    def call(self, arguments: GreetingArguments, context: Context) -> dict[str, Any]:
        """Write it.

        :raises NodeError: ``nobody_there``; trying again would not help.
        """
        if arguments.name == UNKNOWN:
            raise NodeError("nobody_there", f"{UNKNOWN} is not to be greeted.")
        return {"greeting": f"{WORDS[arguments.language]}, {arguments.name}!"}
