"""Definitions with scopes in scopes, at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.builders import node

LEAVES = ("transform", "transform", "delay", "condition", "failing")


@st.composite
def scoped_definitions(draw: st.DrawFn, *, most_nodes: int = 20, deepest: int = 3) -> dict[str, Any]:
    """Draw the JSON of a definition that can be published and, whatever it goes through, runs to its end.

    It has loops (over items, in batches, ``while``; with an accumulator, with a break) and parallels (over items and branches) in each
    other, conditions, joins of both kinds, nodes that fail and are caught, and expressions that mention what they may.
    """
    drawing = _Drawing(draw, most_nodes, deepest)
    drawing.fill(_Body(parent=None, known=("start",), sources=("start",)))
    return {"schema": 1, "nodes": drawing.nodes, "edges": drawing.edges}


@dataclass
class _Body:
    """Where nodes are drawn.

    :param known: nodes outside whose outputs are known.
    :param sources: nodes that one of must lead into each node; none in a scope, where a node may begin.
    :param roots: what the passes of the scope have.
    """

    parent: str | None
    known: tuple[str, ...]
    sources: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()
    around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    depth: int = 0


class _Drawing:
    def __init__(self, draw: st.DrawFn, most_nodes: int, deepest: int) -> None:
        self._draw = draw
        self._most_nodes = most_nodes
        self._deepest = deepest
        self.nodes: list[dict[str, Any]] = [{"id": "start", **node("trigger", {"kind": "manual"})}]
        self.edges: list[dict[str, Any]] = []
        self._ports: dict[str, tuple[str, ...]] = {"start": ("main",)}
        # What is known once a node is done: itself, what it waited for, and what lies in it and in those.
        self._known_after: dict[str, frozenset[str]] = {"start": frozenset({"start"})}

    def fill(self, body: _Body) -> list[str]:
        """Draw the nodes of a body, and return the ids of all that lie in it."""
        here: list[str] = list(body.sources)
        all_ids: list[str] = []
        for _ in range(self._draw(st.integers(1, 5 if body.depth == 0 else 3))):
            node_id = f"n{len(self.nodes)}"
            fewest = 1 if body.sources else 0
            sources = (
                self._draw(st.lists(st.sampled_from(here), min_size=fewest, max_size=3, unique=True)) if here else []
            )
            known = frozenset(body.known).union(*(self._known_after[each] for each in sources))
            inside = self._node(node_id, body, sources, sorted(known))
            self._known_after[node_id] = known | {node_id, *inside}
            here.append(node_id)
            all_ids += [node_id, *inside]
            if len(self.nodes) >= self._most_nodes:
                break
        return all_ids

    def _node(self, node_id: str, body: _Body, sources: list[str], known: list[str]) -> list[str]:
        room = self._most_nodes - len(self.nodes) > 1 and body.depth < self._deepest
        kinds = (*LEAVES, "loop", "parallel") if room else LEAVES
        kind = self._draw(st.sampled_from((*kinds, "output") if body.parent is None else kinds))
        drawn = {
            "id": node_id,
            "join": self._draw(st.sampled_from(["all", "any"])),
            **getattr(self, f"_{kind}")(body, known),
        }
        if body.parent is not None:
            drawn["parent"] = body.parent
        self.nodes.append(drawn)
        self._ports[node_id] = tuple(_ports_of(drawn))
        for source in sources:
            port = self._draw(st.sampled_from(self._ports[source]))
            type_ = self._draw(st.sampled_from(["data", "data", "action"]))
            self.edges.append({"source": source, "source_port": port, "target": node_id, "type": type_})
        if kind not in ("loop", "parallel"):
            return []
        around = {node_id: tuple(_roots_of(drawn)), **body.around}
        return self.fill(_Body(node_id, tuple(known), (), around[node_id], around, body.depth + 1))

    def _expression(self, body: _Body, known: list[str]) -> str:
        options = ["{{ input }}", "{{ trigger }}", "{{ now() }}"]
        options += [f"{{{{ nodes.{node_id}?.output != null }}}}" for node_id in known]
        options += [f"{{{{ {root} ?? null }}}}" for root in body.roots]
        options += [
            f"{{{{ scopes.{scope}.{root} ?? null }}}}" for scope, roots in body.around.items() for root in roots
        ]
        return self._draw(st.sampled_from(options))

    def _transform(self, body: _Body, known: list[str]) -> dict[str, Any]:
        # In `to`, `item` is the list's, whatever scope lies around.
        steps = [{"operation": "map", "to": {"saw": "{{ [item != null, index] }}"}}]
        return node("transform", {"value": self._expression(body, known), "steps": steps})

    def _delay(self, body: _Body, known: list[str]) -> dict[str, Any]:
        return node("delay", {"for_seconds": 0}, disabled=self._draw(st.booleans()))

    def _condition(self, body: _Body, known: list[str]) -> dict[str, Any]:
        when = self._draw(st.sampled_from([True, False, *(["{{ index % 2 == 0 }}"] if body.roots else [])]))
        return node("condition", {"cases": [{"port": "left", "when": when}], "else": "right"})

    def _failing(self, body: _Body, known: list[str]) -> dict[str, Any]:
        steps = [{"operation": "split_out", "field": "no.such"}]
        on_error = self._draw(st.sampled_from(["continue", "port"]))
        return node("transform", {"value": 5, "steps": steps}, on_error=on_error, retry={"max_attempts": 1})

    def _output(self, body: _Body, known: list[str]) -> dict[str, Any]:
        return node("output", {"value": self._expression(body, known)})

    def _loop(self, body: _Body, known: list[str]) -> dict[str, Any]:
        config: dict[str, Any] = self._draw(
            st.sampled_from(
                [
                    {"items": [1, "two", None]},
                    {"items": "{{ [1, 2] }}"},
                    {"items": []},
                    {"items": [1, 2, 3], "batch_size": 2},
                    {"while": "{{ index < 2 }}", "max_passes": 3},
                ]
            )
        )
        more: dict[str, Any] = self._draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "accumulator": st.just({"initial": 0, "next": "{{ accumulator + index }}"}),
                    "break_when": st.sampled_from([False, "{{ index >= 1 }}"]),
                    "on_item_error": st.sampled_from(["fail", "collect"]),
                    "results": st.sampled_from(["all", "last", "none"]),
                },
            )
        )
        return node("loop", {**config, **more})

    def _parallel(self, body: _Body, known: list[str]) -> dict[str, Any]:
        config: dict[str, Any] = self._draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "items": st.sampled_from([[1, 2, 3], "{{ ['a', 'b'] }}"]),
                    "max_concurrent": st.integers(1, 3),
                    "on_item_error": st.sampled_from(["fail", "collect"]),
                    "done_when": st.sampled_from(["all", "any", 1]),
                },
            )
        )
        return node("parallel", config)


def _ports_of(drawn: dict[str, Any]) -> Iterator[str]:
    yield from ("left", "right") if drawn["type"] == "condition" else ("main",)
    if drawn.get("on_error") == "port":
        yield "error"


def _roots_of(drawn: dict[str, Any]) -> Iterator[str]:
    yield "index"
    if "items" in drawn["config"]:
        yield "item"
    if "accumulator" in drawn["config"]:
        yield "accumulator"
