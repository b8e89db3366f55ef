"""A small language for definitions, so that a test says only what it is about.

``definition("start > check", "check.yes > big", "check.no > small > end", "start ~> big")``: each text is a way along edges.
``>`` is a data edge, ``~>`` an action edge, and ``check.yes`` leaves through the port ``yes``.

What a node is follows from where it stands: nothing leads into it, so it is a manual trigger; it has ports, so it is a
condition with those ports (``else`` and ``error`` it has anyway); else it is a delay of no time, which hands its input on. A keyword says
otherwise: ``end=node("output", {"value": 1}, join="any")``.
"""

from __future__ import annotations

import re
from typing import Any

from workflows.definition.schema import Definition, parse
from workflows.graph import Graph

ARROWS = {">": "data", "~>": "action"}


def node(type_: str, config: dict[str, Any] | None = None, **policies: Any) -> dict[str, Any]:
    """Return a node's JSON but for its id."""
    return {"type": type_, "config": config or {}, **policies}


def definition(*ways: str, **nodes: Any) -> dict[str, Any]:
    """Return a definition's JSON. ``inputs``, ``settings`` and ``ui`` go where they belong; all else are nodes.

    A node given without ``type`` gets the type that follows from where it stands.
    """
    beside = {key: nodes.pop(key) for key in ("inputs", "settings", "ui") if key in nodes}
    edges = [edge for way in ways for edge in _edges(way)]
    ids = dict.fromkeys([end for way in ways for end in _ends(way)] + list(nodes))
    return {
        "schema": 1,
        "nodes": [{"id": node_id, **_default(node_id, edges), **nodes.get(node_id, {})} for node_id in ids],
        "edges": edges,
        **beside,
    }


def parsed(*ways: str, **nodes: Any) -> Definition:
    """Return a parsed definition."""
    return parse(definition(*ways, **nodes))


def graph(*ways: str, **nodes: Any) -> Graph:
    """Return a definition's graph."""
    return Graph(parsed(*ways, **nodes))


def _ends(way: str) -> list[str]:
    return [step.partition(".")[0] for step in re.split(r"\s*~?>\s*", way.strip())]


def _edges(way: str) -> list[dict[str, Any]]:
    steps = re.split(r"\s*(~?>)\s*", way.strip())
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


def _default(node_id: str, edges: list[dict[str, Any]]) -> dict[str, Any]:
    if not any(edge["target"] == node_id for edge in edges):
        return node("trigger", {"kind": "manual"})
    ports = [edge["source_port"] for edge in edges if edge["source"] == node_id and "source_port" in edge]
    own = [port for port in dict.fromkeys(ports) if port not in ("error", "else")]
    policies = {"on_error": "port"} if "error" in ports else {}
    if own:
        return node("condition", {"cases": [{"port": port, "when": False} for port in own]}, **policies)
    return node("delay", {"for_seconds": 0}, **policies)
