"""The protocols, and what each of them must know."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from typing import Any

from workflows.fake_provider import protocol_anthropic, protocol_openai
from workflows.fake_provider.answers import Answer
from workflows.fake_provider.conversation import Conversation
from workflows.fake_provider.refusals import Refused

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
MODELS = "/v1/models"


class Protocol(typing.Protocol):
    """A protocol: a module that reads requests and writes answers."""

    @property
    def NAME(self) -> str: ...

    def check_key(self, headers: Mapping[str, str]) -> None:
        """Do nothing, if the headers carry what they must."""

    def read(self, body: Mapping[str, Any]) -> Conversation:
        """Return what a request asks."""

    def message(self, answer: Answer, conversation: Conversation) -> dict[str, Any]:
        """Return an answer as it comes in one piece."""

    def events(self, answer: Answer, conversation: Conversation) -> Iterator[str]:
        """Yield an answer as it comes in a stream."""

    def failure(self, status: int, text: str = "") -> dict[str, Any]:
        """Return the body of an error."""

    def refusal(self, refused: Refused) -> dict[str, Any]:
        """Return the body that says why a request was refused."""

    def error_event(self, status: int, text: str) -> str:
        """Return an error as it comes within a stream."""

    def model_list(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Return the models, as they are listed."""


OPENAI: Protocol = protocol_openai
ANTHROPIC: Protocol = protocol_anthropic


def protocol_of(method: str, path: str, headers: Mapping[str, str]) -> Protocol | None:
    """Return the protocol that a request speaks, by its headers (lower-case names); none if nobody answers there."""
    match method, path:
        case "POST", "/v1/chat/completions":
            return OPENAI
        case "POST", "/v1/messages":
            return ANTHROPIC
        case "GET", "/v1/models":
            # Both list them at the same place.
            return ANTHROPIC if "anthropic-version" in headers else OPENAI
    return None
