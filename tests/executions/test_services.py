"""What people and other apps do with executions."""

from __future__ import annotations

import pytest
from django.utils import timezone

from executions import services
from executions.exceptions import IdempotencyMismatch, IllegalTransition, InvalidInput, NotRunnable
from executions.models import WorkflowExecution
from projects.access import Actor
from projects.models import AuditEntry
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ExecutionFactory, UserFactory, VersionFactory, WorkflowFactory
from tests.threads import at_once
from workflows.models import WorkflowStatus

pytestmark = pytest.mark.django_db


def start(workflow, **more):
    return services.start_manually(workflow, **({"input": {}, "by": None, "now": NOON} | more))


class TestStartExecution:
    def test_is_due_at_once_and_says_that_it_waits_for_a_worker(self):
        """[R-1]"""
        execution = start(WorkflowFactory(published=True))

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on) == ("pending", "queue")
        assert execution.wake_at <= timezone.now()

    def test_keeps_the_version_of_that_moment(self):
        workflow = WorkflowFactory(published=True)
        execution = start(workflow)
        VersionFactory(workflow=workflow, number=2)
        workflow.version = 2
        workflow.save()

        assert execution.workflow_version.number == 1
        assert start(workflow).workflow_version.number == 2

    def test_accepts_for_a_paused_workflow(self):
        assert start(WorkflowFactory(paused=True)).status == "pending"

    @pytest.mark.parametrize(("trait", "says"), [("disabled", "Enable it first"), ("archived", "starts nothing")])
    def test_refuses_for_one_that_is_switched_off(self, trait, says):
        with pytest.raises(NotRunnable, match=says):
            start(WorkflowFactory(**{trait: True}))

    def test_refuses_for_one_that_was_never_published(self):
        with pytest.raises(NotRunnable, match="Publish it first"):
            start(WorkflowFactory(status=WorkflowStatus.DRAFT))

    def test_keeps_what_the_database_could_not_hold(self):
        """[R-14]"""
        execution = start(WorkflowFactory(published=True), input={"text": "a\x00b"})

        execution.refresh_from_db()
        assert "\x00" not in execution.execution_context["trigger"]["text"]


class TestStartManually:
    def test_begins_at_the_manual_trigger(self):
        raw = definition(
            "hook > end",
            "button > end",
            hook=node("trigger", {"kind": "webhook"}),
            button=node("trigger", {"kind": "manual"}),
        )

        execution = start(WorkflowFactory(published=True, definition=raw))

        assert execution.execution_context["node_id"] == "button"

    def test_asks_which_trigger_is_meant_when_there_are_several(self):
        raw = definition(
            "one > end", "two > end", one=node("trigger", {"kind": "webhook"}), two=node("trigger", {"kind": "webhook"})
        )
        workflow = WorkflowFactory(published=True, definition=raw)

        with pytest.raises(InvalidInput, match="one, two"):
            start(workflow)
        assert start(workflow, node_id="two").execution_context["node_id"] == "two"

    def test_refuses_a_trigger_that_is_none(self):
        with pytest.raises(InvalidInput, match="'nope' is not a trigger node"):
            start(WorkflowFactory(published=True), node_id="nope")

    def test_refuses_input_that_does_not_fit_with_all_problems(self):
        inputs = {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name"],
        }
        workflow = WorkflowFactory(published=True, definition=definition("start > end", inputs=inputs))

        with pytest.raises(InvalidInput) as refused:
            start(workflow, input={"age": "old"})

        assert {problem["path"] for problem in refused.value.problems} == {"/input", "/input/age"}
        assert not WorkflowExecution.objects.exists()

    def test_the_same_key_answers_with_the_first_execution(self):
        """[R-2]"""
        workflow = WorkflowFactory(published=True)
        first = start(workflow, idempotency_key="order-17", input={"n": 1})

        assert start(workflow, idempotency_key="order-17", input={"n": 1}) == first
        assert WorkflowExecution.objects.count() == 1

    def test_the_same_key_with_another_input_is_refused(self):
        """[R-2]"""
        workflow = WorkflowFactory(published=True)
        start(workflow, idempotency_key="order-17", input={"n": 1})

        with pytest.raises(IdempotencyMismatch, match="another workflow or input"):
            start(workflow, idempotency_key="order-17", input={"n": 2})


@pytest.mark.django_db(transaction=True)
class TestStartManuallyAtOnce:
    def test_the_same_key_in_the_same_moment_starts_one(self):
        """[R-2]"""
        workflow = WorkflowFactory(published=True)

        started = at_once(*[lambda: start(workflow, idempotency_key="order-17").pk] * 4)

        assert len(set(started)) == 1
        assert WorkflowExecution.objects.count() == 1


class TestCancelExecution:
    @pytest.mark.parametrize("trait", [{}, {"leased": True}, {"waiting": True}])
    def test_ends_it_wherever_it_is(self, trait):
        execution = ExecutionFactory(**trait)

        services.cancel_execution(execution, by=None, now=NOON, reason="Not needed.")

        execution.refresh_from_db()
        assert (execution.status, execution.completed_at, execution.lease_owner) == ("cancelled", NOON, None)
        assert "Not needed." in execution.error["message"]

    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "timeout"])
    def test_leaves_an_ended_execution_alone(self, status):
        execution = ExecutionFactory(ended=True, status=status, error={"code": "x", "message": "x"})

        with pytest.raises(IllegalTransition, match="cannot become cancelled"):
            services.cancel_execution(execution, by=None, now=NOON)

        execution.refresh_from_db()
        assert execution.status == status

    def test_is_written_to_the_audit_log(self):
        execution = ExecutionFactory()

        services.cancel_execution(execution, by=Actor(user=UserFactory(username="olga")), now=NOON)

        assert AuditEntry.objects.get(action="execution.cancelled").actor_name == "olga"


class TestRerunExecution:
    def test_runs_the_same_version_with_the_same_input_as_a_new_execution(self):
        first = ExecutionFactory(failed=True, execution_context={"trigger": {"n": 7}, "node_id": "start"})

        again = services.rerun_execution(first, by=None, now=NOON)

        assert (again.rerun_of, again.workflow_version, again.status) == (first, first.workflow_version, "pending")
        assert again.execution_context["trigger"] == {"n": 7}

    def test_takes_another_input_and_the_newest_version_if_asked(self):
        first = ExecutionFactory(ended=True)
        newest = VersionFactory(workflow=first.workflow, number=2)
        first.workflow.version = 2
        first.workflow.save()

        again = services.rerun_execution(first, by=None, now=NOON, input={"n": 8}, newest=True)

        assert (again.workflow_version, again.execution_context["trigger"]) == (newest, {"n": 8})

    def test_waits_for_the_end_of_a_live_one(self):
        with pytest.raises(IllegalTransition, match="Cancel it first"):
            services.rerun_execution(ExecutionFactory(), by=None, now=NOON)

    def test_a_slot_of_a_schedule_can_be_run_again(self):
        first = ExecutionFactory(ended=True, trigger_id="0198c5a0-0000-7000-8000-000000000000", scheduled_for=NOON)

        again = services.rerun_execution(first, by=None, now=NOON)

        assert again.scheduled_for == NOON
