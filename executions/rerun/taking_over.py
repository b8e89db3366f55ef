"""What a rerun takes over of the execution that it runs again. Pure.

The planner cannot tell node runs that were taken over from those of the execution itself. So what is taken over has to be
what could have happened: nothing whose predecessors are still to run, nothing that no edge leads to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from workflows.graph import Graph


@dataclass(frozen=True)
class TakenOver:
    """What becomes of the nodes of one body, in one pass.

    :param nodes: these have their node run already, with the output and the ports that it had.
    :param dead: these will never run.
    :param ready: these run as soon as the execution begins. All others come after them.
    """

    nodes: frozenset[str]
    dead: frozenset[str]
    ready: frozenset[str]

    def is_over(self, body: Graph) -> bool:
        """Whether nothing is left to run."""
        return len(self.nodes) + len(self.dead) == len(body.nodes)


def taken_over(
    body: Graph,
    *,
    settled: Mapping[str, tuple[str, ...]],
    begins: Collection[str],
    again: Collection[str] = (),
    changed: Collection[str] = (),
) -> TakenOver:
    """Return what is taken over, in one pass of a body.

    :param body: of the version that will run.
    :param settled: the ports through which each node left that completed, or failed and was caught.
    :param begins: the nodes without an edge into them that the pass begins at; others like them are dead.
    :param again: nodes that run anew whatever is known of them. What comes after them does so too.
    :param changed: nodes that stand differently in this version; see :func:`changed_nodes`.
    """
    taken: set[str] = set()
    dead: set[str] = set()
    ready: set[str] = set()
    for node_id in body.in_order():
        edges = body.edges_into(node_id)
        is_reached = any(edge.source in taken and edge.source_port in settled[edge.source] for edge in edges)
        is_open = any(edge.source not in taken and edge.source not in dead for edge in edges)
        if not edges:
            is_reached = node_id in begins
        if not is_reached and not is_open:
            dead.add(node_id)
        elif is_reached and not is_open and node_id in settled and node_id not in again and node_id not in changed:
            taken.add(node_id)
        elif is_reached and (not is_open or body.nodes[node_id].join == "any"):
            ready.add(node_id)
    return TakenOver(frozenset(taken), frozenset(dead), frozenset(ready))


def changed_nodes(body: Graph, before: Graph) -> frozenset[str]:
    """Return the nodes of a body that are not what they were in another version: missing there, of another type, reached otherwise.

    A changed config alone is no such change: what the node put out stays what it put out.
    """

    def place(graph: Graph, node_id: str) -> tuple[object, ...] | None:
        if node_id not in graph.nodes:
            return None
        node = graph.nodes[node_id]
        return node.type, node.join, frozenset(graph.edges_into(node_id))

    return frozenset(node_id for node_id in body.nodes if place(body, node_id) != place(before, node_id))
