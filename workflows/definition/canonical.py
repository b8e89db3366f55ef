"""When two definitions are the same."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from workflows.definition.schema import parse, to_json


def content_hash(raw: Any) -> str:
    """Return the SHA-256 of a definition, as 64 hexadecimal digits.

    It stays the same when positions (``ui``), the order of keys, nodes or edges change, or a default is written out. A node's
    ``config`` counts as it is written: what its defaults are is for its type to say, and may differ between releases.

    :raises ValueError: if it has not the shape of a definition.
    """
    return hashlib.sha256(canonical_json(canonical(raw)).encode()).hexdigest()


def canonical(raw: Any) -> dict[str, Any]:
    """Return a definition's JSON without ``ui`` and without defaults, its nodes and edges in a fixed order.

    :raises ValueError: if it has not the shape of a definition.
    """
    definition = parse(raw)
    nodes = tuple(sorted(definition.nodes, key=lambda node: node.id))
    edges = tuple(sorted(definition.edges, key=lambda edge: (edge.source, edge.source_port, edge.target, edge.type)))
    return to_json(replace(definition, nodes=nodes, edges=edges, ui={}))


def canonical_json(value: Any) -> str:
    """Return JSON text that is the same for the same value: RFC 8785, but for the exponents of very large numbers."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)  # JSON has one kind of number: 1.0 is 1.
        case _:
            return value
