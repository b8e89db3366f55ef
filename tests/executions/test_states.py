"""What the picture of an execution says of each node."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from executions.engine.journal import Journal
from executions.models import WorkflowExecutionLog
from executions.states import node_states, states_of
from tests.clock import NOON
from tests.executions.engine.graphs import graph
from tests.factories import DEFINITION, ExecutionFactory, NodeRunFactory

NOBODY = UUID(int=0)

GRAPH = graph("start > check", "check.yes > big", "check.no > small", "big > end", "small > end")


def run(node_id: str, status: str = "completed", **columns: Any) -> WorkflowExecutionLog:
    ports = {"ports": ["main"]} if status == "completed" else {}
    return WorkflowExecutionLog(node_id=node_id, status=status, started_at=NOON, **{**ports, **columns})


def states(*runs: WorkflowExecutionLog, has_ended: bool = False, started_by: str = "start") -> dict[str, str]:
    return states_of(GRAPH, Journal(NOBODY, runs), started_by=started_by, has_ended=has_ended, now=NOON)


class TestStatesOf:
    def test_what_may_still_run_is_pending(self):
        assert set(states().values()) == {"pending"}

    def test_a_dead_branch_is_skipped_and_the_join_behind_it_is_not(self):
        assert states(run("start"), run("check", ports=["yes"])) == {
            "start": "completed",
            "check": "completed",
            "big": "pending",
            "small": "skipped",
            "end": "pending",
        }

    @pytest.mark.parametrize(
        ("columns", "state"),
        [
            ({"status": "running"}, "running"),
            ({"status": "running", "wake_at": NOON + timedelta(hours=1)}, "waiting"),
            ({"status": "running", "wake_at": NOON - timedelta(hours=1)}, "waiting"),
            ({"status": "failed", "wake_at": NOON + timedelta(hours=1)}, "retrying"),
            ({"status": "failed"}, "failed"),
            ({"status": "failed", "ports": ["error"]}, "failed"),
            ({"status": "cancelled"}, "cancelled"),
            ({"status": "timeout"}, "timeout"),
        ],
    )
    def test_a_node_that_was_begun_says_how_far_it_is(self, columns, state):
        assert states(run("start"), run("check", **columns))["check"] == state

    def test_the_latest_attempt_counts(self):
        attempts = [run("check", attempt=2), run("check", "failed", attempt=1, wake_at=NOON)]

        assert states(run("start"), *attempts)["check"] == "completed"

    def test_when_all_is_over_nothing_is_pending_or_about_to_be_tried_again(self):
        found = states(run("start"), run("check", "failed", wake_at=NOON + timedelta(hours=1)), has_ended=True)

        assert found == {
            "start": "completed",
            "check": "failed",
            "big": "skipped",
            "small": "skipped",
            "end": "skipped",
        }

    def test_node_runs_that_the_graph_does_not_know_are_left_out(self):
        assert "stranger" not in states(run("stranger"))

    def test_without_the_trigger_that_started_it_everything_is_skipped(self):
        assert set(states(started_by="").values()) == {"skipped"}


@pytest.mark.django_db
class TestNodeStates:
    def test_reads_the_version_and_the_journal_of_the_execution(self):
        execution = ExecutionFactory(leased=True)
        NodeRunFactory(execution=execution)
        NodeRunFactory(node_id="end", execution__workflow_version=execution.workflow_version)

        assert node_states(execution) == {"start": "completed", "end": "pending"}

    def test_asks_the_same_number_of_queries_for_one_node_run_and_for_many(self, django_assert_num_queries):
        execution = ExecutionFactory(leased=True)
        for attempt in range(1, 20):
            NodeRunFactory(execution=execution, attempt=attempt, status="failed", ports=[])
        NodeRunFactory(execution=execution, attempt=20)
        queries_for_the_clock = connection.vendor == "postgresql"

        with django_assert_num_queries(1 + queries_for_the_clock):
            assert node_states(execution)["start"] == "completed"

    @pytest.mark.parametrize("definition", [{}, {**DEFINITION, "nodes": "none"}])
    def test_refuses_what_is_no_definition(self, definition):
        execution = ExecutionFactory(workflow_version__definition=definition)

        with pytest.raises(ValueError, match="not a valid definition"):
            node_states(execution)
