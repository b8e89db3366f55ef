"""Graphs for the planner's tests: by hand, and at random."""

from __future__ import annotations

from hypothesis import strategies as st

from workflows.definition.schema import Definition, Edge, Node
from workflows.graph import Graph

PORTS = ("main", "left", "right")


def graph(*edges: str, any_joins: tuple[str, ...] = ()) -> Graph:
    """Return a graph from lines such as ``"check.yes > big"``; the first source is the trigger."""
    parsed = []
    for edge in edges:
        source, target = edge.split(" > ")
        source_id, _, port = source.partition(".")
        parsed.append(Edge(source=source_id, target=target, source_port=port or "main"))
    ids = list(dict.fromkeys(name for edge in parsed for name in (edge.source, edge.target)))
    nodes = tuple(
        Node(
            id=node_id,
            type="trigger" if node_id == ids[0] else "transform",
            name=node_id,
            join="any" if node_id in any_joins else "all",
        )
        for node_id in ids
    )
    return Graph(Definition(nodes=nodes, edges=tuple(parsed)))


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw an acyclic graph in which every node is reachable from the trigger ``n0``."""
    size = draw(st.integers(2, 10))
    edges = []
    for target in range(1, size):
        sources = draw(st.lists(st.integers(0, target - 1), min_size=1, max_size=3, unique=True))
        edges += [
            Edge(
                source=f"n{source}", target=f"n{target}", source_port=draw(st.sampled_from(PORTS)) if source else "main"
            )
            for source in sources
        ]
    nodes = tuple(
        Node(
            id=f"n{index}",
            type="trigger" if index == 0 else "transform",
            name=f"n{index}",
            join=draw(st.sampled_from(["all", "any"])),
        )
        for index in range(size)
    )
    return Graph(Definition(nodes=nodes, edges=tuple(edges)))
