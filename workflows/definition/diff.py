"""What has changed between two definitions, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from workflows.definition.canonical import canonical, canonical_json
from workflows.definition.problems import pointer

Kind = Literal["added", "removed", "changed"]

# Where nothing is; null is something.
_NOTHING: Any = object()


@dataclass(frozen=True)
class Change:
    """One difference.

    :param kind: ``added``, ``removed`` or ``changed``.
    :param subject: ``node``, ``edge``, ``settings`` or ``inputs``.
    :param path: JSON Pointer to what changed; nodes by id (``/nodes/<id>/config/url``), edges by their ends.
    :param message: the difference as a sentence.
    :param before: the old value, null where there was none.
    :param after: the new value, null where there is none.
    """

    kind: Kind
    subject: str
    path: str
    message: str
    before: Any = None
    after: Any = None

    def to_json(self) -> dict[str, Any]:
        """Return the change as the API shows it."""
        return asdict(self)


def diff(old: Any, new: Any) -> list[Change]:
    """Return what differs between two definitions' JSON; none if their content hashes are the same.

    :raises ValueError: if one has not the shape of a definition.
    """
    before, after = canonical(old), canonical(new)
    return [
        *_nodes(_by_id(before), _by_id(after)),
        *_edges(_by_ends(before), _by_ends(after)),
        *_section("settings", before, after),
        *_section("inputs", before, after),
    ]


def _by_id(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["id"]: node for node in definition["nodes"]}


def _by_ends(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {_ends(edge): edge for edge in definition["edges"]}


def _ends(edge: dict[str, Any]) -> str:
    port = edge.get("source_port")
    return f"{edge['source']}{f'.{port}' if port else ''} → {edge['target']}"


def _nodes(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[Change]:
    for node_id in sorted(before.keys() | after.keys()):
        path = pointer("nodes", node_id)
        if node_id not in before:
            node = after[node_id]
            yield Change("added", "node", path, f"Node `{node_id}` ({node['type']}) is new.", None, node)
        elif node_id not in after:
            node = before[node_id]
            yield Change("removed", "node", path, f"Node `{node_id}` ({node['type']}) is gone.", node, None)
        else:
            yield from _fields("node", f"Node `{node_id}`", before[node_id], after[node_id], path)


def _edges(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> Iterator[Change]:
    for ends in sorted(before.keys() | after.keys()):
        path = pointer("edges", ends)
        if ends not in before:
            yield Change("added", "edge", path, f"Edge {ends} is new.", None, after[ends])
        elif ends not in after:
            yield Change("removed", "edge", path, f"Edge {ends} is gone.", before[ends], None)
        else:
            yield from _fields("edge", f"Edge {ends}", before[ends], after[ends], path)


def _section(name: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    yield from _fields(name, f"`{name}`", before.get(name, {}), after.get(name, {}), pointer(name))


def _fields(subject: str, what: str, before: Any, after: Any, at: str) -> Iterator[Change]:
    for path, old, new in _differences(before, after, ""):
        where = f"{what}: `{path.lstrip('/')}`" if path else what
        match old is _NOTHING, new is _NOTHING:
            case True, _:
                yield Change("added", subject, at + path, f"{where} is set to {_shown(new)}.", None, new)
            case _, True:
                yield Change("removed", subject, at + path, f"{where} is no longer set; it was {_shown(old)}.", old)
            case _:
                message = f"{where} changed from {_shown(old)} to {_shown(new)}."
                yield Change("changed", subject, at + path, message, old, new)


def _differences(before: Any, after: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield each place at which two values differ.

    Objects are compared key by key, and lists of one length item by item; all else as a whole.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(before.get(key, _NOTHING), after.get(key, _NOTHING), pointer(key, below=path))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _differences(old, new, pointer(index, below=path))
    elif before is _NOTHING or after is _NOTHING or canonical_json(before) != canonical_json(after):
        yield path, before, after


def _shown(value: Any) -> str:
    text = canonical_json(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
