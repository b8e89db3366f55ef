"""Sub-workflows: started with the node run that waits, ended with their parent, and what their end means to it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from executions import services
from executions.engine import children, leases, recovery
from executions.engine.ending import end_execution
from executions.exceptions import IllegalTransition, NotRunnable
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from projects.ids import new_id
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory, ProjectFactory, WorkflowFactory
from tests.threads import at_once, beside
from workflows.nodes.base import NodeError, StartWorkflow

pytestmark = pytest.mark.django_db

ORDER = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


@pytest.fixture
def parent():
    """An execution that a worker holds, without a deadline."""
    return ExecutionFactory(leased=True)


def workflow(parent, **attributes):
    given = {"published": True} | attributes
    return WorkflowFactory(project=parent.project, name="Bill", **given)


def called(name="Bill", value=None, **more):
    return StartWorkflow(name, {} if value is None else value, **more)


def waiting_run(execution, **attributes):
    return NodeRunFactory(
        execution=execution, node_id="bill", node_type="tool", running=True, waits_for=BlockedOn.CALLBACK, **attributes
    )


def child_of(parent, **attributes):
    """A live execution that a node run of its parent waits for."""
    given = {"is_waited_for": True, "depth": parent.depth + 1} | attributes
    return ExecutionFactory(
        parent=parent,
        workflow_version__workflow__project=parent.project,
        parent_node_run_id=waiting_run(parent, iteration=str(parent.children.count())).pk,
        **given,
    )


def start(parent, outcome=None, **more):
    given = {"id": new_id(), "node_run_id": new_id(), "deadline": None, "now": NOON} | more
    return children.start(outcome or called(), parent=parent, **given)


def end(execution, status="completed", **more):
    status = ExecutionStatus(status)
    error = None if status is ExecutionStatus.COMPLETED else {"code": "no_money", "message": "No money."}
    given = {"now": NOON, "error": error} | more
    with transaction.atomic():
        end_execution(WorkflowExecution.objects.get(pk=execution.pk), status, **given)


def run_of(child):
    return child.parent.node_runs.get(pk=child.parent_node_run_id)


def status_of(execution):
    execution.refresh_from_db()
    return execution.status


class TestCheck:
    def test_finds_a_workflow_of_the_same_project_by_name_and_by_id(self, parent):
        bill = workflow(parent)

        assert children.check(called("Bill"), parent) == children.check(called(str(bill.pk)), parent)

    def test_an_id_comes_before_a_name(self, parent):
        bill = workflow(parent)
        WorkflowFactory(published=True, project=parent.project, name=str(bill.pk))

        assert children.check(called(str(bill.pk)), parent).workflow == bill

    @pytest.mark.parametrize("name", ["Bill", "no such workflow", "\x00", "01a21499-402b-7235-8eea-e2bbaab83e73"])
    def test_knows_no_workflow_of_another_project(self, parent, name):
        WorkflowFactory(published=True, project=ProjectFactory(), name="Bill")

        with pytest.raises(NodeError, match="The project has no workflow with the name or id") as raised:
            children.check(called(name), parent)

        assert (raised.value.code, raised.value.retryable) == ("unknown_workflow", False)

    def test_a_paused_workflow_accepts(self, parent):
        bill = workflow(parent, status="paused")

        assert children.check(called(), parent).workflow == bill

    @pytest.mark.parametrize(
        ("attributes", "why"),
        [
            ({"published": False}, "was never published. Publish it first"),
            ({"status": "disabled"}, "is disabled. Enable it first"),
            ({"status": "archived"}, "is archived and starts nothing"),
        ],
    )
    def test_other_workflows_start_nothing(self, parent, attributes, why):
        workflow(parent, **attributes)

        with pytest.raises(NodeError, match=why) as raised:
            children.check(called(), parent)

        assert raised.value.code == "workflow_not_runnable"

    def test_names_everything_about_the_input_that_does_not_fit(self, parent):
        workflow(parent, definition=definition("start > end", inputs=ORDER | {"required": ["total", "name"]}))

        with pytest.raises(NodeError, match="does not fit the inputs of workflow 'Bill'") as raised:
            children.check(called(value={"total": "much"}), parent)

        assert raised.value.code == "invalid_input"
        assert len(raised.value.details["problems"]) == 2

    def test_the_input_is_an_object(self, parent):
        workflow(parent)

        with pytest.raises(NodeError, match="is an object"):
            children.check(called(value=[1]), parent)

    def test_asks_which_of_several_triggers_is_meant(self, parent):
        hook = node("trigger", {"kind": "webhook"})
        workflow(parent, definition=definition("one > end", "two > end", one=hook, two=hook))

        with pytest.raises(NodeError, match="Name the one to begin at: one, two"):
            children.check(called(), parent)

    def test_refuses_to_go_deeper_than_allowed(self, parent, settings):
        settings.WORKFLOW_MAX_DEPTH = 2
        workflow(parent)

        children.check(called(), ExecutionFactory(depth=1, workflow_version=parent.workflow_version))
        with pytest.raises(NodeError, match="start each other in a circle") as raised:
            children.check(called(), ExecutionFactory(depth=2, workflow_version=parent.workflow_version))

        assert raised.value.code == "workflow_too_deep"

    def test_refuses_more_than_allowed_below_the_first_ancestor(self, parent, settings):
        settings.WORKFLOW_MAX_DESCENDANTS = 3
        workflow(parent)
        child = child_of(parent)
        grandchild = child_of(child)
        children.check(called(), grandchild)
        child_of(parent, ended=True)

        for execution in (parent, child, grandchild):
            with pytest.raises(NodeError, match="has 3 executions below it") as raised:
                children.check(called(), execution)

        assert raised.value.code == "too_many_workflows"


class TestStart:
    def test_the_child_begins_with_the_input_and_knows_where_it_comes_from(self, parent):
        bill, node_run_id, child_id = workflow(parent), new_id(), new_id()
        parent.execution_context |= {"hops": 2}

        start(parent, called(value={"total": 7}), id=child_id, node_run_id=node_run_id)

        child = WorkflowExecution.objects.get(pk=child_id)
        assert (child.workflow, child.triggered_by, child.status) == (bill, "workflow", "pending")
        assert child.execution_context == {"trigger": {"total": 7}, "node_id": "start", "hops": 2}
        assert (child.parent, child.parent_node_run_id, child.is_waited_for) == (parent, node_run_id, True)
        assert (child.depth, child.blocked_on) == (1, "queue")
        assert child.wake_at is not None

    def test_begins_at_the_trigger_that_is_named(self, parent):
        hook = node("trigger", {"kind": "webhook"})
        workflow(parent, definition=definition("one > end", "two > end", one=hook, two=hook))

        assert start(parent, called(trigger="two")).execution_context["node_id"] == "two"

    def test_started_again_for_the_same_node_run_it_is_the_first_one(self, parent):
        workflow(parent)
        node_run_id = new_id()
        first = start(parent, node_run_id=node_run_id)

        assert start(parent, node_run_id=node_run_id) == first
        assert WorkflowExecution.objects.filter(parent=parent).count() == 1

    def test_a_secret_does_not_leave_its_workflow(self, parent):
        workflow(parent)

        child = start(parent, called(value={"key": "⟦secret:API_KEY:0123abcd⟧"}))

        assert child.execution_context["trigger"] == {"key": "⟦secret:API_KEY⟧"}

    @pytest.mark.parametrize(
        ("own", "node_minutes", "parent_minutes", "minutes"),
        [(60, None, None, 1), (600, 5, None, 5), (600, 5, 3, 3), (None, None, None, 60)],
    )
    def test_ends_by_the_earliest_of_three_deadlines(self, parent, own, node_minutes, parent_minutes, minutes):
        settings = {"settings": {"timeout_seconds": own}} if own else {}
        workflow(parent, definition=definition("start > end", **settings))
        parent.deadline_at = parent_minutes and NOON + timedelta(minutes=parent_minutes)

        child = start(parent, deadline=node_minutes and NOON + timedelta(minutes=node_minutes))

        assert child.deadline_at == NOON + timedelta(minutes=minutes)

    def test_one_that_was_let_go_has_a_deadline_of_its_own(self, parent):
        workflow(parent)
        parent.deadline_at = NOON

        child = start(parent, called(wait=False), deadline=NOON)

        assert (child.deadline_at, child.is_waited_for, child.parent) == (None, False, parent)

    def test_a_workflow_that_was_disabled_in_the_last_moment_starts_nothing(self, parent):
        bill = workflow(parent)
        children.check(called(), parent)
        type(bill).objects.update(status="disabled")

        with pytest.raises(NotRunnable):
            start(parent)


class TestAnswerParent:
    def test_a_result_is_the_output_of_the_node_that_waits(self, parent):
        child = child_of(parent, leased=True)

        end(child, result={"paid": True})

        assert run_of(child).answer == {"output": {"execution_id": str(child.pk), "result": {"paid": True}}}

    @pytest.mark.parametrize(
        ("status", "code", "verb"),
        [
            ("failed", "workflow_failed", "failed"),
            ("cancelled", "workflow_cancelled", "was cancelled"),
            ("timeout", "workflow_timeout", "timed out"),
        ],
    )
    def test_every_other_end_fails_it_and_says_what_happened(self, parent, status, code, verb):
        child = child_of(parent)

        end(child, status, error={"code": "no_money", "message": "No money.", "node_id": "pay", "iteration": "2"})

        error = run_of(child).answer["error"]
        assert error["code"] == code
        assert error["message"] == f"Workflow `{child.workflow_name}` (execution {child.pk}) {verb}: No money."
        assert error["details"] == {
            "execution_id": str(child.pk),
            "status": status,
            "error": {"code": "no_money", "message": "No money.", "node_id": "pay", "iteration": "2"},
        }

    def test_what_it_has_done_is_not_done_again_by_default(self, parent):
        child = child_of(parent)

        end(child, "failed")

        assert run_of(child).answer["error"]["retryable"] is False

    def test_a_parent_that_sleeps_is_due(self):
        parent = ExecutionFactory(status="running", started_at=NOON, wake_at=None, blocked_on="callback")
        child = child_of(parent)

        end(child, "failed")

        parent.refresh_from_db()
        assert (parent.blocked_on, parent.wake_at is not None, parent.is_signalled) == ("queue", True, False)

    def test_a_parent_that_is_held_is_signalled(self, parent):
        child = child_of(parent)

        end(child, "failed")

        parent.refresh_from_db()
        assert (parent.is_signalled, parent.wake_at, parent.lease_owner) == (True, None, "worker")

    def test_nobody_is_told_of_the_end_of_one_that_was_let_go(self, parent):
        child = child_of(parent, is_waited_for=False)

        end(child, "failed")

        parent.refresh_from_db()
        assert (run_of(child).answer, parent.is_signalled) == (None, False)

    def test_a_node_run_that_was_given_up_stays_as_it_is(self, parent):
        child = child_of(parent)
        parent.node_runs.update(status="timeout", completed_at=NOON)

        end(child, "failed")

        parent.refresh_from_db()
        assert (run_of(child).answer, parent.is_signalled) == (None, False)

    def test_a_parent_that_was_removed_is_not_missed(self, parent):
        child = child_of(parent)
        parent.delete()

        end(child, "failed")

        assert status_of(child) == "failed"

    def test_is_undone_with_the_end(self, parent):
        child = child_of(parent)

        with transaction.atomic():
            end(child, "failed")
            transaction.set_rollback(True)

        assert (run_of(child).answer, status_of(child)) == (None, "pending")


class TestCancelBelow:
    @pytest.mark.parametrize(
        ("status", "becomes"), [("failed", "cancelled"), ("cancelled", "cancelled"), ("timeout", "timeout")]
    )
    def test_ends_all_that_are_waited_for_down_to_the_last(self, parent, status, becomes):
        child = child_of(parent, leased=True)
        grandchild = child_of(child)

        end(parent, status)

        assert (status_of(child), status_of(grandchild)) == (becomes, becomes)
        assert child.error["code"] == "not_awaited"
        assert f"{parent.pk}, which waited for this one, ended as {status}" in child.error["message"]
        assert (child.lease_owner, child.fence) == (None, 2)

    def test_those_that_were_let_go_live_on(self, parent):
        child = child_of(parent, is_waited_for=False)

        end(parent, "cancelled")

        assert status_of(child) == "pending"

    def test_those_that_have_ended_keep_their_end(self, parent):
        child = child_of(parent, ended=True)

        end(parent, "cancelled")

        assert status_of(child) == "completed"

    def test_an_operator_reaches_them_too(self, parent):
        child = child_of(parent)

        services.cancel_execution(parent, by=None, now=NOON)

        assert status_of(child) == "cancelled"

    def test_costs_one_that_completes_no_query(self, parent):
        with CaptureQueriesContext(connection) as queries:
            end(parent)

        asked = [
            query["sql"] for query in queries if '"parent_id" =' in query["sql"] or "workflow_versions" in query["sql"]
        ]
        assert asked == []


class TestCancelFor:
    def test_ends_what_the_given_up_node_runs_waited_for_and_nothing_else(self, parent):
        given_up, other = child_of(parent), child_of(parent)
        parent.node_runs.filter(pk=given_up.parent_node_run_id).update(status="cancelled", completed_at=NOON)

        children.cancel_for([given_up.parent_node_run_id], now=NOON)

        assert (status_of(given_up), status_of(other)) == ("cancelled", "pending")
        assert given_up.error["message"] == "The node that waited for this execution was given up."
        parent.refresh_from_db()
        assert parent.is_signalled is False


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_parent_and_its_child_that_end_in_the_same_moment_take_turns(self):
        for _ in range(15):
            parent = ExecutionFactory(leased=True)
            child = child_of(parent, leased=True)
            grandchild = child_of(child, leased=True)

            at_once(
                lambda parent=parent: ended(parent),
                lambda child=child: ended(child),
                lambda grandchild=grandchild: ended(grandchild),
            )

            assert {status_of(each) for each in (parent, child, grandchild)} <= {"failed", "cancelled"}
            assert status_of(parent) == "failed"

    def test_a_child_waits_for_the_worker_that_records_its_parent(self):
        """Were the child's row locked first, each would have what the other one needs."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's transactions are alone.")
        parent = ExecutionFactory(leased=True)
        child = child_of(parent, leased=True)

        with transaction.atomic():
            WorkflowExecution.objects.filter(pk=parent.pk).update(nodes_executed=1)
            ending = beside(lambda: ended(child))
            ending.join(0.3)
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '1s'")
                end(child, "cancelled")
        ending.join(10)

        assert status_of(child) == "cancelled"

    @pytest.mark.parametrize("change", ["renew", "release"])
    def test_what_changes_many_at_once_waits_for_none_of_them(self, change):
        """It locks rows in no order: waiting for a parent while it holds the child, it would stop whoever ends both."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's transactions are alone.")
        parent = ExecutionFactory(leased=True)
        child = child_of(parent, leased=True)
        later = NOON + timedelta(seconds=10 if change == "renew" else 60)
        before = child.lease_expires_at

        with transaction.atomic():
            WorkflowExecution.objects.filter(pk=parent.pk).update(nodes_executed=1)
            if change == "renew":
                changing = beside(lambda: leases.renew("worker", [parent.pk, child.pk], now=later))
            else:
                changing = beside(lambda: recovery.release_dead_leases(later))
            changing.join(5)
            assert not changing.is_alive()

        for execution in (parent, child):
            execution.refresh_from_db()
        assert parent.lease_expires_at == before
        assert child.lease_expires_at == (later + leases.lease_time() if change == "renew" else None)


def ended(execution):
    """End it, or find that somebody else has."""
    try:
        end(execution, "failed")
    except IllegalTransition:
        return False
    return True
