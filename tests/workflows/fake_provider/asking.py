"""Asking a provider as the real clients do, and as no client would."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

import anthropic
import openai

from workflows.fake_provider import FakeProvider

OPENAI_KEY = {"authorization": "Bearer sk-openai-key-for-tests"}
ANTHROPIC_KEY = {"x-api-key": "sk-ant-key-for-tests", "anthropic-version": "2023-06-01"}
CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"


# The clients of the test under way; conftest closes them.
clients: list[openai.OpenAI | anthropic.Anthropic] = []


def openai_client(provider: FakeProvider, *, retries: int = 0) -> openai.OpenAI:
    """Return OpenAI's own client."""
    client = openai.OpenAI(api_key="sk-openai-key-for-tests", base_url=provider.openai_url, max_retries=retries)
    clients.append(client)
    return client


def anthropic_client(provider: FakeProvider, *, retries: int = 0) -> anthropic.Anthropic:
    """Return Anthropic's own client."""
    client = anthropic.Anthropic(api_key="sk-ant-key-for-tests", base_url=provider.anthropic_url, max_retries=retries)
    clients.append(client)
    return client


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@dataclass(frozen=True)
class Answer:
    """An answer without anybody's help."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def ask(
    provider: FakeProvider,
    path: str,
    body: Any = None,
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    timeout: float = 10,
) -> Answer:
    """Ask without a client's checks. A body that is bytes is sent as it is."""
    if headers is None:
        headers = ANTHROPIC_KEY if path == MESSAGES else OPENAI_KEY
    connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=timeout)
    try:
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request(method, path, content, headers)
        with connection.getresponse() as response:
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read().decode())
    finally:
        connection.close()
