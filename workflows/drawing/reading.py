"""What of a definition can be drawn. A draft may be wrong in any way; everything that makes sense is taken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.drawing.scopes import in_words

# A published definition has no more (design 5.6). A draft may; the rest is counted, not drawn.
MAX_CARDS = 500
MAX_ARROWS = 2_000
MAX_NESTING = 8
# Positions beyond this are a mistake, and would make a picture that nobody can look at.
FARTHEST = 100_000.0


@dataclass(frozen=True)
class Card:
    """One box of the picture: a node, or a stand-in for one that an edge names and that does not exist.

    ``scope`` says what a node does with those that it holds, and is empty for one that holds none.
    """

    id: str
    name: str
    type: str
    detail: str = ""
    scope: str = ""
    parent: int | None = None
    is_disabled: bool = False
    is_missing: bool = False


@dataclass(frozen=True)
class Arrow:
    """One edge, between cards by their place in the list."""

    source: int
    target: int
    port: str
    type: str


@dataclass(frozen=True)
class Sketch:
    """All that is drawn. ``positions`` is empty unless the definition places every node."""

    cards: tuple[Card, ...]
    arrows: tuple[Arrow, ...]
    positions: Mapping[int, tuple[float, float]]
    left_out: int

    def crosses(self, arrow: Arrow) -> bool:
        """Return whether an edge leads into a scope or out of one, which no edge can."""
        return self.cards[arrow.source].parent != self.cards[arrow.target].parent

    def scopes_around(self, key: int) -> tuple[int, ...]:
        """Return the scopes that a card lies in, the innermost first."""
        parent = self.cards[key].parent
        return () if parent is None else (parent, *self.scopes_around(parent))


def read(definition: Any) -> Sketch:
    """Return what can be drawn of a definition. Never raises, whatever it is given."""
    nodes = list(_mappings(definition, "nodes"))
    cards = [_card(node) for node in nodes[:MAX_CARDS]]
    keys: dict[str, int] = {}
    for key, card in enumerate(cards):
        keys.setdefault(card.id, key)  # Of two nodes with one id, edges mean the first.
    cards = _with_parents(cards, nodes, keys)
    positions = _positions(definition, cards)
    edges = [edge for edge in _mappings(definition, "edges") if _text(edge, "source") and _text(edge, "target")]
    if len(nodes) <= MAX_CARDS:
        _add_missing(cards, keys, edges)
    arrows = [
        Arrow(keys[edge["source"]], keys[edge["target"]], _text(edge, "source_port") or "main", _text(edge, "type"))
        for edge in edges[:MAX_ARROWS]
        if edge["source"] in keys and edge["target"] in keys
    ]
    cards = _with_scopes(cards, nodes, arrows)
    return Sketch(tuple(cards), tuple(arrows), positions, left_out=max(0, len(nodes) - MAX_CARDS))


def _mappings(holder: Any, name: str) -> Iterator[Mapping[str, Any]]:
    items = holder.get(name) if isinstance(holder, Mapping) else None
    return (item for item in (items if isinstance(items, list) else []) if isinstance(item, Mapping))


def _text(holder: Any, name: str) -> str:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, str) else ""


def _card(node: Mapping[str, Any]) -> Card:
    node_id = _text(node, "id")
    config = node.get("config")
    return Card(
        id=node_id,
        name=_text(node, "name") or node_id or "unnamed",
        type=_text(node, "type") or "unknown",
        # What a reader asks next: which trigger, which tool.
        detail=_text(config, "kind") or _text(config, "tool"),
        is_disabled=node.get("disabled") is True,
    )


def _with_parents(cards: list[Card], nodes: list[Mapping[str, Any]], keys: Mapping[str, int]) -> list[Card]:
    """Put cards into their scopes, except where a scope would contain itself or lies too deep."""
    parents = [keys.get(_text(node, "parent")) for node in nodes[: len(cards)]]
    return [
        replace(card, parent=parents[key] if _depth(key, parents) <= MAX_NESTING else None)
        for key, card in enumerate(cards)
    ]


def _depth(key: int, parents: list[int | None]) -> int:
    depth = 0
    above = parents[key]
    while above is not None and depth <= MAX_NESTING:  # A circle of parents is as good as too deep.
        depth += 1
        above = parents[above]
    return depth


def _with_scopes(cards: list[Card], nodes: list[Mapping[str, Any]], arrows: Iterable[Arrow]) -> list[Card]:
    """Say of each card that holds others what it does with them."""
    pairs = [
        (arrow.source, arrow.target)
        for arrow in arrows
        if arrow.type != "tool" and cards[arrow.source].parent == cards[arrow.target].parent
    ]
    branches = Counter(cards[part[0]].parent for part in components(range(len(cards)), pairs))
    return [
        replace(card, scope=in_words(card.type, nodes[key].get("config"), branches=branches[key]))
        if key in branches
        else card
        for key, card in enumerate(cards)
    ]


def components(keys: Iterable[int], pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the parts that no pair connects, in the order of their first members; pairs with others do not count."""
    root = {key: key for key in keys}

    def find(key: int) -> int:
        while root[key] != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for one, other in pairs:
        if one in root and other in root:
            root[find(other)] = find(one)
    parts: dict[int, list[int]] = {}
    for key in root:
        parts.setdefault(find(key), []).append(key)
    return list(parts.values())


def _positions(definition: Any, cards: list[Card]) -> dict[int, tuple[float, float]]:
    ui = definition.get("ui") if isinstance(definition, Mapping) else None
    placed = ui.get("positions") if isinstance(ui, Mapping) else None
    if not isinstance(placed, Mapping):
        return {}
    points = {key: _point(placed.get(card.id)) for key, card in enumerate(cards)}
    found = {key: point for key, point in points.items() if point is not None}
    return found if len(set(found.values())) == len(cards) else {}


def _point(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, Mapping):
        return None
    x, y = _coordinate(value.get("x")), _coordinate(value.get("y"))
    return None if x is None or y is None else (x, y)


def _coordinate(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and abs(value) <= FARTHEST else None


def _add_missing(cards: list[Card], keys: dict[str, int], edges: list[Mapping[str, Any]]) -> None:
    for node_id in [edge[end] for edge in edges for end in ("source", "target")]:
        if node_id not in keys and len(cards) < MAX_CARDS:
            keys[node_id] = len(cards)
            cards.append(Card(id=node_id, name=node_id, type="missing", is_missing=True))
