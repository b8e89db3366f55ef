"""What a request asks, in words that both protocols share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# About as many characters of English as make one token. Real tokenizers differ; nobody is billed by this.
CHARS_PER_TOKEN = 4


@dataclass(frozen=True)
class Tool:
    """A tool that the model may call."""

    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Conversation:
    """One request, read and checked. Asked twice for the same, it is the same: scripts match on nothing else."""

    model: str
    system: str
    user: str  # The text of the user's last message.
    results: tuple[str, ...]  # What tools have answered since then.
    said: tuple[str, ...]  # The text of each message of the user.
    turn: int  # How many answers the model has given since the user's last message.
    answers: int  # How many it has given altogether.
    tools: tuple[Tool, ...]
    forced: Tool | None  # The tool that must be called, where only one can be meant.
    schema: Mapping[str, Any] | None  # What the text must fit, as JSON.
    is_stream: bool
    wants_usage: bool  # Of a stream; other answers always tell it.
    digest: str  # Of the whole body.
    input_tokens: int

    def new_id(self, prefix: str, part: object = "") -> str:
        """Return an id that the same request gets again, as after a crash."""
        return f"{prefix}{hashlib.sha256(f'{self.digest} {part}'.encode()).hexdigest()[:24]}"


def digest_of(body: Any) -> str:
    """Return a hash of JSON data that does not depend on the order of its keys."""
    return hashlib.sha256(canonical(body).encode()).hexdigest()


def canonical(body: Any) -> str:
    """Return JSON data as text, in the one way that makes equal data equal."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def tokens_in(value: Any) -> int:
    """Return about how many tokens a text or JSON data is; at least one, but none for nothing."""
    if not value:
        return 0
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return max(1, -(-len(text) // CHARS_PER_TOKEN))
