"""What is told of an execution, look by look."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.live import reader as module
from executions.live.position import MOST_NAMED, Position
from executions.live.reader import PAGE, Reader, looks, present_position
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from projects.ids import new_id
from tests.clock import NOON
from tests.factories import ExecutionFactory, LiveTextFactory, NodeRunFactory

pytestmark = pytest.mark.django_db

MOST_QUERIES = 2


def told(events):
    """Return what events say, in short."""
    short = {
        "execution": lambda data: data["status"],
        "node_run": lambda data: f"{data['node_id']} {data['waits_for'] or data['status']}",
        "text": lambda data: f"{data['number']}: {data['text']}",
        "end": lambda data: "",
    }
    return [f"{event.kind} {short[event.kind](event.data)}".strip() for event in events]


def run_of(execution, node_id="ask", *, second=0, **more):
    more = {"running": True, **more}
    return NodeRunFactory(execution=execution, node_id=node_id, started_at=NOON + timedelta(seconds=second), **more)


def complete(row):
    WorkflowExecutionLog.objects.filter(pk=row.pk).update(
        status=ExecutionStatus.COMPLETED, completed_at=NOON + timedelta(minutes=1), waits_for=None, ports=["main"]
    )


def end(execution, status=ExecutionStatus.COMPLETED):
    WorkflowExecution.objects.filter(pk=execution.pk).update(
        status=status, completed_at=NOON, lease_owner=None, lease_expires_at=None, wake_at=None, blocked_on=None
    )


@pytest.fixture
def execution():
    return ExecutionFactory(leased=True)


class TestLook:
    def test_tells_everything_at_first_and_then_what_changes(self, execution):
        start, ask = run_of(execution, "start", running=False), run_of(execution, "ask", second=1)
        reader = Reader(execution.pk)
        seen = [told(reader.look()), told(reader.look())]
        complete(ask)
        run_of(execution, "end", second=2)
        seen.append(told(reader.look()))

        assert start.status == "completed"
        assert seen == [
            ["execution running", "node_run start completed", "node_run ask running"],
            [],
            ["node_run ask completed", "node_run end running"],
        ]

    def test_tells_that_a_node_run_waits_and_goes_on(self, execution):
        ask = run_of(execution)
        reader = Reader(execution.pk)
        seen = [told(reader.look())]
        for waits_for in (BlockedOn.APPROVAL, None):
            WorkflowExecutionLog.objects.filter(pk=ask.pk).update(waits_for=waits_for)
            seen.append(told(reader.look()))

        assert seen[1:] == [["node_run ask approval"], ["node_run ask running"]]

    def test_tells_that_one_was_begun_again(self, execution):
        ask = run_of(execution)
        reader = Reader(execution.pk)
        reader.look()
        WorkflowExecutionLog.objects.filter(pk=ask.pk).update(interruptions=1)

        (event,) = reader.look()

        assert event.data["interruptions"] == 1

    def test_tells_why_the_execution_does_not_move(self, execution):
        reader = Reader(execution.pk)
        reader.look()
        WorkflowExecution.objects.filter(pk=execution.pk).update(
            blocked_on="approval", blocked_detail="Waits for `ask`.", lease_owner=None, lease_expires_at=None
        )

        (event,) = reader.look()

        assert (event.data["blocked_on"], event.data["blocked_detail"]) == ("approval", "Waits for `ask`.")

    def test_tells_the_end_after_everything_else(self, execution):
        ask = run_of(execution)
        reader = Reader(execution.pk)
        reader.look()
        complete(ask)
        end(execution)

        seen = told(reader.look())

        assert seen == ["node_run ask completed", "execution completed", "end"]
        assert reader.is_over

    def test_of_an_execution_that_is_not_there_any_more_only_the_end_is_told(self, execution):
        reader = Reader(execution.pk)
        execution.delete()

        assert told(reader.look()) == ["end"]
        assert reader.execution is None

    def test_says_what_a_node_run_is_but_not_what_went_in_and_came_out(self, execution):
        run_of(execution, running=False, input_data={"x": 1}, output_data={"y": 2}, error={"code": "c", "message": "m"})

        data = Reader(execution.pk).look()[-1].data

        assert data["error"] == {"code": "c", "message": "m"}
        assert data.keys() >= {"id", "node_id", "node_name", "iteration", "attempt", "ports", "duration_ms", "cost"}
        assert not data.keys() & {"input_data", "output_data", "state", "answer"}

    def test_says_nothing_of_other_executions(self, execution):
        run_of(ExecutionFactory(leased=True))
        other = run_of(ExecutionFactory(leased=True))
        LiveTextFactory(execution=other.execution)
        # Nor if somebody writes their node runs into an id.
        position = Position(under_way={other.pk: (NOON, "00000000")})

        assert told(Reader(execution.pk, position).look()) == ["execution running"]


class TestTexts:
    def test_are_told_piece_by_piece_within_their_node_run(self, execution):
        ask = run_of(execution)
        reader = Reader(execution.pk)
        LiveTextFactory(execution=execution, node_run_id=ask.pk, number=1, text="It ")
        seen = [told(reader.look())]
        LiveTextFactory(execution=execution, node_run_id=ask.pk, number=2, text="is.")
        complete(ask)
        seen.append(told(reader.look()))

        assert seen == [
            ["execution running", "node_run ask running", "text 1: It"],
            ["text 2: is.", "node_run ask completed"],
        ]

    def test_come_before_the_end_of_their_node_run_whatever_begins_beside_it(self, execution):
        ask = run_of(execution)
        reader = Reader(execution.pk)
        reader.look()
        LiveTextFactory(execution=execution, node_run_id=ask.pk, number=1, text="One.")
        complete(ask)
        other = run_of(execution, "other", second=1)
        seen = [told(reader.look())]
        LiveTextFactory(execution=execution, node_run_id=other.pk, number=1, text="Two.")
        third = run_of(execution, "third", second=2)
        LiveTextFactory(execution=execution, node_run_id=third.pk, number=1, text="Three.")
        LiveTextFactory(execution=execution, node_run_id=other.pk, number=2, text="Four.")
        complete(other)
        seen.append(told(reader.look()))

        assert seen == [
            ["text 1: One.", "node_run ask completed", "node_run other running"],
            ["text 1: Two.", "node_run third running", "text 1: Three.", "text 2: Four.", "node_run other completed"],
        ]

    def test_say_whose_they_are_and_when_to_begin_anew(self, execution):
        ask = run_of(execution)
        for number in (1, 2):
            LiveTextFactory(execution=execution, node_run_id=ask.pk, number=number)

        data = [event.data for event in Reader(execution.pk).look() if event.kind == "text"]

        assert [(each["node_run"], each["reset"]) for each in data] == [(str(ask.pk), True), (str(ask.pk), False)]

    def test_wait_until_the_node_runs_before_them_are_told(self, execution, monkeypatch):
        monkeypatch.setattr(module, "PAGE", 2)
        runs = [run_of(execution, f"n{number}", second=number) for number in range(3)]
        LiveTextFactory(execution=execution, node_run_id=runs[2].pk, number=1, text="Hm.")
        reader = Reader(execution.pk)

        assert [told(reader.look()), told(reader.look())] == [
            ["execution running", "node_run n0 running", "node_run n1 running"],
            ["node_run n2 running", "text 1: Hm."],
        ]

    def test_more_of_them_than_one_look_reads_are_all_told_before_the_end(self, execution, monkeypatch):
        monkeypatch.setattr(module, "PAGE", 2)
        node_run = run_of(execution)
        for number in range(1, 6):
            LiveTextFactory(execution=execution, node_run_id=node_run.pk, number=number)
        end(execution)

        kinds = [event.kind for events in looks(Reader(execution.pk)) for event in events]

        assert kinds.count("text") == 5
        assert kinds[-1] == "end"


class TestManyNodeRuns:
    @pytest.fixture
    def loop(self, execution):
        """A loop with many passes behind it, and its node run open since the beginning."""
        run_of(execution, "loop")
        rows = [
            WorkflowExecutionLog(
                id=new_id(),
                execution=execution,
                node_id="body",
                node_type="transform",
                iteration=str(number),
                status=ExecutionStatus.COMPLETED,
                started_at=NOON + timedelta(milliseconds=number),
                completed_at=NOON + timedelta(milliseconds=number),
            )
            for number in range(1, 2001)
        ]
        WorkflowExecutionLog.objects.bulk_create(rows)
        return execution

    def test_are_told_page_by_page_each_once(self, loop):
        reader = Reader(loop.pk)
        seen = []
        while not seen or reader.has_more:
            with CaptureQueriesContext(connection) as queries:
                seen.append(reader.look())
            assert len(queries) == MOST_QUERIES
            assert len(seen[-1]) <= PAGE + 1

        iterations = [event.data["iteration"] for events in seen for event in events if event.kind == "node_run"]
        assert iterations == ["", *map(str, range(1, 2001))]

    def test_are_not_read_again(self, loop):
        reader = Reader(loop.pk, present_position(loop.pk))
        reader.look()

        with CaptureQueriesContext(connection) as queries:
            assert reader.look() == []

        assert len(queries) == MOST_QUERIES
        if connection.vendor == "postgresql":
            plan = _rows_read(queries[1]["sql"])
            assert plan["Actual Rows"] == 1  # The loop's own.
            assert _removed(plan) == 0

    def test_are_not_told_to_who_begins_at_the_present(self, loop):
        seen = told(Reader(loop.pk, present_position(loop.pk)).look())

        assert seen == ["execution running", "node_run loop running"]


def _rows_read(sql):
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE workflow_execution_logs")
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        return cursor.fetchone()[0][0]["Plan"]


def _removed(plan):
    """Return how many rows were read in vain, or by going through the whole table."""
    own = plan.get("Rows Removed by Filter", 0) + (10**6 if plan["Node Type"] == "Seq Scan" else 0)
    return own + sum(_removed(each) for each in plan.get("Plans", []))


class TestResuming:
    def story(self, execution):
        """Carry an execution to its end, and yield after each step."""
        runs = [run_of(execution, "a", second=0), run_of(execution, "b", second=0)]
        yield
        LiveTextFactory(execution=execution, node_run_id=runs[1].pk, number=1)
        complete(runs[0])
        yield
        runs.append(run_of(execution, "c", second=1))
        LiveTextFactory(execution=execution, node_run_id=runs[1].pk, number=2)
        yield
        WorkflowExecutionLog.objects.filter(pk=runs[2].pk).update(waits_for="approval")
        complete(runs[1])
        yield
        complete(runs[2])
        end(execution)
        yield

    def test_after_any_event_tells_the_rest_and_nothing_twice(self):
        execution = ExecutionFactory(leased=True)
        whole = Reader(execution.pk)
        seen = []
        for _ in self.story(execution):
            for event in whole.look():
                seen.append(event)
            # Whoever has heard of everything so far hears nothing again.
            if not whole.is_over:
                assert told(Reader(execution.pk, Position.from_id(seen[-1].id)).look()) == []

        assert seen[-1].kind == "end"
        assert len({event.id for event in seen}) == len(seen)

    @pytest.mark.parametrize("lost_at", range(5))
    def test_what_was_cut_off_in_the_midst_of_a_look_is_told(self, lost_at):
        execution = ExecutionFactory(leased=True)
        reader, arrived = Reader(execution.pk), []
        for step, _ in enumerate(self.story(execution)):
            events = reader.look()
            if step == lost_at:  # Only the first event of this look has arrived.
                arrived.append(events[0])
                reader = Reader(execution.pk, Position.from_id(events[0].id))
                events = reader.look()
            arrived += events

        without_cut = told(arrived)
        assert len(without_cut) == len(set(without_cut))
        assert set(without_cut) >= {
            *("node_run a completed", "node_run b completed", "node_run c completed", "execution completed"),
            *("text 1: It", "text 2: It", "end"),
        }

    def test_with_very_many_under_way_tells_some_twice_and_leaves_none_out(self, execution):
        runs = [run_of(execution, f"n{number}", second=number) for number in range(MOST_NAMED + 10)]
        reader = Reader(execution.pk)
        latest = reader.look()[-1].id
        for row in runs:
            complete(row)

        again = told(Reader(execution.pk, Position.from_id(latest)).look())

        assert again[MOST_NAMED:] == [f"node_run n{number} completed" for number in range(MOST_NAMED, MOST_NAMED + 10)]
        assert sorted(again) == sorted(f"node_run {row.node_id} completed" for row in runs)


class TestLooks:
    def test_come_less_often_when_nothing_happens(self, execution, monkeypatch):
        pauses = []
        monkeypatch.setattr(module.time, "sleep", pauses.append)
        watching = looks(Reader(execution.pk))
        for _ in range(30):
            next(watching)
        run_of(execution)
        next(watching)
        next(watching)

        assert pauses[0] == module.LOOK_SECONDS
        assert pauses[-2] == module.QUIET_SECONDS
        assert pauses[-1] == module.LOOK_SECONDS
