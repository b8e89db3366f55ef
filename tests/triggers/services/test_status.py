"""How it stands with a trigger: what each kind can truthfully say."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.engine.ending import end_execution
from executions.models import ExecutionStatus
from executions.services import start_manually
from tests.builders import node
from tests.clock import NOON
from tests.factories import ExecutionFactory, TriggerFactory
from tests.triggers.stories import (
    after,
    event,
    hook_of,
    job_of,
    poll,
    publish_again,
    published,
    schedule,
    started_by,
    trigger_of,
    webhook,
)
from tests.triggers.webhooks.senders import send
from triggers.models import Poll, Trigger, WebhookRegistration
from triggers.services import (
    emit,
    fire_due_schedules,
    pause_job,
    pause_poll,
    set_secret,
    status_of,
    switch_trigger,
    switch_webhook,
)
from triggers.services.status import EXECUTIONS_LOOKED_AT, status_of_kind
from workflows.models import TriggerType, Workflow
from workflows.services import archive, disable, pause

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
SECRET = "sixteen-letters!"


def hooked(**config):
    return published(started_by(hook=webhook(**config)))


def clocked(cron="0 * * * *", **config):
    return published(started_by(clock=schedule(cron, **config)))


def status(workflow, node_id, now=NOON):
    return status_of(
        Trigger.objects.select_related("workflow__project").get(workflow=workflow, node_id=node_id), now=now
    )


def codes(reasons):
    return [reason.code for reason in reasons]


def obstacles(workflow, node_id):
    return codes(status(workflow, node_id).obstacles)


class TestEveryKind:
    @pytest.mark.parametrize(("workflow", "node_id"), [(hooked, "hook"), (clocked, "clock")])
    def test_fires_once_it_is_published(self, workflow, node_id):
        found = status(workflow(), node_id)

        assert (found.fires, found.obstacles, found.last_execution, found.last_fired_at) == (True, (), None, None)

    @pytest.mark.parametrize(("workflow", "node_id"), [(hooked, "hook"), (clocked, "clock")])
    def test_says_that_it_is_switched_off(self, workflow, node_id):
        workflow = workflow()
        switch_trigger(trigger_of(workflow, node_id), is_active=False, by=None, now=NOON)

        found = status(workflow, node_id)

        assert (found.fires, codes(found.obstacles), found.next_fire_at) == (False, ["switched_off"], None)

    def test_says_that_its_node_is_gone(self):
        workflow = hooked()
        publish_again(workflow, started_by(other=webhook()))

        assert obstacles(workflow, "hook") == ["node_gone"]

    def test_says_that_its_workflow_is_disabled_and_why(self):
        workflow = hooked()
        disable(workflow, reason="Too dear.", by=None, now=NOON)

        (reason,) = status(workflow, "hook").obstacles

        assert reason.code == "workflow_disabled"
        assert "Too dear." in reason.message

    def test_says_that_its_workflow_is_archived(self):
        workflow = clocked()
        archive(workflow, by=None, now=NOON)

        assert obstacles(workflow, "clock") == ["workflow_archived"]

    def test_says_everything_that_is_in_the_way(self):
        workflow = hooked(auth={"scheme": "github"})
        switch_trigger(trigger_of(workflow, "hook"), is_active=False, by=None, now=NOON)
        switch_webhook(hook_of(workflow), is_active=False, by=None, now=NOON)
        disable(workflow, reason="", by=None, now=NOON)

        assert obstacles(workflow, "hook") == ["switched_off", "workflow_disabled", "route_closed", "secret_not_set"]

    @pytest.mark.parametrize("kind", TriggerType)
    def test_is_looked_at(self, kind):
        trigger = TriggerFactory(type=kind, is_registered=False)

        assert codes(status_of(trigger, now=NOON).obstacles)[0] == "node_gone"

    def test_has_one_function(self):
        with pytest.raises(ValueError, match="Two functions"):
            status_of_kind(TriggerType.WEBHOOK)(lambda trigger, now: None)


class TestManual:
    def test_asks_no_switch(self):
        trigger = TriggerFactory(is_active=False)

        assert status_of(trigger, now=NOON).fires

    def test_tells_the_last_start_by_hand_and_not_another_one(self):
        trigger = TriggerFactory()
        version = trigger.workflow.versions.get()
        started = ExecutionFactory(workflow_version=version, ended=True)
        ExecutionFactory(workflow_version=version, triggered_by=TriggerType.SCHEDULE, created_at=NOON + HOUR)

        found = status_of(trigger, now=NOON)

        assert (found.last_execution, found.last_fired_at) == (started, started.created_at)

    def test_looks_at_no_more_than_the_last_thousand(self, monkeypatch):
        assert EXECUTIONS_LOOKED_AT == 1000
        monkeypatch.setattr("triggers.services.status.EXECUTIONS_LOOKED_AT", 1)
        trigger = TriggerFactory()
        version = trigger.workflow.versions.get()
        ExecutionFactory(workflow_version=version)
        ExecutionFactory(workflow_version=version, triggered_by=TriggerType.SCHEDULE, created_at=NOON + HOUR)

        assert status_of(trigger, now=NOON).last_execution is None


class TestWebhook:
    def test_tells_the_execution_that_the_last_delivery_started(self):
        workflow = hooked()
        hook = hook_of(workflow)
        send(hook, 1)
        send(hook, 2)

        found = status(workflow, "hook")

        assert found.last_execution == workflow.executions.latest("created_at")
        assert found.last_execution.status == "completed"
        assert found.next_fire_at is None

    def test_says_that_no_secret_is_set_and_that_therefore_all_is_refused(self):
        """S-WH-2"""
        workflow = hooked(auth={"scheme": "github"})

        assert obstacles(workflow, "hook") == ["secret_not_set"]

        set_secret(hook_of(workflow), secret=SECRET, by=None, now=NOON)
        assert obstacles(workflow, "hook") == []

    def test_says_that_the_secret_is_one_of_another_scheme(self):
        workflow = hooked(auth={"scheme": "github"})
        set_secret(hook_of(workflow), secret=SECRET, by=None, now=NOON)

        publish_again(workflow, started_by(hook=webhook(auth={"scheme": "standard_webhooks"})))

        assert obstacles(workflow, "hook") == ["secret_unusable"]

    def test_says_that_its_secrets_cannot_be_read(self):
        workflow = hooked(auth={"scheme": "github"})
        WebhookRegistration.objects.update(secret="not an envelope")

        assert obstacles(workflow, "hook") == ["secret_unreadable"]

    def test_says_that_its_scheme_is_not_known(self):
        workflow = hooked()
        WebhookRegistration.objects.update(auth={"scheme": "of a later version"})

        assert obstacles(workflow, "hook") == ["scheme_unknown"]

    def test_says_that_its_address_is_closed(self):
        workflow = hooked()
        switch_webhook(hook_of(workflow), is_active=False, by=None, now=NOON)

        assert obstacles(workflow, "hook") == ["route_closed"]

    def test_goes_on_while_its_workflow_is_paused_and_says_that_what_comes_waits(self):
        workflow = hooked()
        pause(workflow, reason="", by=None, now=NOON)

        found = status(workflow, "hook")

        assert (found.fires, codes(found.remarks)) == (True, ["workflow_paused"])

    def test_says_why_the_last_delivery_was_refused_until_one_is_accepted(self):
        workflow = hooked(auth={"scheme": "bearer"})
        hook = hook_of(workflow)
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())
        send(hook, 1, authorization="Bearer wrong")

        (remark,) = status(workflow, "hook", timezone.now()).remarks

        assert remark.code == "last_refused"
        assert "not the webhook's secret" in remark.message
        send(hook, 1, authorization=f"Bearer {SECRET}")
        assert status(workflow, "hook", timezone.now()).remarks == ()


class TestSchedule:
    def test_tells_its_last_execution_and_its_next_slot(self):
        workflow = clocked()
        fire_due_schedules(NOON + HOUR)

        found = status(workflow, "clock", NOON + HOUR)

        assert found.last_execution.scheduled_for == NOON + HOUR
        assert found.next_fire_at == NOON + 2 * HOUR

    def test_does_not_take_a_rerun_for_a_slot(self):
        workflow = clocked()
        fire_due_schedules(NOON + HOUR)
        first = workflow.executions.get()
        ExecutionFactory(
            workflow_version=first.workflow_version,
            trigger_id=first.trigger_id,
            scheduled_for=first.scheduled_for,
            rerun_of=first,
            created_at=NOON + 2 * HOUR,
        )

        assert status(workflow, "clock").last_execution == first

    def test_says_that_it_is_paused_and_why(self):
        workflow = clocked()
        pause_job(job_of(workflow), reason="Stocktaking.", by=None, now=NOON)

        found = status(workflow, "clock")

        assert (codes(found.obstacles), found.next_fire_at) == (["paused"], None)
        assert "Stocktaking." in found.obstacles[0].message

    def test_stands_while_its_workflow_is_paused(self):
        workflow = clocked()
        pause(workflow, reason="", by=None, now=NOON)

        assert obstacles(workflow, "clock") == ["workflow_paused"]

    def test_says_that_a_slot_waits_for_an_execution(self):
        workflow = clocked(overlap="queue")
        fire_due_schedules(NOON + HOUR)
        fire_due_schedules(NOON + 2 * HOUR)

        (remark,) = status(workflow, "clock", NOON + 2 * HOUR).remarks

        assert remark.code == "slot_waits"
        assert str(workflow.executions.get().pk) in remark.message
        assert "14:00:00" in remark.message

    def test_remarks_nothing_while_the_next_slot_is_still_to_come(self):
        workflow = clocked(overlap="queue")
        fire_due_schedules(NOON + HOUR)

        assert status(workflow, "clock", NOON + HOUR).remarks == ()

    def test_says_why_the_last_slots_did_not_fire(self):
        workflow = clocked(overlap="skip")
        for hours in (1, 2, 3):
            fire_due_schedules(NOON + hours * HOUR)

        (remark,) = status(workflow, "clock", NOON + 3 * HOUR).remarks

        assert remark.code == "last_skipped"
        assert "14:00:00 to 2026-03-04 15:00:00 UTC (2) did not fire: " in remark.message
        assert str(workflow.executions.get().pk) in remark.message

    def test_does_not_speak_of_skipped_slots_once_a_later_one_has_fired(self):
        workflow = clocked(overlap="skip")
        for hours in (1, 2):
            fire_due_schedules(NOON + hours * HOUR)
        end_execution(workflow.executions.get(), ExecutionStatus.CANCELLED, now=NOON + 2 * HOUR, error=None)
        fire_due_schedules(NOON + 3 * HOUR)

        assert status(workflow, "clock", NOON + 3 * HOUR).remarks == ()

    def test_ends_what_a_person_has_written_with_a_full_stop(self):
        workflow = clocked()
        pause_job(job_of(workflow), reason="Stocktaking", by=None, now=NOON)

        assert "Stocktaking. Resume it." in status(workflow, "clock").obstacles[0].message

    def test_says_that_no_slot_is_left(self):
        workflow = clocked(end_date="2020-01-01T00:00:00Z")

        assert obstacles(workflow, "clock") == ["no_more_slots"]


class TestCost:
    @pytest.mark.parametrize(
        ("workflow", "node_id", "queries"),
        [(lambda: hooked(auth={"scheme": "bearer"}), "hook", 5), (clocked, "clock", 3)],
    )
    def test_does_not_grow_with_what_has_happened(self, workflow, node_id, queries, django_assert_max_num_queries):
        trigger = Trigger.objects.select_related("workflow__project").get(workflow=workflow(), node_id=node_id)

        with django_assert_max_num_queries(queries):
            status_of(trigger, now=NOON)


class TestEvents:
    def test_name_the_last_execution_that_one_has_started(self):
        workflow = published(started_by(told=event("order.created")))

        emit(workflow.project, "order.created", now=NOON)

        assert status(workflow, "told").last_execution == workflow.executions.get()

    def test_say_why_the_last_one_started_nothing(self):
        workflow = published(started_by(told=event("order.created", filter="{{ trigger.data.total > 100 }}")))

        emit(workflow.project, "order.created", {"total": 1}, now=NOON)

        (remark,) = status(workflow, "told").remarks
        assert remark.code == "last_filtered"
        assert "order.created" in remark.message

    def test_of_other_workflows_ends_are_told_likewise(self):
        first = published(started_by(start=node("trigger", {"kind": "manual"})))
        follower = published(started_by(told=after(first)), project=first.project)
        execution = start_manually(first, input={}, by=None, now=NOON)

        end_execution(execution, ExecutionStatus.FAILED, now=NOON, error={"code": "x", "message": "x"})

        assert status(follower, "told").last_execution is None
        assert status(follower, "told").fires


class TestWorkflows:
    def followed(self):
        first = published(started_by(start=node("trigger", {"kind": "manual"})))
        return first, published(started_by(told=after(first)), project=first.project)

    def test_fire_while_the_other_one_is_there(self):
        assert status(self.followed()[1], "told").fires

    def test_say_that_nobody_has_the_name_any_more(self):
        first, follower = self.followed()
        Workflow.objects.filter(pk=first.pk).update(name="Something else")

        (obstacle,) = status(follower, "told").obstacles

        assert obstacle.code == "followed_unknown"
        assert first.name in obstacle.message

    def test_say_that_the_other_one_is_archived(self):
        first, follower = self.followed()
        archive(first, by=None, now=NOON)

        assert obstacles(follower, "told") == ["followed_archived"]


class TestPolls:
    def polled(self):
        return published(started_by(look=poll("feed.read", **{"with": {"url": "http://127.0.0.1:1/"}})))

    def test_tell_when_they_look_next(self):
        workflow = self.polled()

        assert status(workflow, "look").next_fire_at == Poll.objects.get().next_run

    def test_say_why_they_are_paused(self):
        workflow = self.polled()
        pause_poll(Poll.objects.get(), by=None, now=NOON, reason="The feed moves.")

        found = status(workflow, "look")

        assert (codes(found.obstacles), found.next_fire_at) == (["paused"], None)
        assert "The feed moves." in found.obstacles[0].message

    def test_do_not_look_for_a_paused_workflow(self):
        workflow = self.polled()
        pause(workflow, by=None, now=NOON)

        assert obstacles(workflow, "look") == ["workflow_paused"]

    def test_say_what_went_wrong_last(self):
        workflow = self.polled()
        Poll.objects.update(consecutive_errors=2, last_error={"code": "x", "message": "The feed is gone.", "at": ""})

        (remark,) = status(workflow, "look").remarks

        assert (remark.code, remark.message) == ("last_failed", "The last 2 polls failed: The feed is gone.")
