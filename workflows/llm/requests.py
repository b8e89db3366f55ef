"""What a model is asked, and what it answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from workflows.llm.messages import AssistantPart, Message, Usage

Provider = Literal["openai", "anthropic"]
# OpenAI's and Anthropic's rule; others allow no more.
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
BASE_URLS: Mapping[Provider, str] = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}

# For reservations: more than any tokenizer in use makes of ordinary text in any language.
_BYTES_PER_TOKEN = 2
_TOKENS_PER_MESSAGE = 20
_TOKENS_PER_TOOL = 50
_TOKENS_ALWAYS = 500  # What providers add themselves, such as instructions how to call tools.
_TOKENS_PER_IMAGE = 6_000
# A page of a document is read as text and as an image; there are seldom more than so many tokens to a byte.
_TOKENS_PER_DOCUMENT = 3_000
_DOCUMENT_BYTES_PER_TOKEN = 10


@dataclass(frozen=True)
class Tool:
    """A tool that a model may call. ``parameters`` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class ModelRequest:
    """One question to one model, with secrets filled in: never to be stored or shown.

    :param provider: the protocol. ``openai`` is that of chat completions, which hundreds of services speak.
    :param base_url: where it is spoken; None: at the provider's own.
    :param headers: further headers; they come before Segue's own, also before the one that carries the key.
    :param tool_choice: ``none`` forbids tool calls, with the tools still in sight.
    :param output_schema: JSON Schema of an object; the answer's text is then such a value, as JSON.
    :param idempotency_key: the same for every attempt of the same question.
    :param files: what the file parts of the messages name: media type and bytes.
    :raises ValueError: if a tool has a name that providers refuse, the provider is unknown, or a file is missing.
    """

    provider: Provider
    model: str
    messages: Sequence[Message]
    base_url: str | None = None
    api_key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    instructions: str = ""
    tools: Sequence[Tool] = ()
    tool_choice: Literal["auto", "none"] = "auto"
    output_schema: Mapping[str, Any] | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    idempotency_key: str = ""
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.provider not in get_args(Provider):
            raise ValueError(f"No provider is called {self.provider!r}.")
        names = [tool.name for tool in self.tools]
        if unfit := [name for name in names if not TOOL_NAME.fullmatch(name)]:
            raise ValueError(f"A tool cannot be called {unfit[0]!r}: letters, digits, _ and -, at most 64.")
        if len(set(names)) < len(names):
            raise ValueError("Two tools have the same name.")
        if missing := self._file_names() - self.files.keys():
            raise ValueError(f"The file {min(missing)!r} is missing.")

    @property
    def url(self) -> str:
        """Where the provider is, without a slash at the end."""
        return (self.base_url or BASE_URLS[self.provider]).rstrip("/")

    def _file_names(self) -> set[str]:
        return {part["name"] for message in self.messages for part in message["parts"] if part["type"] == "file"}


@dataclass(frozen=True)
class ModelAnswer:
    """What a model answered, whole.

    :param model: as the provider names it, often with the date of a version.
    :param finish_reason: ``stop``, ``tool_call``, ``length`` (cut at the limit of tokens), or ``error``.
    """

    parts: list[AssistantPart]
    usage: Usage
    model: str
    finish_reason: str
    response_id: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return asdict(self)


def sendable_name(name: str) -> str:
    """Return the name of a tool as providers take it. A model may call one by a name that no tool can have, which it is told; and then
    the call is part of the conversation, which providers would refuse from then on.
    """
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "_"


def estimated_tokens(request: ModelRequest) -> int:
    """Return how many tokens of input a request has at most, to reserve their price before it is sent.

    No tokenizer is asked: every model has another. Text counts a token for each two bytes of UTF-8, about twice of what English
    has and about one for a Chinese character; only text made for it, such as rare symbols in a row, has more. Images count
    what the largest cost with most models, documents by their size. What the answer may take is not in it: that is
    ``max_tokens``.
    """
    texts = [request.instructions, *(_text_of(message) for message in request.messages)]
    texts += [json.dumps(asdict(tool), ensure_ascii=False, default=str) for tool in request.tools]
    if request.output_schema is not None:
        texts.append(json.dumps(request.output_schema, ensure_ascii=False, default=str))
    size = sum(len(text.encode(errors="replace")) for text in texts)
    return (
        -(-size // _BYTES_PER_TOKEN)
        + _TOKENS_ALWAYS
        + _TOKENS_PER_MESSAGE * len(request.messages)
        + _TOKENS_PER_TOOL * len(request.tools)
        + sum(
            _file_tokens(*request.files[part["name"]])
            for message in request.messages
            for part in message["parts"]
            if part["type"] == "file"
        )
    )


def _text_of(message: Message) -> str:
    return json.dumps(message["parts"], ensure_ascii=False, default=str)


def _file_tokens(media_type: str, data: bytes) -> int:
    if media_type.startswith("image/"):
        return _TOKENS_PER_IMAGE
    if media_type.startswith("text/"):
        return -(-len(data) // _BYTES_PER_TOKEN)
    return _TOKENS_PER_DOCUMENT + len(data) // _DOCUMENT_BYTES_PER_TOKEN
