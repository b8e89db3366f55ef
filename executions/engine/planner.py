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
    OPEN = "open"  # A scope, whose passes are under way.
    WAITING = "waiting"  # Begun, and asleep until ``wake_at``, or until an answer comes.
    ANSWERED = "answered"  # What it waited for has come.
    RETRYING = "retrying"  # Failed; the next attempt is due at ``wake_at``.
    POSTPONED = "postponed"  # A call of it had to wait; the same attempt goes on at ``wake_at``.


@dataclass(frozen=True, slots=True)
class NodeRunFact:
    """What the journal says of the latest attempt of one node in one pass."""

    node_id: str
    progress: Progress
    attempt: int = 1
    ports: tuple[str, ...] = ()
    wake_at: datetime | None = None
    # What a waiting node run waits for ends by itself when its time has come. Else its time is a deadline.
    is_timer: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """A node run to begin now. ``again``: this attempt was begun before, and its worker was lost."""

    node_id: str
    attempt: int = 1
    again: bool = False


@dataclass(frozen=True, slots=True)
class Timer:
    """A node that sleeps, and whether for a retry."""

    node_id: str
    wake_at: datetime
    is_retry: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What follows from the facts."""

    start: tuple[Start, ...]  # Begin these.
    wake: tuple[str, ...]  # The wait of these is over: complete them.
    answered: tuple[str, ...]  # What these waited for has come: take it in.
    expired: tuple[str, ...]  # What these wait for has not come in time: they have failed.
    timers: tuple[Timer, ...]  # These sleep on.
    unanswered: tuple[str, ...]  # These wait for an answer.
    dead: frozenset[str]  # These will never run: no edge that is taken leads to them.
    failed: str | None  # This node failed and nothing catches it: the pass, or the execution, fails.
    is_over: bool  # Every node is settled or dead.

    @property
    def next_timer(self) -> Timer | None:
        """The one that is due first."""
        return min(self.timers, key=lambda timer: (timer.wake_at, timer.node_id), default=None)


class Frame:
    """One pass of a body, or the top of an execution, as far as the facts go.

    Facts may be there from the beginning, read from a journal, or be learned one by one as things happen: what follows is
    the same. Learning one costs what lies directly behind the node, not the size of the graph.
    """

    def __init__(self, graph: Graph, *, started_by: str | None = None, facts: Iterable[NodeRunFact] = ()) -> None:
        """Begin with what is known.

        :param started_by: at the top, the trigger node that started the execution: the others are dead. In a body, None:
            every node begins that nothing leads into.
        """
        self.graph = graph
        self.facts: dict[str, NodeRunFact] = {fact.node_id: fact for fact in facts}
        self.dead: set[str] = set()
        self._undecided = dict(graph.fan_in)  # Edges into a node of which it is not known whether they are taken.
        self._reached: set[str] = set()  # An edge into these is taken.
        self._ready: set[str] = set()
        self._unsettled: set[str] = set()  # They have a fact, and are not settled.
        self._open = len(graph.nodes)  # Neither settled nor dead.
        for node_id in graph.beginnings:
            if node_id in self.facts:
                continue
            if started_by is None or node_id == started_by:
                self._ready.add(node_id)
            else:
                self._die(node_id)
        for fact in self.facts.values():
            self._take_in(fact)

    def learn(self, fact: NodeRunFact) -> None:
        """Take in what the latest attempt of a node has come to."""
        known = self.facts.get(fact.node_id)
        if known is not None and known.progress is Progress.SETTLED:
            return  # What is settled stays so.
        self.facts[fact.node_id] = fact
        self._take_in(fact)

    def _take_in(self, fact: NodeRunFact) -> None:
        node_id = fact.node_id
        self._ready.discard(node_id)
        if fact.progress is not Progress.SETTLED:
            self._unsettled.add(node_id)
            return
        self._unsettled.discard(node_id)
        self._open -= 1
        for edge in self.graph.edges_out_of(node_id):
            self._decide(edge.target, is_taken=edge.source_port in fact.ports)

    @property
    def is_over(self) -> bool:
        """Whether every node is settled or dead."""
        return self._open == 0

    def plan(self, *, now: datetime, in_flight: frozenset[str] = frozenset()) -> Plan:
        """Return what to do next.

        :param in_flight: nodes that the asking process itself is running at this moment.
        """
        start = [Start(node_id) for node_id in self._in_order(self._ready)]
        wake: list[str] = []
        answered: list[str] = []
        expired: list[str] = []
        timers: list[Timer] = []
        unanswered: list[str] = []
        failed: str | None = None
        for node_id in self._in_order(self._unsettled):
            fact = self.facts[node_id]
            is_due = fact.wake_at is not None and fact.wake_at <= now
            match fact.progress:
                case Progress.FAILED:
                    failed = failed or node_id
                case Progress.STARTED if node_id not in in_flight:
                    start.append(Start(node_id, fact.attempt, again=True))
                case Progress.ANSWERED:
                    answered.append(node_id)
                case Progress.RETRYING if is_due or fact.wake_at is None:
                    start.append(Start(node_id, fact.attempt + 1))
                case Progress.POSTPONED if is_due:
                    start.append(Start(node_id, fact.attempt))
                case Progress.WAITING if is_due:
                    (wake if fact.is_timer else expired).append(node_id)
                case Progress.RETRYING | Progress.WAITING | Progress.POSTPONED:
                    if fact.wake_at is not None:
                        timers.append(Timer(node_id, fact.wake_at, fact.progress is not Progress.WAITING))
                    if not fact.is_timer:
                        unanswered.append(node_id)
        return Plan(
            start=tuple(start),
            wake=tuple(wake),
            answered=tuple(answered),
            expired=tuple(expired),
            timers=tuple(timers),
            unanswered=tuple(unanswered),
            dead=frozenset(self.dead),
            failed=failed,
            is_over=self.is_over,
        )

    def _in_order(self, node_ids: set[str]) -> Iterable[str]:
        return node_ids if len(node_ids) < 2 else sorted(node_ids, key=self.graph.position.__getitem__)

    def _decide(self, node_id: str, *, is_taken: bool) -> None:
        """Note that an edge into a node is taken, or never will be."""
        self._undecided[node_id] -= 1
        if is_taken:
            self._reached.add(node_id)
        if node_id in self.facts or node_id in self.dead:
            return
        is_open = self._undecided[node_id] > 0
        if node_id in self._reached:
            if not is_open or self.graph.nodes[node_id].join == "any":
                self._ready.add(node_id)
        elif not is_open:
            self._die(node_id)

    def _die(self, node_id: str) -> None:
        dying = [node_id]
        while dying:
            each = dying.pop()
            self.dead.add(each)
            self._open -= 1
            for edge in self.graph.edges_out_of(each):
                target = edge.target
                self._undecided[target] -= 1
                if self._undecided[target] or target in self.facts or target in self.dead:
                    continue
                if target in self._reached:
                    self._ready.add(target)
                else:
                    dying.append(target)


def plan(
    graph: Graph,
    *,
    started_by: str | None,
    facts: Mapping[str, NodeRunFact],
    in_flight: frozenset[str] = frozenset(),
    now: datetime,
) -> Plan:
    """Return what to do next in one body, given all facts at once.

    :param started_by: the trigger node that started the execution; None in the body of a scope.
    :param facts: the latest attempt of each node that has one, by node id.
    :param in_flight: nodes that the asking process itself is running at this moment.
    """
    return Frame(graph, started_by=started_by, facts=facts.values()).plan(now=now, in_flight=in_flight)


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
