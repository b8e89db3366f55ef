"""The order of a definition's nodes: what comes after what, and what lies before what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter

from workflows.definition.schema import Definition, Edge, Node

TRIGGER = "trigger"
AGENT = "agent"


class Graph:
    """A definition by its edges. Only edges that order count. What a ``tool`` edge attaches to an agent lies in the agent, as
    the body of a loop lies in the loop: it runs when the agent says so.

    The definition's edges must lead from and to nodes that it has.
    """

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self.nodes: Mapping[str, Node] = _with_what_is_attached(definition)
        into: dict[str, list[Edge]] = {node_id: [] for node_id in self.nodes}
        out_of: dict[str, list[Edge]] = {node_id: [] for node_id in self.nodes}
        for edge in definition.edges:
            if edge.is_order:
                into[edge.target].append(edge)
                out_of[edge.source].append(edge)
        self._into = {node_id: tuple(edges) for node_id, edges in into.items()}
        self._out_of = {node_id: tuple(edges) for node_id, edges in out_of.items()}

    def is_tool(self, node_id: str) -> bool:
        """Return whether a node is attached to an agent."""
        parent = self.nodes[node_id].parent
        return parent is not None and parent in self.nodes and self.nodes[parent].type == AGENT

    @property
    def triggers(self) -> tuple[str, ...]:
        """The ids of the trigger nodes, as they were written."""
        return tuple(node.id for node in self.nodes.values() if node.type == TRIGGER)

    def body_of(self, scope_id: str | None) -> Graph:
        """Return the graph of the nodes whose ``parent`` is a scope, or of those that have none, and the edges between them."""
        return self._bodies.get(scope_id, Graph(Definition(nodes=())))

    def branches(self) -> tuple[tuple[str, ...], ...]:
        """Return the parts that no edge connects, in the order in which they were written; each a branch of a ``parallel``."""
        return self._branches

    def part(self, node_ids: Collection[str]) -> Graph:
        """Return the graph of some of the nodes and the edges between them."""
        edges = (edge for node_id in node_ids for edge in self._out_of[node_id] if edge.target in node_ids)
        return Graph(Definition(nodes=tuple(self.nodes[node_id] for node_id in node_ids), edges=tuple(edges)))

    def ends(self) -> tuple[str, ...]:
        """Return the nodes that nothing comes after, as they were written."""
        return tuple(node_id for node_id in self.nodes if not self._out_of[node_id])

    @property
    def bodies(self) -> tuple[Graph, ...]:
        """The graph of each body, and that of the nodes that lie in no scope."""
        return tuple(self._bodies.values())

    def scopes_around(self, node_id: str) -> tuple[str, ...]:
        """Return the scopes that a node lies in, the innermost first.

        Of a draft whose parents lead round in a circle, each once.
        """
        found: list[str] = []
        parent = self.nodes[node_id].parent
        while parent is not None and parent in self.nodes and parent not in found:
            found.append(parent)
            parent = self.nodes[parent].parent
        return tuple(found)

    def within(self, *scope_ids: str) -> frozenset[str]:
        """Return the nodes that lie in one of these scopes, or in scopes in them."""
        found: set[str] = set()
        to_visit = list(scope_ids)
        while to_visit:
            body = self._bodies.get(to_visit.pop())
            fresh = body.nodes.keys() - found if body is not None else set()
            found |= fresh
            to_visit.extend(fresh)
        return frozenset(found)

    def side_by_side(self, one_id: str, other_id: str) -> tuple[str, str]:
        """Return what stands for two nodes in the innermost body that holds both: each itself, or the scope in it that it lies in.

        The same twice if one of them is a scope and the other lies in it.
        """
        one, other = ((node_id, *self.scopes_around(node_id)) for node_id in (one_id, other_id))
        by_body = {self.nodes[node_id].parent: node_id for node_id in other}
        return next((each, by_body[body]) for each in one if (body := self.nodes[each].parent) in by_body)

    def known_before(self, node_id: str) -> frozenset[str]:
        """Return the nodes whose output is known by the time that a node starts.

        That is what comes before it in its body, what comes before the scopes around it in theirs, and all that lies in such
        scopes. A scope around it is not among them.

        :raises graphlib.CycleError: if there is a cycle in one of these bodies.
        """
        found: set[str] = set()
        for each in (node_id, *self.scopes_around(node_id)):
            found |= self.body_of(self.nodes[each].parent).ancestors(each)
        return frozenset(found) | self.within(*found)

    def edges_into(self, node_id: str) -> tuple[Edge, ...]:
        """Return the edges that lead into a node, as they were written."""
        return self._into[node_id]

    def edges_out_of(self, node_id: str) -> tuple[Edge, ...]:
        """Return the edges that lead out of a node, as they were written."""
        return self._out_of[node_id]

    @cached_property
    def fan_in(self) -> Mapping[str, int]:
        """How many edges lead into each node."""
        return {node_id: len(edges) for node_id, edges in self._into.items()}

    @cached_property
    def beginnings(self) -> tuple[str, ...]:
        """The nodes that nothing leads into, as they were written."""
        return tuple(node_id for node_id, edges in self._into.items() if not edges)

    @cached_property
    def position(self) -> Mapping[str, int]:
        """The place of each node in :meth:`in_order`."""
        return {node_id: index for index, node_id in enumerate(self._order)}

    def in_order(self) -> tuple[str, ...]:
        """Return all node ids, each after everything that leads to it; the same each time.

        :raises graphlib.CycleError: if there is a cycle.
        """
        return self._order

    def ancestors(self, node_id: str) -> frozenset[str]:
        """Return the nodes from which a way leads to this one, itself not among them.

        :raises graphlib.CycleError: if there is a cycle.
        """
        return self._ancestors[node_id]

    def descendants(self, *node_ids: str) -> frozenset[str]:
        """Return the nodes to which a way leads from one of these, and these themselves."""
        found = set(node_ids)
        to_visit = list(node_ids)
        while to_visit:
            fresh = {edge.target for edge in self._out_of[to_visit.pop()]} - found
            found |= fresh
            to_visit.extend(fresh)
        return frozenset(found)

    def find_cycle(self) -> tuple[str, ...] | None:
        """Return the nodes of one cycle in the order of its edges, each once, or ``None`` if there is none."""
        try:
            self._order  # noqa: B018 -- Asked for what it raises.
        except CycleError as error:
            # graphlib names the first node again at the end, and lists them in the order of the edges.
            cycle: list[str] = error.args[1]
            return tuple(cycle[:-1])
        return None

    @cached_property
    def _bodies(self) -> dict[str | None, Graph]:
        members: dict[str | None, list[Node]] = {}
        for node in self.nodes.values():
            members.setdefault(node.parent, []).append(node)
        parent_of = {node.id: node.parent for node in self.nodes.values()}
        edges: dict[str | None, list[Edge]] = {}
        for edge in self._definition.edges:
            if parent_of[edge.source] == parent_of[edge.target]:
                edges.setdefault(parent_of[edge.source], []).append(edge)
        return {
            parent: Graph(Definition(nodes=tuple(nodes), edges=tuple(edges.get(parent, ()))))
            for parent, nodes in members.items()
        }

    @cached_property
    def _branches(self) -> tuple[tuple[str, ...], ...]:
        found: list[tuple[str, ...]] = []
        seen: set[str] = set()
        for node_id in self.nodes:
            if node_id in seen:
                continue
            branch, to_visit = {node_id}, [node_id]
            while to_visit:
                each = to_visit.pop()
                fresh = {edge.target for edge in self._out_of[each]} | {edge.source for edge in self._into[each]}
                to_visit.extend(fresh - branch)
                branch |= fresh
            seen |= branch
            found.append(tuple(each for each in self.nodes if each in branch))
        return tuple(found)

    @cached_property
    def _order(self) -> tuple[str, ...]:
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for node_id in self.nodes:  # First all nodes: the order of writing decides between equals.
            sorter.add(node_id)
        for edges in self._into.values():
            for edge in edges:
                sorter.add(edge.target, edge.source)
        return tuple(sorter.static_order())

    @cached_property
    def _ancestors(self) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for node_id in self._order:
            sources = {edge.source for edge in self._into[node_id]}
            found[node_id] = frozenset(sources.union(*(found[source] for source in sources)))
        return found


def _with_what_is_attached(definition: Definition) -> dict[str, Node]:
    """Return the nodes by their ids, each with the scope or the agent that it lies in as its ``parent``.

    Agents of a draft that are tools of each other are left where they were.
    """
    nodes = {node.id: node for node in definition.nodes}
    agent_of = attached_to(definition.edges, nodes)
    for node_id, agent_id in agent_of.items():
        above, seen = agent_id, {node_id}
        while above in agent_of and above not in seen:
            seen.add(above)
            above = agent_of[above]
        if above not in seen:
            nodes[node_id] = replace(nodes[node_id], parent=agent_id)
    return nodes


def attached_to(edges: Iterable[Edge], nodes: Mapping[str, Node]) -> dict[str, str]:
    """Return the agents that nodes are attached to, by the nodes' ids. Of several, the first."""
    found: dict[str, str] = {}
    for edge in edges:
        is_one = edge.type == "tool" and edge.source in nodes and edge.target in nodes and edge.source != edge.target
        if is_one and nodes[edge.target].type == AGENT:
            found.setdefault(edge.source, edge.target)
    return found
