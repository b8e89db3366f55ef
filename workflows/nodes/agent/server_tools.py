"""The tools of a server that an agent may call: what the server says of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from workflows.definition.json_schema import schema_problems
from workflows.nodes.agent.steps import Tool
from workflows.nodes.base import Context, Done, Effect, NodeError, NodeType
from workflows.nodes.evaluation import validated
from workflows.nodes.tool import ToolConfig
from workflows.tools.base import catalogue

MOST_OF_A_DESCRIPTION = 4_000
# Of its schema as JSON: it goes along with every call of the model, and is paid with each.
MOST_OF_A_SCHEMA = 40_000
_NO_PARAMETERS = {"type": "object", "properties": {}}


class ServerTools(NodeType[ToolConfig]):
    """Ask a server for its tools."""

    key = "tool"
    Config = ToolConfig
    icon = "plug"
    accepts_secrets = True
    example: ClassVar[dict[str, Any]] = {}  # Nobody writes one: see executions.engine.versions.

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """Looking changes nothing."""
        return Effect.READ

    def run(self, config: ToolConfig, context: Context) -> Done:
        """Ask, as ``mcp.tools`` does."""
        tool = catalogue()["mcp.tools"]
        given = {key: value for key, value in config.arguments.items() if key in tool.Arguments.model_fields}
        return Done(tool.call(validated(tool.Arguments, given, below="/with"), context))


def tools_of(node_id: str, wanted: Sequence[str], listed: Sequence[Mapping[str, Any]]) -> list[Tool]:
    """Return what a model is told of a server's tools, in the order in which the author lists them.

    What the server says is text from outside: it is cut, and a schema that cannot be used is refused.

    :raises NodeError: ``unknown_tool``, if it has one of them no more, or does not describe it properly.
    """
    by_name = {each.get("name"): each for each in listed}
    return [_tool(node_id, name, by_name) for name in wanted]


def _tool(node_id: str, name: str, by_name: Mapping[Any, Mapping[str, Any]]) -> Tool:
    if name not in by_name:
        has = ", ".join(sorted(f"`{each}`" for each in by_name if isinstance(each, str))[:20]) or "none"
        raise NodeError("unknown_tool", f"The server of `{node_id}` has no tool `{name[:100]}`. It has: {has}.")
    described = by_name[name]
    parameters = described.get("input_schema") or _NO_PARAMETERS
    if (
        not isinstance(parameters, Mapping)
        or parameters.get("type") != "object"
        or len(json.dumps(parameters)) > MOST_OF_A_SCHEMA
        or schema_problems(parameters, below="")
    ):
        raise NodeError(
            "unknown_tool", f"The server of `{node_id}` gives tool `{name[:100]}` no JSON Schema that can be used."
        )
    description = str(described.get("description") or described.get("title") or "")[:MOST_OF_A_DESCRIPTION]
    return Tool(_callable_name(node_id, name), node_id, description, parameters, remote=name)


def _callable_name(node_id: str, name: str) -> str:
    """Return a name that providers take, and that no tool of another node has."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", f"{node_id}__{name}")[:64]
