"""The catalogue of node types and tools, described for people, editors and programs. Pure Python."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from workflows.definition.schema import Node
from workflows.nodes import base as nodes
from workflows.tools import base as tools


@dataclass(frozen=True)
class NodeTypeEntry:
    """One node type. ``ports`` and ``effect`` depend on the config; they are those of the example."""

    key: str
    description: str
    icon: str
    starts_workflow: bool
    is_scope: bool
    accepts_secrets: bool
    secret_fields: tuple[str, ...]
    ports: tuple[str, ...]
    effect: str
    config_schema: dict[str, Any]
    example: dict[str, Any]


@dataclass(frozen=True)
class ToolEntry:
    """One tool. ``effect`` depends on the arguments; it is that of the example.

    ``items_at`` and ``item_key`` are for polls: where the list is in the output, and what tells its items apart, if there is one
    answer for all.
    """

    name: str
    description: str
    icon: str
    effect: str
    arguments_schema: dict[str, Any]
    items_at: str
    item_key: str
    example: dict[str, Any]


def node_types() -> list[NodeTypeEntry]:
    """Return all node types, by key."""
    return [node_type_entry(node_type) for _, node_type in sorted(nodes.catalogue().items())]


def tool_entries() -> list[ToolEntry]:
    """Return all tools, by name."""
    return [tool_entry(tool) for _, tool in sorted(tools.catalogue().items())]


class _WithTitles(GenerateJsonSchema):
    """Gives each field a title, also those that are objects: a form would call them by the name of our class, or not at all."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return True


@cache
def node_type_entry(node_type: nodes.NodeType[Any]) -> NodeTypeEntry:
    """Return what the catalogue says of a node type."""
    return NodeTypeEntry(
        key=node_type.key,
        description=_first_line(node_type),
        icon=node_type.icon,
        starts_workflow=node_type.starts_workflow,
        is_scope=node_type.is_scope,
        accepts_secrets=node_type.accepts_secrets,
        secret_fields=node_type.secret_fields,
        ports=node_type.ports(node_type.example),
        effect=node_type.effect(node_type.example).value,
        config_schema=node_type.Config.model_json_schema(schema_generator=_WithTitles),
        example=node_type.example,
    )


@cache
def tool_entry(tool: tools.Tool[Any]) -> ToolEntry:
    """Return what the catalogue says of a tool."""
    return ToolEntry(
        name=tool.name,
        description=_first_line(tool),
        icon=tool.icon,
        effect=tool.effect(tool.example).value,
        arguments_schema=tool.Arguments.model_json_schema(schema_generator=_WithTitles),
        items_at=tool.items_at,
        item_key=tool.item_key,
        example=tool.example,
    )


def description_of(node: Node) -> str:
    """Return what a node does, in a line: what its tool says, else its type; a model that may call it reads this."""
    if node.type == "tool":
        return _first_line(tools.catalogue()[node.config["tool"]])
    return node.notes or node.name


def _first_line(thing: object) -> str:
    return (type(thing).__doc__ or "").strip().partition("\n")[0]
