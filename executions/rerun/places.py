"""Where a rerun begins: a node, in a pass of the scopes around it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workflows.definition.problems import Problem, did_you_mean
from workflows.graph import AGENT, Graph

_PATH = re.compile(r"(0|[1-9][0-9]{0,5})(\.(0|[1-9][0-9]{0,5}))*")


@dataclass(frozen=True)
class Place:
    """Where a rerun begins.

    :param scopes: the scopes that are taken up in one of their passes, the outermost first.
    :param passes: the number of that pass, for each of them.
    :param node_id: the node that runs again, with all that comes after it; None: the innermost pass from its beginning.
    """

    scopes: tuple[str, ...]
    passes: tuple[int, ...]
    node_id: str | None

    def iteration(self, depth: int) -> str:
        """Return the path of the pass that lies so many scopes deep; the top is 0."""
        return ".".join(map(str, self.passes[:depth]))

    @property
    def frames(self) -> tuple[tuple[str | None, str], ...]:
        """The bodies that are taken up, each as the scope that it belongs to (None: the top) and the pass, from the top down."""
        bodies: tuple[str | None, ...] = (None, *self.scopes)
        return tuple((scope_id, self.iteration(depth)) for depth, scope_id in enumerate(bodies))

    @property
    def chosen(self) -> tuple[str | None, ...]:
        """What each of those bodies goes on at: the scope that is taken up in it; in the innermost, the node."""
        return (*self.scopes, self.node_id)


def find_place(graph: Graph, node_id: str, iteration: str, *, scopes: frozenset[str]) -> Place | Problem:
    """Return the place that a node and an iteration name, or what is wrong with them.

    :param scopes: the nodes that have passes of their own: with the number of one, they begin with that pass.
    """
    if node_id not in graph.nodes:
        return Problem(
            "unknown_node",
            "/from_node",
            f"The version that is to run has no node `{node_id}`.",
            did_you_mean(node_id, graph.nodes),
        )
    if iteration and not _PATH.fullmatch(iteration):
        return Problem(
            "invalid_iteration",
            "/iteration",
            f"{iteration!r} is no iteration. It is the number of a pass, counted from 0, for each scope: `3`, or `3.1`.",
        )
    around = graph.scopes_around(node_id)[::-1]
    agent = next((each for each in (*around, node_id) if graph.nodes[each].type == AGENT), None)
    if agent is not None and (agent in around or len(iteration.split(".")) > len(around)) and iteration:
        message = f"`{agent}` is an agent, which runs again as a whole: its model would not say the same again."
        return Problem("agent_runs_whole", "/iteration", message, f"Run it from `{agent}`.")
    passes = tuple(int(number) for number in iteration.split(".")) if iteration else ()
    if len(passes) == len(around):
        return Place(around, passes, node_id)
    if len(passes) == len(around) + 1 and node_id in scopes:
        return Place((*around, node_id), passes, None)
    if not around:
        return Problem("invalid_iteration", "/iteration", f"Node `{node_id}` lies in no scope.", "Leave it out.")
    path = ".".join(f"<pass of {scope_id}>" for scope_id in around)
    return Problem(
        "invalid_iteration", "/iteration", f"Node `{node_id}` runs once in each pass.", f"Say which: `{path}`."
    )
