"""What was promised, checked against what the senders heard, what the service was asked, and what the database went through."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.chaos.workload import Delivery, expected
from tests.crash.history import History
from tests.crash.service import Call


@dataclass
class Verdict:
    """How it went. Each list holds what breaks a promise, and is empty."""

    executions: int = 0
    node_runs: int = 0
    calls: int = 0
    # Calls beyond those that a node run's attempts account for. The journal must say of each that the node run was interrupted.
    repeated_calls: int = 0
    # Of those, the ones that a process made after another one had recorded the node run: it had been frozen.
    late_calls: int = 0
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexplained_calls: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.wrong or self.doubled or self.unexplained_calls)


def judge(url: str, deliveries: list[Delivery], calls: list[Call], *, may_be_late: bool) -> Verdict:
    """Look at everything.

    :param may_be_late: whether processes were frozen: only then may a call come after its node run was recorded.
    """
    with psycopg.connect(url.replace("postgres:", "postgresql:"), autocommit=True) as connection:
        executions = {
            str(row[0]): row[1:]
            for row in connection.execute("SELECT id, status, result, error FROM workflow_executions")
        }
        accepted = _accepted(connection)
        node_runs = connection.execute(
            "SELECT execution_id, node_id, iteration, attempts, interruptions, recorded_at FROM ("
            " SELECT execution_id, node_id, iteration, count(*) AS attempts, sum(interruptions) AS interruptions"
            " FROM workflow_execution_logs GROUP BY 1, 2, 3) runs LEFT JOIN ("
            " SELECT execution_id, node_id, iteration, extract(epoch FROM min(at)) AS recorded_at"
            " FROM history WHERE what = 'node_run' AND after = 'completed' GROUP BY 1, 2, 3) recorded"
            " USING (execution_id, node_id, iteration)"
        ).fetchall()
    verdict = Verdict(executions=len(executions), node_runs=sum(row[3] for row in node_runs), calls=len(calls))
    for delivery in deliveries:
        _judge_delivery(verdict, delivery, executions, accepted.get(delivery.delivery_id, []))
    started = {execution_id for ids in accepted.values() for execution_id in ids}
    verdict.doubled += [f"execution {pk} belongs to no delivery" for pk in executions.keys() - started]
    history = History(url)
    verdict.doubled += [f"recorded twice: {each}" for each in history.recorded_twice()]
    verdict.doubled += [f"begun after it was recorded: {each}" for each in history.begun_after_completion()]
    _judge_calls(verdict, calls, node_runs, may_be_late=may_be_late)
    return verdict


def _accepted(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    question = "SELECT dedupe_key, execution_id FROM webhook_deliveries WHERE verdict = 'accepted'"
    for key, execution_id in connection.execute(question):
        found[key].append(str(execution_id))
    return found


def _judge_delivery(
    verdict: Verdict, delivery: Delivery, executions: dict[str, tuple[Any, ...]], accepted: list[str]
) -> None:
    heard = delivery.heard
    if len(heard) > 1 or len(accepted) > 1:
        verdict.doubled.append(f"delivery {delivery.n} has started {sorted(heard | set(accepted))}")
    for execution_id in heard:
        if execution_id not in executions:
            verdict.lost.append(f"execution {execution_id} was accepted and is not there")
            continue
        status, result, error = executions[execution_id]
        if status in ("pending", "running"):
            verdict.lost.append(f"execution {execution_id} is still {status}")
        elif status != "completed" or result != expected(delivery.n):
            verdict.wrong.append(f"execution {execution_id} is {status} with {result}, {error}")


def _judge_calls(verdict: Verdict, calls: list[Call], node_runs: list[Any], *, may_be_late: bool) -> None:
    made: defaultdict[str, list[Call]] = defaultdict(list)
    for call in calls:
        made[call.key].append(call)
    for execution_id, node_id, iteration, attempts, interruptions, recorded_at in node_runs:
        key = f"{execution_id}:{node_id}:{iteration}"
        own = made.pop(key, [])
        more = len(own) - attempts
        verdict.repeated_calls += max(more, 0)
        if more > interruptions:
            verdict.unexplained_calls.append(
                f"{key} was called {attempts + more} times in {attempts} attempts with {interruptions} interruptions"
            )
        late = sum(1 for call in own if recorded_at is not None and call.began > recorded_at)
        verdict.late_calls += late
        if late and not may_be_late:
            verdict.unexplained_calls.append(f"{key} was called after it was recorded")
    verdict.unexplained_calls += [f"{key} belongs to no node run" for key in made]
