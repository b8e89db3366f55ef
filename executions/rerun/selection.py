"""What a rerun takes over of the execution that it runs again: reads its journal, and decides."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from executions.engine.versions import CompiledNode, CompiledVersion
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.rerun.copying import Passes
from executions.rerun.places import Place
from executions.rerun.taking_over import TakenOver, changed_nodes, taken_over
from workflows.definition.problems import Problem, pointer
from workflows.graph import Graph
from workflows.nodes.base import ERROR_PORT, MAIN_PORT

NEXT_ACCUMULATOR = "accumulator.next"


@dataclass(frozen=True)
class Edits:
    """Outputs that somebody gave, by node id: of nodes that must come before the place, and of the trigger node."""

    outputs: Mapping[str, Any]
    trigger: Mapping[str, Any]

    def of(self, body: Graph, *, but: str) -> dict[str, Any]:
        """Return those of the nodes of one body, except of the one that runs again."""
        given = {**self.outputs, **self.trigger}
        return {node_id: output for node_id, output in given.items() if node_id in body.nodes and node_id != but}


@dataclass(frozen=True)
class Edited:
    """A node that is taken over with another output than it had. ``original`` is its node run, if it had one."""

    compiled: CompiledNode
    iteration: str
    original: UUID | None
    ports: tuple[str, ...]
    output: Any


@dataclass
class Selection:
    """What is taken over.

    :param pks: these node runs, as they are.
    :param passes: all node runs in these passes.
    :param edited: these with another output.
    :param resumed: the node runs of scopes that are taken up in a pass, by their ids; with the state to go on from.
    """

    pks: list[UUID] = field(default_factory=list)
    passes: list[Passes] = field(default_factory=list)
    edited: list[Edited] = field(default_factory=list)
    resumed: dict[UUID, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Versions:
    """The version that ran and the one that will run."""

    before: CompiledVersion
    now: CompiledVersion

    def inside(self, scope_id: str) -> frozenset[str]:
        """Return the nodes in a scope, and in the scopes in it, that are in both versions."""

        def lies(version: CompiledVersion, node_id: str) -> tuple[str, tuple[str, ...]]:
            return version.nodes[node_id].node.type, version.scopes_around(node_id)

        return frozenset(
            node_id
            for node_id in self.now.nodes
            if scope_id in self.now.scopes_around(node_id)
            and node_id in self.before.nodes
            and lies(self.now, node_id) == lies(self.before, node_id)
        )


Runs = Mapping[str, WorkflowExecutionLog]


def scopes_of(version: CompiledVersion) -> frozenset[str]:
    """Return the nodes of a version that have passes."""
    return frozenset(node_id for node_id, compiled in version.nodes.items() if compiled.body is not None)


def select(
    execution: WorkflowExecution, versions: Versions, place: Place, edits: Edits
) -> tuple[Selection | None, list[Problem]]:
    """Return what is taken over by a rerun that begins at a place, or everything that stands against it."""
    before = _before(versions.now.graph, place)
    problems = [_not_upstream(node_id, place) for node_id in edits.outputs if node_id not in before]
    if problems:
        return None, problems
    found = Selection()
    runs = _latest_runs(execution, [iteration for _, iteration in place.frames])
    for depth, ((scope_id, iteration), chosen) in enumerate(zip(place.frames, place.chosen, strict=True)):
        if chosen is None:
            break  # The pass begins anew: nothing in it is taken over.
        frame = _Frame(versions, scope_id, place.passes[depth - 1] if depth else 0, iteration, runs.get(iteration, {}))
        edited = edits.of(frame.body, but=chosen)
        taken = frame.taken_over(chosen, edited, started_by=execution.execution_context["node_id"])
        problems += [_not_taken_over(node_id) for node_id in edited if node_id not in taken.nodes]
        if depth == len(place.scopes):
            problems += [_never_reached(chosen)] if chosen in taken.dead else []
        else:
            problems += _scope_problems(frame, chosen, place.passes[depth], taken)
        if problems:
            return None, problems
        _add(found, frame, taken, edited)
        if depth == len(place.scopes):
            problems += [] if found.pks or found.edited or chosen in frame.runs else [_nothing_there(chosen)]
        elif problem := _resume(found, execution, frame, chosen, place.passes[depth]):
            problems.append(problem)
        if problems:
            return None, problems
    return found, []


class _Frame:
    """One body that is taken up: the top, or a scope's in one pass."""

    def __init__(self, versions: Versions, scope_id: str | None, number: int, iteration: str, runs: Runs) -> None:
        self.versions = versions
        self.iteration = iteration
        self.runs = runs
        self.body = _body(versions.now, scope_id, number)
        self._before = _body(versions.before, scope_id, number)
        self._is_top = scope_id is None

    def taken_over(self, chosen: str, edited: Collection[str], *, started_by: str) -> TakenOver:
        """Return what is taken over if a node is to run again."""
        settled = {
            node_id: tuple(run.ports)
            for node_id, run in self.runs.items()
            if node_id in self.body.nodes
            and _has_settled(run.status, run.ports)
            and set(run.ports) <= self._ports(node_id)
        }
        return taken_over(
            self.body,
            settled=settled | {node_id: self.ports_of_edited(node_id) for node_id in edited},
            begins={started_by} if self._is_top else self.body.nodes,
            again={chosen},
            changed=changed_nodes(self.body, self._before) - set(edited),
        )

    def ports_of_edited(self, node_id: str) -> tuple[str, ...]:
        """Return how a node leaves whose output is edited: as it did, if it completed; else through its first port."""
        run = self.runs.get(node_id)
        if run is not None and run.status == ExecutionStatus.COMPLETED and set(run.ports) <= self._ports(node_id):
            return tuple(run.ports)
        ports = self.versions.now.nodes[node_id].ports
        return (ports[0] if ports else MAIN_PORT,)

    def _ports(self, node_id: str) -> set[str]:
        compiled = self.versions.now.nodes[node_id]
        return {*(compiled.ports or (MAIN_PORT,)), *([ERROR_PORT] if compiled.node.on_error == "port" else [])}


def _body(version: CompiledVersion, scope_id: str | None, number: int) -> Graph:
    """Return what a pass of a scope runs; of a scope that a version does not have, nothing."""
    if scope_id is None:
        return version.top
    body = version.nodes[scope_id].body if scope_id in version.nodes else None
    if body is None or (body.is_over_branches and number >= len(body.graphs)):
        return version.graph.part(())
    return body.graph_of(number)


def _before(graph: Graph, place: Place) -> set[str]:
    """Return the nodes that come before a place: in its pass, and in the passes around."""
    bodies = [scope_id for scope_id, _ in place.frames]
    return {
        node_id
        for scope_id, chosen in zip(bodies, place.chosen, strict=True)
        if chosen is not None
        for node_id in graph.body_of(scope_id).ancestors(chosen)
    }


def _latest_runs(execution: WorkflowExecution, iterations: Iterable[str]) -> dict[str, dict[str, WorkflowExecutionLog]]:
    """Return the last attempt of each node, by iteration and node id, without what went in and came out."""
    runs: dict[str, dict[str, WorkflowExecutionLog]] = {}
    rows = execution.node_runs.filter(iteration__in=iterations).defer("input_data", "output_data", "error")
    for run in rows.order_by("attempt"):
        runs.setdefault(run.iteration, {})[run.node_id] = run
    return runs


def _has_settled(status: str, ports: list[str]) -> bool:
    return status == ExecutionStatus.COMPLETED or (status == ExecutionStatus.FAILED and bool(ports))


def _add(found: Selection, frame: _Frame, taken: TakenOver, edited: Mapping[str, Any]) -> None:
    for node_id in taken.nodes:
        compiled = frame.versions.now.nodes[node_id]
        run = frame.runs.get(node_id)
        if node_id in edited:
            ports = frame.ports_of_edited(node_id)
            found.edited.append(Edited(compiled, frame.iteration, run.pk if run else None, ports, edited[node_id]))
        elif run is not None:
            found.pks.append(run.pk)
        if compiled.body is not None:
            found.passes.append(Passes(frame.versions.inside(node_id), frame.iteration))


# --- Scopes that are taken up in a pass -------------------------------------------------------------------------------


def _scope_problems(frame: _Frame, scope_id: str, number: int, taken: TakenOver) -> Iterator[Problem]:
    run = frame.runs.get(scope_id)
    if run is None or run.state is None:
        yield Problem("never_ran", "/iteration", f"`{scope_id}` began no pass in this execution.", "Leave it out.")
    elif number >= run.state["next"]:
        begun = f"0 to {run.state['next'] - 1}" if run.state["next"] else "none"
        yield Problem("unknown_pass", "/iteration", f"`{scope_id}` has no pass {number}. It began: {begun}.")
    elif not _is_the_same(frame.versions, scope_id):
        yield Problem(
            "scope_changed",
            "/iteration",
            f"`{scope_id}` is another one in that version, so that its passes cannot go on.",
            f"Run it from `{scope_id}`, without an iteration.",
        )
    elif scope_id not in taken.ready:
        yield Problem(
            "not_ready",
            "/iteration",
            f"What comes before `{scope_id}` has to run again, so that its passes cannot go on.",
            f"Run it from `{scope_id}`, without an iteration, or from what comes before.",
        )


def _is_the_same(versions: Versions, scope_id: str) -> bool:
    """Whether a scope goes over the same things in both versions, by the same rules."""
    before, now = versions.before.nodes.get(scope_id), versions.now.nodes[scope_id]
    if before is None or before.body is None or now.body is None:
        return False
    branches = [[set(graph.nodes) for graph in body.graphs] for body in (before.body, now.body)]
    is_same_split = not now.body.is_over_branches or branches[0] == branches[1]
    return before.node.type == now.node.type and before.node.config == now.node.config and is_same_split


def _resume(
    found: Selection, execution: WorkflowExecution, frame: _Frame, scope_id: str, number: int
) -> Problem | None:
    """Take a scope up in one of its passes: where they run one by one, with those before; else with all that succeeded."""
    compiled = frame.versions.now.nodes[scope_id]
    run = frame.runs[scope_id]
    assert compiled.body is not None and run.state is not None  # noqa: S101, PT018 - _scope_problems has looked
    rules = compiled.body.type.rules(compiled.body.type.Config.model_validate(compiled.fill({})))
    inside = frame.versions.inside(scope_id)
    if rules.at_once == 1:
        failed = _failed_passes(execution, compiled, frame.iteration, before=number)
        state = {"next": number + 1, "open": [number], "succeeded": number - failed, "failed": failed}
        known, accumulator = _accumulator(compiled, run, number=number, failed=failed)
        if not known:
            return _accumulator_unknown(scope_id, number)
        passes = Passes(inside, frame.iteration, before=number)
    else:
        begun = set(range(run.state["next"])) - {number}
        succeeded = _succeeded_passes(execution, frame.versions.before.nodes[scope_id], frame.iteration) & begun
        if rules.enough is not None and len(succeeded) >= rules.enough:
            return _enough(scope_id, rules.enough)
        again = sorted(begun - succeeded)
        state = {"next": run.state["next"], "open": [number], "succeeded": len(succeeded), "failed": 0, "again": again}
        accumulator = None
        passes = Passes(inside, frame.iteration, but=(number, *again))
    found.pks.append(run.pk)
    found.passes.append(passes)
    found.resumed[run.pk] = {**state, "accumulator": accumulator, "stopped": False}
    return None


def _failed_passes(execution: WorkflowExecution, compiled: CompiledNode, iteration: str, *, before: int) -> int:
    """Return how many passes before one failed and were noted: those with a node run in the body that nothing caught."""
    assert compiled.body is not None  # noqa: S101 - only scopes come here
    uncaught = execution.node_runs.filter(
        Passes(compiled.body.node_ids, iteration, before=before).node_runs,
        status=ExecutionStatus.FAILED,
        ports=[],
        wake_at__isnull=True,
    )
    return uncaught.values("iteration").distinct().count()


def _succeeded_passes(execution: WorkflowExecution, compiled: CompiledNode, iteration: str) -> set[int]:
    """Return the passes of a scope that came to their end, by what its node runs say."""
    body = compiled.body
    assert body is not None  # noqa: S101 - only scopes come here
    runs = (
        execution.node_runs.filter(Passes(body.node_ids, iteration).node_runs)
        .order_by("iteration", "attempt")
        .values_list("iteration", "node_id", "status", "ports")
    )
    succeeded: set[int] = set()
    for path, in_pass in groupby(runs.iterator(chunk_size=2_000), key=itemgetter(0)):
        number = int(path.rpartition(".")[2])
        settled = {node_id: tuple(ports) for _, node_id, status, ports in in_pass if _has_settled(status, ports)}
        graph = body.graph_of(number)
        if taken_over(graph, settled=settled, begins=graph.nodes).is_over(graph):
            succeeded.add(number)
    return succeeded


def _accumulator(compiled: CompiledNode, run: WorkflowExecutionLog, *, number: int, failed: int) -> tuple[bool, Any]:
    """Return whether it is known what the accumulator was before a pass, and if so, what.

    The first one is computed again; of the later ones, only the last is recorded: that of a pass that did not succeed.
    """
    body = compiled.body
    assert body is not None and run.state is not None  # noqa: S101, PT018 - only scopes come here
    is_constant = NEXT_ACCUMULATOR not in body.after_pass.raw
    if number == 0 or is_constant:
        shown = run.input_data or {}
        config = compiled.configured(shown.get("values", {}))
        return True, body.type.passes(config, branches=len(body.graphs)).accumulator
    is_of_this_pass = (run.state["next"], run.state["succeeded"]) == (number + 1, number - failed)
    return is_of_this_pass, run.state["accumulator"]


# --- What stands against it -------------------------------------------------------------------------------------------


def _not_upstream(node_id: str, place: Place) -> Problem:
    begin = f"`{place.node_id}`" if place.node_id else f"the pass of `{place.scopes[-1]}`"
    return Problem(
        "not_upstream",
        pointer("outputs", node_id),
        f"`{node_id}` does not come before {begin}, in the same pass or around it, so that its output is not taken over.",
        "Of what lies in a scope that is over, edit the output of the scope.",
    )


def _not_taken_over(node_id: str) -> Problem:
    return Problem(
        "not_taken_over",
        pointer("outputs", node_id),
        f"`{node_id}` is not taken over: what comes before it has to run again, or does not lead to it.",
        "Give the outputs of what comes before it too, or begin there.",
    )


def _never_reached(node_id: str) -> Problem:
    return Problem(
        "never_reached",
        "/from_node",
        f"`{node_id}` would not run: no edge that was taken leads to it.",
        "Run it from the node that chose another way.",
    )


def _nothing_there(node_id: str) -> Problem:
    return Problem(
        "never_ran",
        "/from_node",
        f"`{node_id}` never ran in this execution, nor did anything that could be taken over.",
        "Run it again as a whole.",
    )


def _accumulator_unknown(scope_id: str, number: int) -> Problem:
    return Problem(
        "accumulator_unknown",
        "/iteration",
        f"It is not recorded what the accumulator of `{scope_id}` was before pass {number}: only of its first pass, and of "
        "a last one that did not succeed, is it known.",
        f"Run it from pass 0, or from `{scope_id}` without an iteration.",
    )


def _enough(scope_id: str, enough: int) -> Problem:
    return Problem(
        "enough_succeeded",
        "/iteration",
        f"`{scope_id}` is done when {enough} passes have succeeded, and without this one so many have.",
        f"Run it from `{scope_id}`, without an iteration.",
    )
