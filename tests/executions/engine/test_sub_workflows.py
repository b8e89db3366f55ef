"""Workflows that run workflows, and those that are told of failures, carried by a worker."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from executions import invariants, services
from executions.engine import children, recovery
from executions.engine.clock import database_now
from executions.models import WorkflowExecution
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import hurry
from tests.executions.engine.carrying import worker as worker
from tests.factories import ProjectFactory, WorkflowFactory

pytestmark = pytest.mark.django_db(transaction=True)

TOTAL = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
SLEEP = node("delay", {"for_seconds": 3000})


@pytest.fixture
def project():
    return ProjectFactory()


@pytest.fixture(autouse=True)
def _sound(project):
    """Whatever a test does, nothing may be left that breaks an invariant."""
    yield
    assert [(rule.name, ids) for rule, ids in invariants.check_all(database_now()) if ids] == []


def workflow(project, name, *ways, **nodes):
    return WorkflowFactory(published=True, project=project, name=name, definition=definition(*ways, **nodes))


def run(name, value=None, *, policies=None, **more):
    arguments = {"workflow": name, "input": {} if value is None else value, **more}
    return node("tool", {"tool": "workflow.run", "with": arguments}, **(policies or {}))


def output(value):
    return node("output", {"value": value})


def start(caller, value=None):
    return services.start_manually(caller, input={} if value is None else value, by=None, now=timezone.now())


def settle(worker):
    """Let the worker work until nothing is due."""
    worker.work()
    while WorkflowExecution.objects.filter(wake_at__lte=database_now()).exists():
        worker.work()


def carry(worker, execution, *, seconds=20, hurried=True):
    """Let the worker work until an execution has ended, with all that it started."""
    until = time.monotonic() + seconds
    while True:
        worker.work()
        execution.refresh_from_db()
        live = list(WorkflowExecution.objects.live())
        if execution.has_ended and not live:
            return execution
        assert time.monotonic() < until, [(str(each), each.blocked_detail) for each in live]
        for each in live if hurried else []:
            hurry(each)


def of(name):
    """All executions of a workflow, the first one first."""
    return list(WorkflowExecution.objects.filter(workflow_name=name).order_by("created_at", "id"))


class TestRun:
    def test_hands_the_result_on(self, worker, project):
        workflow(project, "Double", "start > end", end=output("{{ trigger.total * 2 }}"), inputs=TOTAL)
        caller = workflow(
            project,
            "Caller",
            "start > double > end",
            double=run("Double", {"total": "{{ input.n }}"}),
            end=output("{{ input }}"),
        )

        execution = carry(worker, start(caller, {"n": 21}))

        (child,) = of("Double")
        assert (execution.status, execution.result) == ("completed", {"execution_id": str(child.pk), "result": 42})
        assert (child.parent, child.depth, child.triggered_by) == (execution, 1, "workflow")
        assert execution.node_runs.get(node_id="double").pk == child.parent_node_run_id

    def test_says_whom_it_waits_for_and_holds_nobody(self, worker, project):
        workflow(project, "Sleeper", "start > sleep", sleep=SLEEP)
        execution = start(workflow(project, "Caller", "start > call", call=run("Sleeper")))

        settle(worker)

        execution.refresh_from_db()
        (child,) = of("Sleeper")
        assert (execution.blocked_on, execution.lease_owner) == ("callback", None)
        assert execution.blocked_detail == f"Waits for `call` for execution {child.pk}."
        carry(worker, execution)

    def test_one_that_is_let_go_is_not_waited_for(self, worker, project):
        workflow(project, "Sleeper", "start > sleep", sleep=SLEEP)
        caller = workflow(
            project, "Caller", "start > call > end", call=run("Sleeper", wait=False), end=output("{{ input }}")
        )
        execution = start(caller)

        settle(worker)

        execution.refresh_from_db()
        (child,) = of("Sleeper")
        assert (execution.status, execution.result) == ("completed", {"execution_id": str(child.pk)})
        assert (child.status, child.parent) == ("running", execution)
        carry(worker, child)

    def test_a_child_that_fails_fails_the_node_once(self, worker, project):
        workflow(project, "Broken", "start > end", end=output("{{ trigger.no.such }}"))
        execution = carry(worker, start(workflow(project, "Caller", "start > call", call=run("Broken"))))

        assert (execution.status, execution.error["code"]) == ("failed", "workflow_failed")
        assert execution.error["node_id"] == "call"
        assert "Node `call` failed: Workflow `Broken` (execution " in execution.error["message"]
        assert execution.error["details"]["error"]["node_id"] == "end"
        assert len(of("Broken")) == 1

    def test_is_tried_again_where_the_author_asks_for_it(self, worker, project):
        workflow(project, "Broken", "start > end", end=output("{{ trigger.no.such }}"))
        retry = {"on": ["workflow_failed"], "max_attempts": 3, "base_seconds": 0.1}
        caller = workflow(project, "Caller", "start > call", call=run("Broken", policies={"retry": retry}))

        execution = carry(worker, start(caller))

        assert (execution.status, len(of("Broken"))) == ("failed", 3)
        assert len({child.parent_node_run_id for child in of("Broken")}) == 3

    def test_a_failure_can_be_caught(self, worker, project):
        workflow(project, "Broken", "start > end", end=output("{{ trigger.no.such }}"))
        caller = workflow(
            project,
            "Caller",
            "start > call",
            "call.error > end",
            call=run("Broken", policies={"on_error": "port"}),
            end=output("{{ input.error.details.status }}"),
        )

        assert carry(worker, start(caller)).result == "failed"

    @pytest.mark.parametrize(
        ("name", "value", "code"),
        [
            ("Nobody", {}, "unknown_workflow"),
            ("Draft", {}, "workflow_not_runnable"),
            ("Double", {"total": "much"}, "invalid_input"),
        ],
    )
    def test_what_cannot_start_fails_the_node(self, worker, project, name, value, code):
        WorkflowFactory(project=project, name="Draft")
        workflow(project, "Double", "start > end", end=output(1), inputs=TOTAL)

        execution = carry(worker, start(workflow(project, "Caller", "start > call", call=run(name, value))))

        assert (execution.status, execution.error["code"], execution.error["node_id"]) == ("failed", code, "call")

    def test_one_that_calls_itself_ends_at_the_depth_allowed(self, worker, project, settings):
        settings.WORKFLOW_MAX_DEPTH = 3
        execution = carry(worker, start(workflow(project, "Mirror", "start > call", call=run("Mirror"))))

        assert execution.status == "failed"
        assert sorted(each.depth for each in of("Mirror")) == [0, 1, 2, 3]
        assert of("Mirror")[-1].error["code"] == "workflow_too_deep"

    def test_each_pass_of_a_loop_has_its_own(self, worker, project):
        workflow(project, "Double", "start > end", end=output("{{ trigger.total * 2 }}"), inputs=TOTAL)
        caller = workflow(
            project,
            "Caller",
            "start > each > end",
            each=loop({"items": [1, 2, 3]}, "double", double=run("Double", {"total": "{{ item }}"})),
            end=output("{{ input.results.map(each => each.result) }}"),
        )

        execution = carry(worker, start(caller))

        assert execution.result == [2, 4, 6]
        assert len(of("Double")) == 3

    def test_those_of_a_parallel_run_at_once(self, worker, project):
        workflow(project, "Sleeper", "start > sleep", sleep=SLEEP)
        caller = workflow(
            project,
            "Caller",
            "start > all > end",
            all=parallel({"items": [1, 2, 3, 4]}, "call", call=run("Sleeper")),
            end=output("{{ input.count }}"),
        )
        execution = start(caller)

        settle(worker)

        assert [child.status for child in of("Sleeper")] == ["running"] * 4
        assert carry(worker, execution).result == 4

    def test_what_a_parallel_gives_up_is_cancelled(self, worker, project):
        workflow(project, "Sleeper", "start > sleep", sleep=SLEEP)
        workflow(project, "Quick", "start > end", end=output(1))
        caller = workflow(
            project,
            "Caller",
            "start > all > end",
            all=parallel(
                {"items": ["Sleeper", "Quick", "Sleeper"], "done_when": "any"},
                "call",
                call=run("{{ item }}"),
            ),
            end=output("{{ input.results.filter(each => each !== null).length }}"),
        )

        execution = carry(worker, start(caller), hurried=False)

        assert (execution.status, execution.result) == ("completed", 1)
        assert [(child.status, child.error["code"]) for child in of("Sleeper")] == [("cancelled", "not_awaited")] * 2

    def test_a_fault_in_the_commit_leaves_neither_child_nor_waiting_node(self, worker, project, monkeypatch):
        workflow(project, "Double", "start > end", end=output("{{ trigger.total * 2 }}"), inputs=TOTAL)
        caller = workflow(
            project, "Caller", "start > call > end", call=run("Double", {"total": 4}), end=output("{{ input.result }}")
        )
        start_child, faults = children.start, iter([True])

        def break_once(*args, **given):
            child = start_child(*args, **given)
            if next(faults, False):
                assert of("Double") == [child]
                raise RuntimeError("The process dies here.")
            return child

        monkeypatch.setattr(children, "start", break_once)
        execution = start(caller)
        worker.work()
        assert of("Double") == []

        carry(worker, execution)

        assert (execution.status, execution.result, len(of("Double"))) == ("completed", 8, 1)
        assert execution.node_runs.get(node_id="call").interruptions == 1


class TestEnds:
    def caller(self, project, **policies):
        workflow(project, "Sleeper", "start > sleep", sleep=SLEEP)
        workflow(project, "Middle", "start > call", call=run("Sleeper"))
        return start(workflow(project, "Caller", "start > call", call=run("Middle", policies=policies)))

    def test_a_cancel_reaches_all_below(self, worker, project):
        execution = self.caller(project)
        settle(worker)

        services.cancel_execution(execution, by=None, now=timezone.now())

        assert [each.status for each in of("Middle") + of("Sleeper")] == ["cancelled", "cancelled"]

    def test_a_deadline_reaches_all_below(self, worker, project):
        execution = self.caller(project)
        settle(worker)
        past = database_now() - timedelta(seconds=1)
        WorkflowExecution.objects.filter(pk=execution.pk).update(deadline_at=past)

        recovery.end_overdue(database_now())

        execution.refresh_from_db()
        assert execution.status == "timeout"
        assert [each.status for each in of("Middle") + of("Sleeper")] == ["timeout", "timeout"]

    def test_all_below_have_the_deadline_of_the_one_above_or_an_earlier_one(self, worker, project):
        execution = self.caller(project)
        settle(worker)

        execution.refresh_from_db()
        (middle,), (sleeper,) = of("Middle"), of("Sleeper")
        assert sleeper.deadline_at <= middle.deadline_at <= execution.deadline_at

    def test_a_node_that_waits_too_long_gives_its_child_up(self, worker, project):
        execution = self.caller(project, timeout_seconds=0.5, retry={"max_attempts": 1})

        carry(worker, execution, hurried=False)

        assert (execution.status, execution.error["node_id"]) == ("failed", "call")
        assert execution.error["code"] in ("node_timeout", "workflow_timeout")
        assert {each.status for each in of("Middle") + of("Sleeper")} <= {"cancelled", "timeout"}

    def test_a_child_that_is_cancelled_fails_its_parent(self, worker, project):
        execution = self.caller(project)
        settle(worker)
        (sleeper,) = of("Sleeper")

        services.cancel_execution(sleeper, by=None, now=timezone.now())
        carry(worker, execution)

        (middle,) = of("Middle")
        assert (middle.status, middle.error["code"]) == ("failed", "workflow_cancelled")
        assert (execution.status, execution.error["code"]) == ("failed", "workflow_failed")


class TestErrorWorkflow:
    def test_runs_with_what_failed_where_and_why(self, worker, project):
        workflow(project, "Tell", "start > end", end=output("{{ trigger.workflow.name }}: {{ trigger.error.node_id }}"))
        caller = workflow(
            project,
            "Pay",
            "start > pay",
            pay=output("{{ trigger.no.such }}"),
            settings={"on_failure": {"workflow": "Tell"}},
        )

        execution = carry(worker, start(caller))

        (told,) = of("Tell")
        assert (told.status, told.result, told.failure_of) == ("completed", "Pay: pay", execution)

    def test_one_that_fails_itself_is_the_last(self, worker, project):
        workflow(
            project,
            "Tell",
            "start > end",
            end=output("{{ trigger.no.such }}"),
            settings={"on_failure": {"workflow": "Tell"}},
        )

        carry(
            worker,
            start(
                workflow(
                    project,
                    "Pay",
                    "start > pay",
                    pay=output("{{ trigger.no.such }}"),
                    settings={"on_failure": {"workflow": "Tell"}},
                )
            ),
        )

        assert [each.status for each in of("Tell")] == ["failed"]
