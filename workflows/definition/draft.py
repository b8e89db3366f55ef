"""What can be read of a draft that may have problems: as much as possible, so that all of them are found at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from workflows.definition.problems import Problem, pointer
from workflows.definition.pydantic_problems import problems_in
from workflows.definition.schema import Definition, Edge, Node, Settings, edge_of, settings_of
from workflows.definition.shape import MAX_EDGES, MAX_NODES, EdgeShape, NodeShape, OutlineShape, SettingsShape
from workflows.expressions.templates import is_literal
from workflows.graph import Graph

# Keys that stand beside ``config``, whatever the node's type.
POLICIES = frozenset(NodeShape.model_fields) - {"config"}

# Triggers are registered, and tools looked up, by keys of the config as it is written.
_LITERAL_CONFIG = ("A config is no `$literal`.", "Write its keys as they are; what they hold may be one.")


@dataclass(frozen=True)
class DraftNode:
    """A node as far as it can be read. ``at`` is the JSON Pointer to it.

    ``has_config`` is false where something else than an object with its keys stands in its place; ``config`` is empty then.
    """

    at: str
    id: str
    type: str
    config: Mapping[str, Any]
    on_error: str
    has_config: bool = True
    parent: str | None = None
    has_retry: bool = False
    pinned_port: str | None = None
    as_tool: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class DraftEdge:
    """An edge that can be read. ``at`` is the JSON Pointer to it."""

    at: str
    edge: Edge


@dataclass(frozen=True)
class Draft:
    """A draft as far as it can be read."""

    nodes: tuple[DraftNode, ...]
    edges: tuple[DraftEdge, ...]
    inputs: Any
    settings: Settings
    # The key of ``settings.concurrency``, also where the rest of the settings cannot be read.
    concurrency_key: str | None
    # Ids of all nodes, also of those that cannot be read any further: an edge to one of them leads somewhere.
    ids: frozenset[str]

    def graph(self) -> Graph:
        """Return the graph of the nodes that can be read and the edges between them."""
        nodes = {node.id: Node(node.id, node.type, node.id, parent=node.parent) for node in reversed(self.nodes)}
        edges = (edge.edge for edge in self.edges)
        return Graph(
            Definition(
                nodes=tuple(reversed(nodes.values())),
                edges=tuple(edge for edge in edges if edge.source in nodes and edge.target in nodes),
            )
        )


def read_draft(raw: Mapping[str, Any]) -> Draft:
    """Return what can be read of a definition's JSON. What is wrong with its shape, :func:`shape_problems` says."""
    raw_nodes, raw_edges = _list(raw.get("nodes"), MAX_NODES), _list(raw.get("edges"), MAX_EDGES)
    nodes = (_node(index, node) for index, node in enumerate(raw_nodes))
    edges = (_edge(index, edge) for index, edge in enumerate(raw_edges))
    return Draft(
        nodes=tuple(node for node in nodes if node is not None),
        edges=tuple(edge for edge in edges if edge is not None),
        inputs=raw.get("inputs"),
        settings=_settings(raw.get("settings")),
        concurrency_key=_concurrency_key(raw.get("settings")),
        ids=frozenset(node["id"] for node in raw_nodes if isinstance(node, dict) and isinstance(node.get("id"), str)),
    )


def shape_problems(raw: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what is wrong with the shape of a definition's JSON."""
    yield from _problems(OutlineShape, raw, "")
    for index, node in enumerate(_list(raw.get("nodes"), MAX_NODES)):
        yield from map(_node_problem, _problems(NodeShape, node, pointer("nodes", index)))
        if isinstance(node, dict) and isinstance(config := node.get("config"), dict) and is_literal(config):
            yield Problem("literal_config", pointer("nodes", index, "config"), *_LITERAL_CONFIG)
    for index, edge in enumerate(_list(raw.get("edges"), MAX_EDGES)):
        yield from _problems(EdgeShape, edge, pointer("edges", index))


def _list(value: Any, most: int) -> list[Any]:
    """Return a list's items; of far too many, which is a problem of its own, not all."""
    return value[: 2 * most] if isinstance(value, list) else []


def _node(index: int, raw: Any) -> DraftNode | None:
    match raw:
        case {"id": str(node_id), "type": str(type_)}:
            config = raw.get("config", {})
            has_config = isinstance(config, dict) and not is_literal(config)
            return DraftNode(
                at=pointer("nodes", index),
                id=node_id,
                type=type_,
                config=config if has_config else {},
                on_error=str(raw.get("on_error", "fail")),
                has_config=has_config,
                parent=parent if isinstance(parent := raw.get("parent"), str) else None,
                has_retry=raw.get("retry") is not None,
                pinned_port=_pinned_port(raw.get("pin")),
                as_tool=as_tool if isinstance(as_tool := raw.get("as_tool"), dict) else None,
            )
        case _:
            return None


def _pinned_port(raw: Any) -> str | None:
    match raw:
        case {"port": str(port)}:
            return port
        case _:
            return None


def _edge(index: int, raw: Any) -> DraftEdge | None:
    try:
        return DraftEdge(pointer("edges", index), edge_of(EdgeShape.model_validate(raw)))
    except ValidationError:
        return None


def _settings(raw: Any) -> Settings:
    try:
        return settings_of(SettingsShape.model_validate({} if raw is None else raw))
    except ValidationError:
        return Settings()


def _concurrency_key(raw: Any) -> str | None:
    match raw:
        case {"concurrency": {"key": str(key)}}:
            return key
        case _:
            return None


def _problems(model: type[BaseModel], raw: Any, at: str) -> list[Problem]:
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return problems_in(error, model, below=at)
    return []


def _node_problem(problem: Problem) -> Problem:
    if problem.code != "unknown_key" or problem.path.count("/") != 3:
        return problem
    if problem.hint.startswith("Did you mean"):
        return problem
    return replace(problem, hint="What belongs to the node's type stands inside `config`.")
