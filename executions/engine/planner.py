"""What runs next. Pure: facts in, plan out; asked twice with the same facts, it says the same.

That is what makes a crash harmless: whoever takes an execution over reads its journal, asks again, and goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from workflows.definition.schema import Edge
from workflows.graph import Graph


class Progress(Enum):
    """How far the latest attempt of a node has come."""

    SETTLED = "settled"  # Completed, or failed and caught: it left through its ports.
    FAILED = "failed"  # Failed, and nothing catches it.
    STARTED = "started"  # Recorded as begun, and not as ended.
    WAITING = "waiting"  # Begun, and asleep until ``wake_at``.
    RETRYING = "retrying"  # Failed; the next attempt is due at ``wake_at``.


@dataclass(frozen=True)
class NodeRunFact:
    """What the journal says of the latest attempt of one node."""

    node_id: str
    progress: Progress
    attempt: int = 1
    ports: tuple[str, ...] = ()
    wake_at: datetime | None = None


@dataclass(frozen=True)
class Start:
    """A node run to begin now. ``again``: this attempt was begun before, and its worker was lost."""

    node_id: str
    attempt: int = 1
    again: bool = False


@dataclass(frozen=True)
class Timer:
    """A node that sleeps, and whether for a retry."""

    node_id: str
    wake_at: datetime
    is_retry: bool


@dataclass(frozen=True)
class Plan:
    """What follows from the facts."""

    start: tuple[Start, ...]  # Begin these.
    wake: tuple[str, ...]  # The wait of these is over: complete them.
    timers: tuple[Timer, ...]  # These sleep on.
    dead: frozenset[str]  # These will never run: no edge that is taken leads to them.
    failed: str | None  # This node failed and nothing catches it: the execution fails.
    is_over: bool  # Every node is settled or dead.

    @property
    def next_timer(self) -> Timer | None:
        """The one that is due first."""
        return min(self.timers, key=lambda timer: (timer.wake_at, timer.node_id), default=None)


def plan(
    graph: Graph,
    *,
    started_by: str,
    facts: Mapping[str, NodeRunFact],
    in_flight: frozenset[str] = frozenset(),
    now: datetime,
) -> Plan:
    """Return what to do next.

    :param started_by: the trigger node that started the execution; the other trigger nodes are dead.
    :param facts: the latest attempt of each node that has one, by node id.
    :param in_flight: nodes that the asking process itself is running at this moment.
    """
    start: list[Start] = []
    wake: list[str] = []
    timers: list[Timer] = []
    dead: set[str] = set()
    failed: str | None = None
    open_count = 0

    for node_id in graph.in_order():
        fact = facts.get(node_id)
        if fact is None:
            match _arrival(graph, node_id, started_by, facts, dead):
                case _Arrival.HERE:
                    start.append(Start(node_id))
                    open_count += 1
                case _Arrival.NEVER:
                    dead.add(node_id)
                case _Arrival.NOT_YET:
                    open_count += 1
            continue
        if fact.progress is Progress.SETTLED:
            continue
        open_count += 1
        match fact.progress:
            case Progress.FAILED:
                failed = failed or node_id
            case Progress.STARTED if node_id not in in_flight:
                start.append(Start(node_id, fact.attempt, again=True))
            case Progress.WAITING | Progress.RETRYING if fact.wake_at and fact.wake_at > now:
                timers.append(Timer(node_id, fact.wake_at, fact.progress is Progress.RETRYING))
            case Progress.WAITING:
                wake.append(node_id)
            case Progress.RETRYING:
                start.append(Start(node_id, fact.attempt + 1))

    return Plan(
        start=tuple(start),
        wake=tuple(wake),
        timers=tuple(timers),
        dead=frozenset(dead),
        failed=failed,
        is_over=open_count == 0,
    )


class _Arrival(Enum):
    HERE = "here"
    NOT_YET = "not yet"
    NEVER = "never"


def _arrival(graph: Graph, node_id: str, started_by: str, facts: Mapping[str, NodeRunFact], dead: set[str]) -> _Arrival:
    """Return whether what a node needs has come to it. Asked in topological order, so that ``dead`` is known."""
    edges = graph.edges_into(node_id)
    if not edges:
        return _Arrival.HERE if node_id == started_by else _Arrival.NEVER
    is_taken = is_open = False
    for edge in edges:
        fact = facts.get(edge.source)
        if fact is not None and fact.progress is Progress.SETTLED:
            is_taken = is_taken or edge.source_port in fact.ports
        elif edge.source not in dead:
            is_open = True
    if is_taken and (not is_open or graph.nodes[node_id].join == "any"):
        return _Arrival.HERE
    return _Arrival.NOT_YET if is_open else _Arrival.NEVER


def taken_edges(graph: Graph, node_id: str, facts: Mapping[str, NodeRunFact]) -> tuple[Edge, ...]:
    """Return the edges through which a node that can start was reached, in the definition's order."""

    def is_taken(edge: Edge) -> bool:
        fact = facts.get(edge.source)
        return fact is not None and fact.progress is Progress.SETTLED and edge.source_port in fact.ports

    return tuple(edge for edge in graph.edges_into(node_id) if is_taken(edge))


def latest(facts: Iterable[NodeRunFact]) -> dict[str, NodeRunFact]:
    """Return the fact of the highest attempt of each node."""
    by_node: dict[str, NodeRunFact] = {}
    for fact in facts:
        known = by_node.get(fact.node_id)
        if known is None or fact.attempt >= known.attempt:
            by_node[fact.node_id] = fact
    return by_node
