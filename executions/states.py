"""What became of each node of an execution: what its picture shows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db.models import Case, CharField, Count, F, Q, Value, When

from executions.engine.clock import database_now
from executions.engine.journal import fact_of
from executions.engine.planner import Progress, plan
from executions.engine.versions import approval_node
from executions.models import ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from workflows.definition.schema import parse
from workflows.drawing import Passes, State
from workflows.graph import Graph

# A failed attempt with another one to come.
RETRYING = "retrying"
# Begun, and asleep.
WAITING = "waiting"
# No run, and there will be none: on a dead branch, or the execution ended before.
SKIPPED = "skipped"
# No run yet.
PENDING = "pending"

# Of a scope in one of these, passes may still begin.
_UNDER_WAY = frozenset({PENDING, ExecutionStatus.RUNNING, WAITING, RETRYING})


def node_states(execution: WorkflowExecution) -> dict[str, State]:
    """Return the state of each node of the version that an execution runs, by node id.

    Node runs inside of scopes are counted, not read: two queries, and one more for the time, however many there are.

    :raises ValueError: if the version has not the shape of a definition; published ones have.
    """
    graph = Graph(parse(execution.workflow_version.definition))
    top = graph.body_of(None)
    rows = WorkflowExecutionLog.objects.filter(execution_id=execution.pk, iteration="")
    states = states_of(
        top,
        rows.defer("input_data", "output_data", "error"),
        started_by=execution.execution_context.get("node_id", ""),
        has_ended=execution.has_ended,
        now=database_now(),
    )
    if len(graph.nodes) == len(top.nodes):
        return states
    counts = count_runs(execution.pk, has_ended=execution.has_ended)
    for node_id in graph.nodes.keys() - top.nodes.keys():
        outermost = states.get(graph.scopes_around(node_id)[-1])
        may_run = outermost is not None and outermost.word in _UNDER_WAY and not execution.has_ended
        own = dict(counts.get(node_id, {}))
        # People are asked about a call before the tool's own run begins.
        if asked := counts.get(approval_node(node_id), {}).get(WAITING):
            own[WAITING] = own.get(WAITING, 0) + asked
        states[node_id] = State.of_counts(own, otherwise=PENDING if may_run else SKIPPED)
    return {node_id: states[node_id] for node_id in graph.nodes}


def states_of(
    graph: Graph, rows: Iterable[WorkflowExecutionLog], *, started_by: str, has_ended: bool, now: datetime
) -> dict[str, State]:
    """Return the state of each node at the top: the status of its latest attempt, or that it waits, is retried, skipped, pending.

    :param graph: what lies in no scope.
    :param rows: its node runs.
    :param started_by: the trigger node that started the execution.
    :param has_ended: whether the execution has: then what has not run will not.
    """
    latest: dict[str, WorkflowExecutionLog] = {}
    for row in sorted(rows, key=lambda row: row.attempt):
        if row.node_id in graph.nodes:
            latest[row.node_id] = row
    facts = {node_id: fact_of(row) for node_id, row in latest.items()}
    dead = plan(graph, started_by=started_by, facts=facts, now=now).dead
    states: dict[str, State] = {}
    for node_id in graph.nodes:
        if node_id not in facts:
            states[node_id] = State(SKIPPED if has_ended or node_id in dead else PENDING)
            continue
        row = latest[node_id]
        match facts[node_id].progress:
            case Progress.WAITING | Progress.POSTPONED if not has_ended:
                states[node_id] = State(WAITING)
            case Progress.RETRYING if not has_ended:
                states[node_id] = State(RETRYING)
            case _:
                states[node_id] = State(str(row.status), passes=_passes(row))
    return states


def _passes(row: WorkflowExecutionLog) -> Passes | None:
    """Return how far a scope has come; of one that ended before its time, nothing is open any more."""
    state = row.state
    if state is None:
        return None
    if "steps" in state:
        return None  # Those of an agent are calls of its model and of its tools; how many there will be, nobody knows.
    still_open = len(state["open"]) if row.status == ExecutionStatus.RUNNING else 0
    return Passes(state["succeeded"], state["failed"], still_open, state.get("total"))


def count_runs(execution_id: UUID, *, has_ended: bool) -> Mapping[str, Mapping[str, int]]:
    """Return, for each node that ran inside of a scope, how many of its runs have come to what, the latest attempts alone.

    An attempt that another one follows has the time of that one. Each further attempt follows one of these, so that those that
    are more are still to be tried again.
    """
    word = Case(
        When(status=ExecutionStatus.RUNNING, waits_for__isnull=False, then=Value(WAITING)),
        When(status=ExecutionStatus.FAILED, wake_at__isnull=False, then=Value(RETRYING)),
        default=F("status"),
        output_field=CharField(),
    )
    further = Count("pk", filter=Q(attempt__gt=1, reused_from__isnull=True))
    rows = WorkflowExecutionLog.objects.filter(execution_id=execution_id, iteration__gt="")
    found: defaultdict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    counted = rows.annotate(word=word).values_list("node_id", "word").annotate(runs=Count("pk"), further=further)
    for node_id, is_now, runs, followed in counted:
        found[node_id][is_now] += runs
        found[node_id][RETRYING] -= followed
    for counts in found.values():
        to_come = max(counts.pop(RETRYING), 0)
        if to_come:
            counts[ExecutionStatus.FAILED.value if has_ended else RETRYING] += to_come
    return found
