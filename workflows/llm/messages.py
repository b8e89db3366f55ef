"""Messages as Segue writes them down: the same for every provider, plain JSON. The adapter turns them into the providers'."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class TextPart(TypedDict):
    """What people and models read."""

    type: Literal["text"]
    text: str


class FilePart(TypedDict):
    """A file that goes along. Its bytes are looked up by its name when the model is called."""

    type: Literal["file"]
    name: str
    media_type: str


class ThinkingPart(TypedDict):
    """What a model thought before it answered. It goes back to the provider that it came from, and to no other.

    ``signature`` is the provider's seal; without it the provider refuses the part.
    """

    type: Literal["thinking"]
    text: str
    signature: NotRequired[str]
    id: NotRequired[str]
    provider: NotRequired[str]


class ToolCallPart(TypedDict):
    """A tool that a model wants called.

    :ivar arguments: ``None``, if what came is no JSON object; then ``malformed`` is the text as it came.
    :ivar details: what the provider wants back with the call, whatever it is.
    :ivar provider: whose details they are.
    """

    type: Literal["tool_call"]
    id: str
    name: str
    arguments: dict[str, Any] | None
    malformed: NotRequired[str]
    details: NotRequired[dict[str, Any]]
    provider: NotRequired[str]


class ToolResultPart(TypedDict):
    """What came of a tool call, or why nothing did."""

    type: Literal["tool_result"]
    id: str
    name: str
    content: str
    is_error: bool


UserPart = TextPart | FilePart
AssistantPart = TextPart | ThinkingPart | ToolCallPart


class UserMessage(TypedDict):
    """What is said to the model."""

    role: Literal["user"]
    parts: list[UserPart]


class AssistantMessage(TypedDict):
    """What the model answered."""

    role: Literal["assistant"]
    parts: list[AssistantPart]


class ToolMessage(TypedDict):
    """What came of the tool calls of the answer before."""

    role: Literal["tool"]
    parts: list[ToolResultPart]


Message = UserMessage | AssistantMessage | ToolMessage


class Usage(TypedDict):
    """How many tokens a call took. All zero, if the provider does not say.

    The cached ones are among the input's, read from a cache or written to one; the reasoning ones among the output's.
    """

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int


def user_message(text: str, files: Mapping[str, str] | None = None) -> UserMessage:
    """Return what is said to a model.

    :param files: names of files that go along, with their media types.
    """
    named: list[UserPart] = [
        {"type": "file", "name": name, "media_type": media_type} for name, media_type in (files or {}).items()
    ]
    return {"role": "user", "parts": [*named, {"type": "text", "text": text}]}


def assistant_message(parts: Iterable[AssistantPart]) -> AssistantMessage:
    """Return what a model answered, from the parts of a :class:`~workflows.llm.requests.ModelAnswer`."""
    return {"role": "assistant", "parts": list(parts)}


def tool_result(call: ToolCallPart, content: str, *, is_error: bool = False) -> ToolResultPart:
    """Return what came of a tool call."""
    return {"type": "tool_result", "id": call["id"], "name": call["name"], "content": content, "is_error": is_error}


def tool_message(results: Iterable[ToolResultPart]) -> ToolMessage:
    """Return the results of the calls in an answer; providers want one for each of them."""
    return {"role": "tool", "parts": list(results)}


def text_in(parts: Sequence[AssistantPart]) -> str:
    """Return the text of an answer, without thinking and tool calls."""
    return "".join(part["text"] for part in parts if part["type"] == "text")


def tool_calls_in(parts: Sequence[AssistantPart]) -> list[ToolCallPart]:
    """Return the tool calls of an answer, in its order."""
    return [part for part in parts if part["type"] == "tool_call"]
