"""Agents in tests: with a provider that costs nothing, and tools of every kind."""

from __future__ import annotations

import pytest

from tests.builders import node
from tests.providers import FakeProvider

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def provider():
    """A provider of models on loopback."""
    with FakeProvider() as running:
        yield running


def model(provider, **more):
    return {"provider": "openai", "model": "test-model", "base_url": provider.openai_url, "api_key": KEY, **more}


def agent(provider, prompt="{{ input.question }}", *, policies=None, **config):
    config.setdefault("models", [model(provider)])
    return node("agent", {"prompt": prompt, **config}, **(policies or {}))


def http_tool(url, *, description="Look something up.", properties=None, **as_tool):
    """A tool that posts what the model gives it, as JSON."""
    parameters = {
        "type": "object",
        "properties": properties or {"id": {"type": "string"}},
        "additionalProperties": False,
    }
    arguments = {"method": "POST", "url": url, "json": "{{ input }}"}
    return node(
        "tool",
        {"tool": "http.request", "with": arguments},
        as_tool={"description": description, "parameters": parameters, **as_tool},
    )


def runs(execution):
    """What an execution has run: node, iteration, attempt, status."""
    rows = execution.node_runs.order_by("started_at", "id")
    return [(row.node_id, row.iteration, row.attempt, row.status) for row in rows]
