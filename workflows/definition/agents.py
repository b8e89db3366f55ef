"""Whether a definition has an agent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AGENT = "agent"


def has_agent(definition: Mapping[str, Any]) -> bool:
    """Return whether a node of a definition is an agent, and is not disabled. Only for definitions without problems."""
    return any(node["type"] == AGENT and not node.get("disabled") for node in definition["nodes"])
