"""A small language for definitions, so that a test says only what it is about.

``definition("start > check", "check.yes > big", "check.no > small > end", "start ~> big")``: each text is a way along edges.
``>`` is a data edge, ``~>`` an action edge, ``lookup -o bot`` attaches a tool to an agent, and ``check.yes`` leaves through the port ``yes``.

What a node is follows from where it stands: nothing leads into it, so it is a manual trigger; it has ports, so it is a
condition with those ports (``else`` and ``error`` it has anyway); else it is a delay of no time, which hands its input on. A keyword says
otherwise: ``end=node("output", {"value": 1}, join="any")``.

A scope holds its body, said in the same language: ``each=loop({"items": [1, 2]}, "a > b", b=node("transform", …))``. A way may be a single
node, so that ``parallel({}, "a", "b")`` has two branches; scopes may lie in scopes; ``on_error="port"`` and the other policies are those of the
scope itself. In a body, what nothing leads into is no trigger. Its nodes follow right after the scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workflows.definition.draft import POLICIES
from workflows.definition.schema import Definition, parse
from workflows.graph import Graph

ARROWS = {">": "data", "~>": "action", "-o": "tool"}


def node(type_: str, config: dict[str, Any] | None = None, **policies: Any) -> dict[str, Any]:
    """Return a node's JSON but for its id."""
    return {"type": type_, "config": config or {}, **policies}


def loop(config: dict[str, Any], *ways: str, **nodes: Any) -> dict[str, Any]:
    """Return a loop with its body, for :func:`definition` or for another scope."""
    return _scope("loop", config, ways, nodes)


def parallel(config: dict[str, Any], *ways: str, **nodes: Any) -> dict[str, Any]:
    """Return a parallel with its body, for :func:`definition` or for another scope."""
    return _scope("parallel", config, ways, nodes)


def definition(*ways: str, **nodes: Any) -> dict[str, Any]:
    """Return a definition's JSON. ``inputs``, ``settings`` and ``ui`` go where they belong; all else are nodes.

    A node given without ``type`` gets the type that follows from where it stands.
    """
    beside = {key: nodes.pop(key) for key in ("inputs", "settings", "ui") if key in nodes}
    edges: list[dict[str, Any]] = []
    return {"schema": 1, "nodes": list(_nodes(ways, nodes, None, edges)), "edges": edges, **beside}


def parsed(*ways: str, **nodes: Any) -> Definition:
    """Return a parsed definition."""
    return parse(definition(*ways, **nodes))


def graph(*ways: str, **nodes: Any) -> Graph:
    """Return a definition's graph."""
    return Graph(parsed(*ways, **nodes))


def _scope(type_: str, config: dict[str, Any], ways: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    policies = {key: value for key, value in given.items() if key in POLICIES}
    body = {key: value for key, value in given.items() if key not in POLICIES}
    return node(type_, config, **policies, body=(ways, body))


def _nodes(
    ways: Sequence[str], given: Mapping[str, Any], parent: str | None, all_edges: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield the nodes of a body, or of the top, each scope with its own after it. Their edges are added to ``all_edges``."""
    edges = [edge for way in ways for edge in _edges(way)]
    all_edges += edges
    for node_id in dict.fromkeys([end for way in ways for end in _ends(way)] + list(given)):
        own = {"id": node_id, **_default(node_id, edges, parent), **given.get(node_id, {})}
        body = own.pop("body", None)
        yield {**own, "parent": parent} if parent else own
        if body is not None:
            yield from _nodes(*body, node_id, all_edges)


def _ends(way: str) -> list[str]:
    return [step.partition(".")[0] for step in re.split(r"\s*(?:~?>|-o)\s*", way.strip())]


def _edges(way: str) -> list[dict[str, Any]]:
    steps = re.split(r"\s*(~?>|-o)\s*", way.strip())
    edges = []
    for start, arrow, end in zip(steps[::2], steps[1::2], steps[2::2], strict=False):
        source, _, port = start.partition(".")
        edge = {"source": source, "target": end.partition(".")[0]}
        if port:
            edge["source_port"] = port
        if ARROWS[arrow] != "data":
            edge["type"] = ARROWS[arrow]
        edges.append(edge)
    return edges


def _default(node_id: str, edges: list[dict[str, Any]], parent: str | None) -> dict[str, Any]:
    if parent is None and not any(edge["target"] == node_id for edge in edges):
        return node("trigger", {"kind": "manual"})
    ports = [edge["source_port"] for edge in edges if edge["source"] == node_id and "source_port" in edge]
    own = [port for port in dict.fromkeys(ports) if port not in ("error", "else")]
    policies = {"on_error": "port"} if "error" in ports else {}
    if own:
        return node("condition", {"cases": [{"port": port, "when": False} for port in own]}, **policies)
    return node("delay", {"for_seconds": 0}, **policies)
