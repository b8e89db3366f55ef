"""The passes that are open: the top of an execution, and what its scopes are running."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executions.engine.journal import path_of
from executions.engine.passes import Tally
from executions.engine.planner import Frame, NodeRunFact, Plan
from executions.engine.versions import Body, CompiledNode
from executions.models import WorkflowExecutionLog
from workflows.graph import Graph
from workflows.nodes.scopes import Passes, Rules


@dataclass(eq=False)
class Pass:
    """One run of a body, or the top of the execution, while it is open."""

    iteration: str
    frame: Frame
    scope: Scope | None = None  # The top has none.
    index: int = 0
    # Nodes of it that are in the pool, and those that have scopes under way.
    in_flight: set[str] = field(default_factory=set)
    scopes: dict[str, Scope] = field(default_factory=dict)
    plan: Plan | None = None

    def around(self) -> Iterator[Pass]:
        """Yield this pass and those around it, the innermost first."""
        here: Pass | None = self
        while here is not None:
            yield here
            here = here.scope.within if here.scope else None

    def within(self) -> Iterator[Pass]:
        """Yield this pass and the open passes of all scopes in it."""
        yield self
        for scope in list(self.scopes.values()):
            for inner in list(scope.open.values()):
                yield from inner.within()


@dataclass(eq=False)
class Scope:
    """A scope whose passes are under way. ``row`` is its node run; its ``state`` is what :meth:`state` says."""

    compiled: CompiledNode
    row: WorkflowExecutionLog
    within: Pass
    passes: Passes
    rules: Rules
    deadline: datetime | None
    input: Any
    next: int = 0
    succeeded: int = 0
    failed: int = 0
    is_stopped: bool = False
    is_broken_off: bool = False
    accumulator: Any = None
    # Passes that have begun and are to begin once more, before any new one: a rerun had them to do again.
    again: list[int] = field(default_factory=list)
    open: dict[int, Pass] = field(default_factory=dict)
    # Results of the passes that ended in this process; those before are read again at the end.
    results: dict[int, Any] = field(default_factory=dict)

    @property
    def body(self) -> Body:
        """What its passes run."""
        assert self.compiled.body is not None  # noqa: S101 - only scopes are made into a Scope
        return self.compiled.body

    @property
    def node_id(self) -> str:
        """The scope's own id."""
        return self.compiled.node.id

    def tally(self) -> Tally:
        """Return how far it has come, as the planner asks."""
        return Tally(
            total=len(self.passes.items) if self.passes.items is not None else None,
            next=self.next - len(self.again),
            open=len(self.open),
            succeeded=self.succeeded,
            failed=self.failed,
            is_stopped=self.is_stopped,
        )

    def state(self) -> dict[str, Any]:
        """Return how far it has come, as it is recorded."""
        state = {
            "next": self.next,
            "open": sorted(self.open),
            "succeeded": self.succeeded,
            "failed": self.failed,
            "total": self.tally().total,
            "accumulator": self.accumulator,
            "stopped": self.is_stopped,
            "broken_off": self.is_broken_off,
        }
        return state | {"again": list(self.again)} if self.again else state

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what is recorded; the open passes are made by the caller."""
        self.next, self.succeeded, self.failed = state["next"], state["succeeded"], state["failed"]
        self.accumulator, self.is_stopped = state["accumulator"], state["stopped"]
        self.is_broken_off = state.get("broken_off", False)
        self.again = list(state.get("again", ()))

    @property
    def following(self) -> int:
        """The number of the pass that begins next."""
        return self.again[0] if self.again else self.next

    def note_begin(self) -> None:
        """Note that it has begun."""
        if self.again:
            del self.again[0]
        else:
            self.next += 1

    def path_of(self, index: int) -> str:
        """Return the iteration path of a pass."""
        return path_of(self.row.iteration, index)

    def new_pass(self, index: int, facts: Iterable[NodeRunFact] = ()) -> Pass:
        """Open a pass, perhaps one of which something is recorded already."""
        return self._opened(index, self.graph_of(index), facts)

    def _opened(self, index: int, graph: Graph, facts: Iterable[NodeRunFact]) -> Pass:
        frame = Frame(graph, facts=facts)
        opened = Pass(self.path_of(index), frame, scope=self, index=index)
        self.open[index] = opened
        return opened

    def graph_of(self, index: int) -> Graph:
        """Return what a pass runs."""
        return self.body.graph_of(index)

    def item(self, index: int) -> Any:
        """Return what expressions of a pass find as ``item``."""
        return self.passes.items[index] if self.passes.items is not None else None

    def input_of(self, index: int) -> Any:
        """Return what comes to the nodes with which a pass begins."""
        if self.body.is_over_branches:
            return self.input
        return self.accumulator if self.passes.items is None else self.item(index)

    def keep_result(self, index: int, result: Any) -> None:
        """Keep what a pass came to, as far as the output needs it."""
        if self.rules.keeps == "last":
            self.results.clear()
        if self.rules.keeps != "none":
            self.results[index] = result


def result_of(frame: Frame, outputs: dict[str, Any]) -> Any:
    """Return what a pass results in, given the outputs of its nodes that settled.

    The output of the node at the end of the body; of several, an object by id; of none, null.
    """
    ends = {node_id: outputs[node_id] for node_id in frame.graph.ends() if node_id in outputs}
    return next(iter(ends.values())) if len(ends) == 1 else ends or None
