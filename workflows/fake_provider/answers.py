"""What a script can say: the answers of a model, and everything that can go wrong instead."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from workflows.fake_provider.conversation import Conversation, tokens_in

# What a model answers through where structured output is asked for as a tool.
OUTPUT_TOOL = "final_result"


class Part(BaseModel):
    """A part of a script. A name that is not known is a mistake, not a remark."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ToolCall(Part):
    """A call of a tool. ``malformed`` is sent as its arguments as it stands, instead of JSON."""

    name: str
    arguments: dict[str, Any] = {}
    malformed: str | None = None
    id: str | None = None

    @property
    def text(self) -> str:
        """The arguments as they are sent."""
        return json.dumps(self.arguments, ensure_ascii=False) if self.malformed is None else self.malformed


class Usage(Part):
    """What was used, in tokens. ``input_tokens`` includes the cached ones, ``output_tokens`` those of reasoning."""

    input_tokens: NonNegativeInt | None = None
    output_tokens: NonNegativeInt | None = None
    cached_input_tokens: NonNegativeInt = 0
    cache_write_tokens: NonNegativeInt = 0
    reasoning_tokens: NonNegativeInt | None = None


class Failure(Part):
    """An error, in the protocol's own shape."""

    status: int = Field(ge=400, le=599)
    message: str = ""
    retry_after: NonNegativeFloat | None = None


class Answer(Part):
    """One answer. Without anything in it, it is an empty text."""

    text: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = Field(default=(), strict=False)
    structured: Any = Field(default=None, alias="json")
    usage: Usage = Usage()
    finish: Literal["stop", "length", "content_filter"] | None = None

    latency_seconds: NonNegativeFloat = 0
    chunk_chars: PositiveInt = 12
    chunk_delay_seconds: NonNegativeFloat = 0

    error: Failure | None = None
    error_after_chunks: NonNegativeInt | None = None  # In a stream: the error comes as an event, after so many.
    cut_after_chunks: NonNegativeInt | None = None
    invalid_json: bool = False
    hang: bool = False

    def filled(self, conversation: Conversation) -> Answer:
        """Return it with what it says about the conversation put in its place."""
        places = {
            "{{ user }}": conversation.user,
            "{{ system }}": conversation.system,
            "{{ model }}": conversation.model,
            "{{ result }}": conversation.results[-1] if conversation.results else "",
        }
        calls = tuple(call.model_copy(update={"arguments": _fill(call.arguments, places)}) for call in self.tool_calls)
        filled = {
            "text": _fill(self.text, places),
            "thinking": _fill(self.thinking, places),
            "tool_calls": calls,
        }
        if self._is_structured:
            filled["structured"] = _fill(self.structured, places)
        return self.model_copy(update=filled)._with_structured(conversation)

    @property
    def _is_structured(self) -> bool:
        # ``null`` is structured, too.
        return "structured" in self.model_fields_set

    def _with_structured(self, conversation: Conversation) -> Answer:
        """Say structured data in the way that the request asks for: as a call of the output's tool, or as text."""
        if not self._is_structured:
            return self
        tool = conversation.forced or _output_tool(conversation)
        if conversation.schema is None and tool is not None and isinstance(self.structured, dict):
            call = ToolCall(name=tool.name, arguments=self.structured)
            return self.model_copy(update={"tool_calls": (*self.tool_calls, call)})
        return self.model_copy(update={"text": json.dumps(self.structured, ensure_ascii=False)})

    def counted(self, conversation: Conversation) -> Counted:
        """Return what this answer used, estimated where the script does not say."""
        usage = self.usage
        reasoning = tokens_in(self.thinking) if usage.reasoning_tokens is None else usage.reasoning_tokens
        said = tokens_in(self.text) + sum(tokens_in(call.name) + tokens_in(call.text) for call in self.tool_calls)
        cached = usage.cached_input_tokens + usage.cache_write_tokens
        return Counted(
            input_tokens=max(conversation.input_tokens, cached) if usage.input_tokens is None else usage.input_tokens,
            output_tokens=max(1, said) + reasoning if usage.output_tokens is None else usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            reasoning_tokens=reasoning,
        )


class Counted(Part):
    """Usage without gaps."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


def pieces(text: str, size: int) -> list[str]:
    """Return a text in pieces of so many characters; no piece of an empty one."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def _output_tool(conversation: Conversation) -> Any:
    return next((tool for tool in conversation.tools if tool.name == OUTPUT_TOOL), None)


def _fill(value: Any, places: dict[str, str]) -> Any:
    match value:
        case str():
            for place, text in places.items():
                value = value.replace(place, text)
            return value
        case dict():
            return {key: _fill(item, places) for key, item in value.items()}
        case list():
            return [_fill(item, places) for item in value]
    return value
