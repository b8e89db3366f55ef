"""What the picture of an execution says of each node."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from executions.models import WorkflowExecutionLog
from executions.states import node_states, states_of
from tests.builders import definition, loop, node, parallel
from tests.clock import NOON
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from tests.executions.engine.graphs import graph
from tests.factories import DEFINITION, ExecutionFactory, NodeRunFactory
from workflows.drawing import Passes, State

GRAPH = graph("start > check", "check.yes > big", "check.no > small", "big > end", "small > end")


def run(node_id: str, status: str = "completed", **columns: Any) -> WorkflowExecutionLog:
    ports = {"ports": ["main"]} if status == "completed" else {}
    return WorkflowExecutionLog(node_id=node_id, status=status, started_at=NOON, **{**ports, **columns})


def words(*runs: WorkflowExecutionLog, has_ended: bool = False, started_by: str = "start") -> dict[str, str]:
    states = states_of(GRAPH, runs, started_by=started_by, has_ended=has_ended, now=NOON)
    return {node_id: state.word for node_id, state in states.items()}


class TestStatesOf:
    def test_what_may_still_run_is_pending(self):
        assert set(words().values()) == {"pending"}

    def test_a_dead_branch_is_skipped_and_the_join_behind_it_is_not(self):
        assert words(run("start"), run("check", ports=["yes"])) == {
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
            ({"status": "running", "waits_for": "timer", "wake_at": NOON + timedelta(hours=1)}, "waiting"),
            ({"status": "running", "waits_for": "timer", "wake_at": NOON - timedelta(hours=1)}, "waiting"),
            ({"status": "running", "waits_for": "callback"}, "waiting"),
            ({"status": "running", "waits_for": "callback", "answer": {"output": 1}}, "running"),
            ({"status": "failed", "wake_at": NOON + timedelta(hours=1)}, "retrying"),
            ({"status": "failed"}, "failed"),
            ({"status": "failed", "ports": ["error"]}, "failed"),
            ({"status": "cancelled"}, "cancelled"),
            ({"status": "timeout"}, "timeout"),
        ],
    )
    def test_a_node_that_was_begun_says_how_far_it_is(self, columns, state):
        assert words(run("start"), run("check", **columns))["check"] == state

    def test_the_latest_attempt_counts(self):
        attempts = [run("check", attempt=2), run("check", "failed", attempt=1, wake_at=NOON)]

        assert words(run("start"), *attempts)["check"] == "completed"

    def test_when_all_is_over_nothing_is_pending_or_about_to_be_tried_again(self):
        found = words(run("start"), run("check", "failed", wake_at=NOON + timedelta(hours=1)), has_ended=True)

        assert found == {
            "start": "completed",
            "check": "failed",
            "big": "skipped",
            "small": "skipped",
            "end": "skipped",
        }

    def test_node_runs_that_the_graph_does_not_know_are_left_out(self):
        assert "stranger" not in words(run("stranger"))

    def test_without_the_trigger_that_started_it_everything_is_skipped(self):
        assert set(words(started_by="").values()) == {"skipped"}

    def test_of_a_scope_it_is_known_how_far_its_passes_are(self):
        state = {
            "next": 5,
            "open": [3, 4],
            "succeeded": 2,
            "failed": 1,
            "total": 9,
            "accumulator": None,
            "stopped": False,
        }
        running, over = run("check", "running", state=state), run("check", "failed", state=state)

        found = [
            states_of(GRAPH, [each], started_by="", has_ended=False, now=NOON)["check"] for each in (running, over)
        ]

        assert [each.passes for each in found] == [Passes(2, 1, 2, 9), Passes(2, 1, 0, 9)]


EACH = definition(
    "start > each > end",
    each=loop({"items": "{{ input }}"}, "weigh > inner", inner=parallel({}, "left", "right")),
    end=node("output"),
)


@pytest.mark.django_db
class TestNodeStatesInScopes:
    @pytest.fixture
    def execution(self):
        execution = ExecutionFactory(leased=True, workflow_version__definition=EACH)
        NodeRunFactory(execution=execution)
        NodeRunFactory(execution=execution, node_id="each", node_type="loop", running=True)
        return execution

    def body_run(self, execution, node_id="weigh", iteration="0", **columns):
        return NodeRunFactory(execution=execution, node_id=node_id, node_type="delay", iteration=iteration, **columns)

    def test_sums_up_what_the_passes_came_to(self, execution):
        self.body_run(execution, iteration="0")
        self.body_run(execution, iteration="1")
        self.body_run(execution, iteration="2", status="failed", ports=[])
        self.body_run(execution, iteration="3", running=True)
        self.body_run(execution, iteration="4", running=True, waits_for="timer", wake_at=NOON)

        assert node_states(execution)["weigh"] == State(
            "failed", {"failed": 1, "completed": 2, "running": 1, "waiting": 1}
        )

    def test_counts_of_several_attempts_the_latest(self, execution):
        for iteration in ("0", "1"):
            self.body_run(execution, iteration=iteration, status="failed", ports=[], wake_at=NOON)
        self.body_run(execution, iteration="0", attempt=2)

        assert node_states(execution)["weigh"] == State("retrying", {"completed": 1, "retrying": 1})

    def test_what_was_to_be_tried_again_when_all_ended_has_failed(self, execution):
        self.body_run(execution, iteration="0", status="failed", ports=[], wake_at=NOON)
        type(execution).objects.filter(pk=execution.pk).update(
            status="cancelled", completed_at=NOON, lease_owner=None, lease_expires_at=None
        )
        execution.refresh_from_db()

        assert node_states(execution)["weigh"] == State("failed", {"failed": 1})

    def test_tells_passes_of_scopes_in_scopes_by_their_node(self, execution):
        self.body_run(execution, "inner", "0", running=True)
        self.body_run(execution, "left", "0.0")
        self.body_run(execution, "right", "0.1", running=True)

        found = node_states(execution)

        assert found["inner"] == State("running", {"running": 1})
        assert found["left"] == State("completed", {"completed": 1})
        assert found["right"] == State("running", {"running": 1})

    def test_what_has_not_run_may_still_run_while_its_scope_does(self, execution):
        assert node_states(execution)["left"] == State("pending")

        execution.node_runs.filter(node_id="each").update(status="completed", ports=["main"])

        assert node_states(execution)["left"] == State("skipped")

    def test_names_the_nodes_in_the_order_of_the_definition(self, execution):
        assert list(node_states(execution)) == [each["id"] for each in EACH["nodes"]]

    def test_asks_the_same_number_of_queries_for_any_number_of_passes(self, execution, django_assert_num_queries):
        WorkflowExecutionLog.objects.bulk_create(
            NodeRunFactory.build(
                execution=execution, node_id="weigh", node_type="delay", iteration=str(number), output_data="x"
            )
            for number in range(1_000)
        )
        queries_for_the_clock = connection.vendor == "postgresql"

        with django_assert_num_queries(2 + queries_for_the_clock):
            assert node_states(execution)["weigh"].counts == {"completed": 1_000}


@pytest.mark.django_db(transaction=True)
class TestNodeStatesOfWhatAWorkerCarried:
    def test_a_loop_says_how_its_passes_ended(self, worker):
        raw = definition(
            "start > each",
            each=loop(
                {"items": "{{ input.numbers }}", "on_item_error": "collect"},
                "choose",
                "choose.odd > halve",
                choose=node("condition", {"cases": [{"port": "odd", "when": "{{ item % 2 === 1 }}"}]}),
                halve=node("output", {"value": "{{ item === 5 ? nothing.there : item }}"}),
            ),
        )

        found = node_states(carry(worker, start(raw, {"numbers": [1, 2, 3, 5]})))

        assert found["each"] == State("completed", passes=Passes(succeeded=3, failed=1, open=0, total=4))
        assert found["choose"] == State("completed", {"completed": 4})
        assert found["halve"] == State("failed", {"failed": 1, "completed": 2})


@pytest.mark.django_db
class TestNodeStates:
    def test_reads_the_version_and_the_journal_of_the_execution(self):
        execution = ExecutionFactory(leased=True)
        NodeRunFactory(execution=execution)
        NodeRunFactory(node_id="end", execution__workflow_version=execution.workflow_version)

        assert node_states(execution) == {"start": State("completed"), "end": State("pending")}

    def test_asks_the_same_number_of_queries_for_one_node_run_and_for_many(self, django_assert_num_queries):
        execution = ExecutionFactory(leased=True)
        for attempt in range(1, 20):
            NodeRunFactory(execution=execution, attempt=attempt, status="failed", ports=[])
        NodeRunFactory(execution=execution, attempt=20)
        queries_for_the_clock = connection.vendor == "postgresql"

        with django_assert_num_queries(1 + queries_for_the_clock):
            assert node_states(execution)["start"] == State("completed")

    @pytest.mark.parametrize("definition", [{}, {**DEFINITION, "nodes": "none"}])
    def test_refuses_what_is_no_definition(self, definition):
        execution = ExecutionFactory(workflow_version__definition=definition)

        with pytest.raises(ValueError, match="not a valid definition"):
            node_states(execution)
