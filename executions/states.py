"""What became of each node of an execution: what its picture shows."""

from __future__ import annotations

from datetime import datetime

from executions.engine.clock import database_now
from executions.engine.journal import Journal, fact_of
from executions.engine.planner import NodeRunFact, Progress, plan
from executions.models import WorkflowExecution
from workflows.definition.schema import parse
from workflows.graph import Graph

# A failed attempt with another one to come.
RETRYING = "retrying"
# Begun, and asleep.
WAITING = "waiting"
# No run, and there will be none: on a dead branch, or the execution ended before.
SKIPPED = "skipped"
# No run yet.
PENDING = "pending"


def node_states(execution: WorkflowExecution) -> dict[str, str]:
    """Return the state of each node of the version that an execution runs, by node id.

    :raises ValueError: if the version has not the shape of a definition; published ones have.
    """
    journal = Journal.load(execution)
    graph = Graph(parse(execution.workflow_version.definition)).body_of(None)
    return states_of(
        graph,
        {row.node_id: (fact_of(row), str(row.status)) for row in journal.rows_in("", graph.nodes)},
        started_by=execution.execution_context.get("node_id", ""),
        has_ended=execution.has_ended,
        now=database_now(),
    )


def states_of(
    graph: Graph,
    runs: dict[str, tuple[NodeRunFact, str]],
    *,
    started_by: str,
    has_ended: bool,
    now: datetime,
) -> dict[str, str]:
    """Return a word for each node: the status of its latest attempt, ``waiting``, ``retrying``, ``skipped`` or ``pending``.

    :param runs: the latest attempt of each node that has one: what the planner knows of it, and its status.
    :param started_by: the trigger node that started the execution.
    :param has_ended: whether the execution has: then what has not run will not.
    """
    facts = {node_id: fact for node_id, (fact, _) in runs.items() if node_id in graph.nodes}
    dead = plan(graph, started_by=started_by, facts=facts, now=now).dead
    states: dict[str, str] = {}
    for node_id in graph.nodes:
        if node_id not in facts:
            states[node_id] = SKIPPED if has_ended or node_id in dead else PENDING
            continue
        match facts[node_id].progress:
            case Progress.WAITING if not has_ended:
                states[node_id] = WAITING
            case Progress.RETRYING if not has_ended:
                states[node_id] = RETRYING
            case _:
                states[node_id] = runs[node_id][1]
    return states
