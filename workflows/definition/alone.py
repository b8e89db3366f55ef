"""One node of a draft as a definition of its own, so that it can be tried alone: what it would see is given and pinned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workflows.definition.problems import Problem, did_you_mean, pointer
from workflows.tools.base import catalogue

# What is made here; with a number behind it where the draft has a node of that name.
START, INPUT, ITEMS = "try_start", "try_input", "try_items"


@dataclass(frozen=True)
class Alone:
    """A definition in which one node runs.

    :param start: its trigger node.
    :param indexes: of each node of the draft that it holds, the index there, by the index here.
    """

    definition: dict[str, Any]
    start: str
    indexes: Mapping[int, int]


def alone(
    raw: Mapping[str, Any], node_id: str, *, input: Any, outputs: Mapping[str, Any], items: Mapping[str, Any]
) -> Alone | None:
    """Return a definition in which a node of a draft runs alone, with all that lies in it if it is a scope; ``None`` without it.

    The node is tried once, whatever its ``retry`` says, and runs even if it is pinned.

    :param outputs: what nodes that it mentions have put out, by their ids; those of pinned ones are known without.
    :param items: what the passes of the scopes around it are about, by the scopes' ids.
    """
    nodes, all_edges = _nodes(raw), _edges(raw)
    if node_id not in nodes:
        return None
    within = _within(nodes, node_id, all_edges)
    names = _Names(set(nodes) | set(outputs))
    start, given = names.free(START), names.free(INPUT)
    around = _around(nodes, node_id)
    known = {key: node["pin"]["output"] for key, (_, node) in nodes.items() if _has_pin(node)} | dict(outputs)
    known = {key: value for key, value in known.items() if key not in within and key not in around}
    tried = {key: value for key, value in nodes[node_id][1].items() if key not in ("pin", "as_tool")}
    if any(edge.get("type") == "tool" and edge["source"] == node_id for edge in all_edges):
        tried = _with_given(tried, nodes[node_id][1].get("as_tool"), input)
    if len(within) == 1:  # A scope is not retried itself.
        tried |= {"retry": {"max_attempts": 1}}
    kept = [tried, *(node for key, (_, node) in nodes.items() if key in within and key != node_id)]
    own = {node["id"] for node in kept}
    edges = [edge for edge in all_edges if edge["source"] in own and edge["target"] in own]
    pass_items = names.free(ITEMS)
    innermost = around[-1] if around else None
    pinned = {given: (input, innermost)}
    pinned |= {key: (value, _level(nodes, key, around)) for key, value in known.items()}
    if around:
        pinned[pass_items] = ({scope: items.get(scope) for scope in around}, None)
    # What a pinned node comes before: the tried one, or the scope around that one that lies beside it.
    inner = dict(zip([None, *around], [*around, node_id], strict=True))
    made: list[dict[str, Any]] = [{"id": start, "type": "trigger", "config": {"kind": "manual"}}]
    made += [_pass_of(scope, outer, pass_items) for outer, scope in inner.items() if scope != node_id]
    for key, (value, level) in pinned.items():
        made.append(_pinned(key, value, parent=level))
        edges.append({"source": key, "target": inner[level], "type": "data" if key == given else "action"})
        if level is None:  # In a scope, a pass begins with whatever nothing leads into.
            edges.append({"source": start, "target": key, "type": "action"})
    definition = {"schema": 1, "nodes": [*kept, *made], "edges": edges}
    zone = raw.get("settings", {}).get("timezone") if isinstance(raw.get("settings"), dict) else None
    if zone is not None:
        definition["settings"] = {"timezone": zone}
    return Alone(definition, start, {here: nodes[node["id"]][0] for here, node in enumerate(kept)})


def unknown_names(
    raw: Mapping[str, Any], node_id: str, *, outputs: Mapping[str, Any], items: Mapping[str, Any]
) -> list[Problem]:
    """Return what is given for nodes that the draft does not have, and for scopes that do not lie around the node."""
    nodes = _nodes(raw)
    around = _around(nodes, node_id)
    return [
        *(
            Problem(
                "unknown_node", pointer("outputs", key), _no("The draft has no node", key), did_you_mean(key, nodes)
            )
            for key in outputs
            if key not in nodes
        ),
        *(
            Problem(
                "unknown_scope",
                pointer("items", key),
                _no(f"`{node_id}` lies in no scope", key),
                did_you_mean(key, around),
            )
            for key in items
            if key not in around
        ),
    ]


class _Names:
    def __init__(self, taken: set[str]) -> None:
        self._taken = taken

    def free(self, name: str) -> str:
        """Return a name that no node has."""
        found = next(
            each for each in (name, *(f"{name}_{number}" for number in range(2, 1000))) if each not in self._taken
        )
        self._taken.add(found)
        return found


def _no(what: str, name: str) -> str:
    return f"{what} `{name[:64]}`."


# A draft may be anything that JSON can be: what is no node and no edge is left out here, and told by who checks it.
def _nodes(raw: Mapping[str, Any]) -> dict[str, tuple[int, dict[str, Any]]]:
    nodes = raw.get("nodes")
    return {
        node["id"]: (index, node)
        for index, node in enumerate(nodes if isinstance(nodes, list) else [])
        if isinstance(node, dict) and isinstance(node.get("id"), str)
    }


def _edges(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    edges = raw.get("edges")
    return [
        edge
        for edge in (edges if isinstance(edges, list) else [])
        if isinstance(edge, dict) and isinstance(edge.get("source"), str) and isinstance(edge.get("target"), str)
    ]


def _with_given(node: dict[str, Any], as_tool: Any, given: Any) -> dict[str, Any]:
    """Return a tool of an agent with what its model would give it, where no expression of the node takes that up."""
    config = node.get("config")
    has_schema = isinstance(as_tool, dict) and as_tool.get("parameters") is not None
    if node.get("type") != "tool" or has_schema or not isinstance(config, dict) or not isinstance(given, dict):
        return node
    tool, arguments = catalogue().get(str(config.get("tool"))), config.get("with", {})
    if tool is None or not isinstance(arguments, dict):
        return node
    as_written = {key: {"$literal": value} for key, value in given.items()}
    return node | {"config": config | {"with": tool.with_given(arguments, as_written)}}


def _within(nodes: Mapping[str, tuple[int, dict[str, Any]]], node_id: str, edges: list[dict[str, Any]]) -> set[str]:
    """Return a node and all that lies in it, or is attached to it."""
    found, grows = {node_id}, True
    while grows:
        more = {key for key, (_, node) in nodes.items() if _parent(node) in found} - found
        tool_edges = [edge for edge in edges if edge.get("type") == "tool" and edge["target"] in found]
        more |= {edge["source"] for edge in tool_edges if edge["source"] in nodes} - found
        found |= more
        grows = bool(more)
    return found


def _parent(node: Mapping[str, Any]) -> str | None:
    parent = node.get("parent")
    return parent if isinstance(parent, str) else None


def _around(nodes: Mapping[str, tuple[int, dict[str, Any]]], node_id: str) -> list[str]:
    """Return the scopes around a node, the outermost first."""
    found: list[str] = []
    parent = _parent(nodes[node_id][1])
    while parent is not None and parent in nodes and parent not in found:
        found.insert(0, parent)
        parent = _parent(nodes[parent][1])
    return found


def _has_pin(node: Mapping[str, Any]) -> bool:
    return isinstance(node.get("pin"), dict) and "output" in node["pin"]


def _level(nodes: Mapping[str, tuple[int, dict[str, Any]]], node_id: str, around: list[str]) -> str | None:
    """Return in which of the scopes around the tried node another one lies, if in one of them."""
    parent = nodes[node_id][1].get("parent") if node_id in nodes else None
    return parent if parent in around else None


def _pinned(node_id: str, output: Any, *, parent: str | None) -> dict[str, Any]:
    node = {
        "id": node_id,
        "type": "transform",
        "config": {"steps": [{"operation": "set", "fields": {"pinned": True}}]},
        "pin": {"output": output},
    }
    return node if parent is None else node | {"parent": parent}


def _pass_of(scope: str, outer: str | None, items: str) -> dict[str, Any]:
    """Return a loop of one pass in the place of a scope."""
    loop = {"id": scope, "type": "loop", "config": {"items": f"{{{{ [nodes.{items}.output.{scope}] }}}}"}}
    return loop if outer is None else loop | {"parent": outer}
