"""Short ways to ask the fake provider, in either protocol."""

from __future__ import annotations

from typing import Any

from tests.providers import FakeProvider
from workflows.llm import ModelAnswer, ModelRequest, Tool, call
from workflows.llm.messages import user_message

PROTOCOLS = ("openai", "anthropic")
# Anthropic's own names, because what a model can do depends on its name.
MODELS = {"openai": "fake-1", "anthropic": "claude-sonnet-4-6"}
KEY = "sk-test-4f9c1b7d2e8a6035"
ADD = Tool(
    "add",
    "Add two numbers.",
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a", "b"]},
)
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}


def url_of(provider: FakeProvider, protocol: str) -> str:
    return provider.openai_url if protocol == "openai" else provider.anthropic_url


def request(protocol: str, base_url: str, *said: Any, **more: Any) -> ModelRequest:
    """Return a request; what is said are messages, or texts of the user."""
    messages = [user_message(each) if isinstance(each, str) else each for each in said or ("Hello",)]
    given = {"model": MODELS[protocol], "api_key": KEY, "max_tokens": 500, **more}
    return ModelRequest(provider=protocol, base_url=base_url, messages=messages, **given)


def ask(provider: FakeProvider, protocol: str, *said: Any, **more: Any) -> ModelAnswer:
    return call(request(protocol, url_of(provider, protocol), *said, **more), seconds=20)


def ask_in_pieces(provider: FakeProvider, protocol: str, *said: Any, **more: Any) -> tuple[ModelAnswer, list[str]]:
    pieces: list[str] = []
    answer = call(request(protocol, url_of(provider, protocol), *said, **more), seconds=20, on_text=pieces.append)
    return answer, pieces
