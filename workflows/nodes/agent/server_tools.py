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
    by_name = {name: each for each in listed if isinstance(name := each.get("name"), str)}
    return [_tool(node_id, name, by_name) for name in wanted]


def told_of(result: Any) -> Any:
    """Return what a model is told of what a server's tool returned: the data or the texts once, and of what is no text, what it is.

    A picture as base64 would be cut in its middle, and be paid for with every further call.

    :param result: the output of ``mcp.call``; what has come in its place is told as it is.
    """
    if not isinstance(result, Mapping) or not isinstance(result.get("content"), list):
        return result
    parts = [_in_words(block) for block in result["content"]]
    structured = result.get("structured")
    if structured is None:
        return "\n".join(parts)
    # A server that returns data says the same once more as text, for clients that know no data.
    others = [part for part in parts if _json_in(part) != structured]
    return {"structured": structured, "text": "\n".join(others)} if others else structured


def _in_words(block: Any) -> str:
    if not isinstance(block, Mapping):
        return json.dumps(block, ensure_ascii=False)
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    holder = block["resource"] if isinstance(block.get("resource"), Mapping) else block
    data = holder.get("blob", holder.get("data"))
    if not isinstance(data, str):
        return json.dumps(block, ensure_ascii=False)
    kind = f"{block.get('type')} {holder.get('mimeType') or 'of an unknown type'}"
    return f"[{kind[:200]}, {len(data):,} characters of base64, left out]"


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _tool(node_id: str, name: str, by_name: Mapping[str, Mapping[str, Any]]) -> Tool:
    if name not in by_name:
        has = ", ".join(sorted(f"`{each}`" for each in by_name)[:20]) or "none"
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
