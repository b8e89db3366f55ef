"""What publishing does to triggers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.clock import NOON
from tests.factories import ProjectFactory
from tests.threads import at_once
from tests.triggers.stories import (
    hook_of,
    job_of,
    publish_again,
    published,
    schedule,
    started_by,
    trigger_of,
    webhook,
)
from tests.triggers.webhooks.senders import send
from triggers.exceptions import PathTaken
from triggers.models import ScheduledJob, Trigger, WebhookRegistration
from triggers.services import pause_job, set_secret, switch_trigger
from workflows.models import Workflow
from workflows.services import archive, create_workflow, publish

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(days=1)
GITHUB = {"scheme": "github"}
BEARER = {"scheme": "bearer"}


class TestTriggers:
    def test_every_trigger_node_gets_its_row(self):
        workflow = published(started_by(hook=webhook(), clock=schedule()))

        rows = Trigger.objects.filter(workflow=workflow).order_by("node_id")

        assert [(row.node_id, row.type, row.is_registered, row.is_active) for row in rows] == [
            ("clock", "schedule", True, True),
            ("hook", "webhook", True, True),
        ]
        assert rows[0].config == {"kind": "schedule", "cron": "0 * * * *"}

    def test_a_disabled_node_is_no_trigger(self):
        workflow = published(started_by(hook=webhook() | {"disabled": True}, clock=schedule()))

        assert [row.node_id for row in Trigger.objects.filter(workflow=workflow)] == ["clock"]

    def test_a_new_version_keeps_the_row_and_its_switch(self):
        workflow = published(started_by(hook=webhook()))
        trigger = trigger_of(workflow, "hook")
        switch_trigger(trigger, is_active=False, by=None, now=NOON)

        publish_again(workflow, started_by(hook=webhook(methods=["PUT"])))

        again = trigger_of(workflow, "hook")
        assert (again.pk, again.is_active) == (trigger.pk, False)
        assert again.config["methods"] == ["PUT"]

    def test_a_node_that_is_gone_leaves_its_rows_closed_and_takes_them_up_again(self):
        workflow = published(started_by(hook=webhook(), other=webhook()))
        hook = hook_of(workflow)

        publish_again(workflow, started_by(other=webhook()))
        assert not trigger_of(workflow, "hook").is_registered
        assert not WebhookRegistration.objects.routed().filter(pk=hook.pk).exists()

        publish_again(workflow, started_by(hook=webhook(), other=webhook()))
        assert (hook_of(workflow).pk, hook_of(workflow).path) == (hook.pk, hook.path)
        assert WebhookRegistration.objects.routed().filter(pk=hook.pk).exists()

    def test_a_node_that_changes_its_kind_changes_what_belongs_to_it(self):
        workflow = published(started_by(start=webhook()))
        hook = hook_of(workflow, "start")

        publish_again(workflow, started_by(start=schedule()))

        assert job_of(workflow, "start").next_run == NOON + timedelta(hours=1)
        assert not WebhookRegistration.objects.routed().filter(pk=hook.pk).exists()


class TestRoutes:
    def test_a_path_of_its_own_is_random_with_128_bits(self):
        """S-WH-1"""
        paths = {hook_of(published(started_by(hook=webhook()))).path for _ in range(3)}

        assert len(paths) == 3
        assert all(re.fullmatch("[0-9a-f]{32}", path) for path in paths)

    def test_a_random_path_stays_over_versions(self):
        workflow = published(started_by(hook=webhook()))
        path = hook_of(workflow).path

        publish_again(workflow, started_by(hook=webhook(methods=["PUT"])))

        assert hook_of(workflow).path == path

    def test_a_chosen_path_is_the_path(self):
        workflow = published(started_by(hook=webhook(path="orders/new", auth=GITHUB)))

        assert hook_of(workflow).path == "orders/new"

    def test_a_path_can_be_chosen_later_and_given_up_again(self):
        workflow = published(started_by(hook=webhook()))
        publish_again(workflow, started_by(hook=webhook(path="orders", auth=GITHUB)))
        assert hook_of(workflow).path == "orders"

        publish_again(workflow, started_by(hook=webhook()))
        assert re.fullmatch("[0-9a-f]{32}", hook_of(workflow).path)

    def test_settings_follow_the_version_and_the_rest_stays(self):
        workflow = published(started_by(hook=webhook(auth=BEARER)))
        hook = hook_of(workflow)
        set_secret(hook, secret="sixteen-letters!", by=None, now=NOON)
        WebhookRegistration.objects.filter(pk=hook.pk).update(is_active=False, forgotten_count=7, forgotten_latest=NOON)
        envelope = hook_of(workflow).secret

        publish_again(
            workflow,
            started_by(
                hook=webhook(
                    auth={"scheme": "header", "header": "X-Token"},
                    methods=["PUT", "POST"],
                    headers_validation={"X-Kind": "order"},
                    body_schema={"type": "object"},
                )
            ),
        )

        again = hook_of(workflow)
        assert again.auth == {"scheme": "header", "header": "X-Token"}
        assert again.methods == ["PUT", "POST"]
        assert again.headers_validation == {"X-Kind": "order"}
        assert again.body_schema == {"type": "object"}
        assert (again.secret, again.is_active, again.forgotten_count, again.forgotten_latest) == (
            envelope,
            False,
            7,
            NOON,
        )

    def test_what_is_written_literally_is_not_taken_for_an_expression(self):
        hook = hook_of(published(started_by(hook=webhook(body_schema={"$literal": {"const": "{{ x }}"}}))))

        assert send(hook, "{{ x }}").status_code == 202
        assert send(hook, "x").status_code == 400

    def test_a_path_of_another_workflow_undoes_the_publishing(self):
        published(started_by(hook=webhook(path="orders", auth=GITHUB)))
        other = create_workflow(
            ProjectFactory(),
            name="Other",
            definition=started_by(hook=webhook(path="orders", auth=GITHUB)),
            by=None,
            now=NOON,
        )

        with pytest.raises(PathTaken, match="Node hook: another webhook has the path 'orders'"):
            publish(other, by=None, now=NOON)

        other.refresh_from_db()
        assert (other.status, other.version) == ("draft", 0)
        assert not Trigger.objects.filter(workflow=other).exists()

    def test_an_archived_workflow_keeps_its_path(self):
        archive(published(started_by(hook=webhook(path="orders", auth=GITHUB))), by=None, now=NOON)

        with pytest.raises(PathTaken):
            published(started_by(hook=webhook(path="orders", auth=GITHUB)))

    def test_a_chosen_path_is_free_once_its_node_is_gone(self):
        first = published(started_by(hook=webhook(path="orders", auth=GITHUB), clock=schedule()))
        publish_again(first, started_by(clock=schedule()))

        second = published(started_by(hook=webhook(path="orders", auth=GITHUB)))

        assert hook_of(second).path == "orders"
        with pytest.raises(PathTaken):
            publish_again(first, started_by(hook=webhook(path="orders", auth=GITHUB), clock=schedule()))

    def test_two_nodes_can_exchange_their_paths(self):
        workflow = published(started_by(a=webhook(path="one", auth=GITHUB), b=webhook(path="two", auth=GITHUB)))

        publish_again(workflow, started_by(a=webhook(path="two", auth=GITHUB), b=webhook(path="one", auth=GITHUB)))

        assert (hook_of(workflow, "a").path, hook_of(workflow, "b").path) == ("two", "one")

    def test_a_path_moves_to_another_node(self):
        workflow = published(started_by(a=webhook(path="one", auth=GITHUB)))

        publish_again(workflow, started_by(b=webhook(path="one", auth=GITHUB)))

        assert hook_of(workflow, "b").path == "one"


class TestClocks:
    def test_the_first_slot_comes_after_now(self):
        workflow = published(started_by(clock=schedule("30 2 * * *", timezone="Europe/Berlin")))

        job = job_of(workflow)
        assert (job.cron_expression, job.timezone) == ("30 2 * * *", "Europe/Berlin")
        assert job.next_run == datetime(2026, 3, 5, 1, 30, tzinfo=UTC)

    def test_the_workflow_s_zone_counts_where_the_node_names_none(self):
        raw = started_by(
            clock=schedule("0 0 * * *", start_date="2026-04-01T00:00"), settings={"timezone": "Asia/Tokyo"}
        )

        job = job_of(published(raw))

        assert (job.timezone, job.start_date) == ("Asia/Tokyo", datetime(2026, 3, 31, 15, tzinfo=UTC))
        assert job.next_run == datetime(2026, 3, 31, 15, tzinfo=UTC)

    def test_a_new_version_with_the_same_times_keeps_the_next_run_and_what_happened(self):
        workflow = published(started_by(clock=schedule(end_date="2030-01-01T00:00Z")))
        ScheduledJob.objects.filter(workflow=workflow).update(
            run_count=3, consecutive_failures=2, max_consecutive_failures=9, last_run=NOON
        )

        publish_again(workflow, started_by(clock=schedule(end_date="2030-01-01T00:00Z"), hook=webhook()), now=LATER)

        job = job_of(workflow)
        assert job.next_run == NOON + timedelta(hours=1)
        assert (job.run_count, job.consecutive_failures, job.max_consecutive_failures) == (3, 2, 9)
        assert job.last_run == NOON

    @pytest.mark.parametrize(
        ("changed", "next_run"),
        [
            (schedule("30 * * * *"), LATER + timedelta(minutes=30)),
            (schedule("0 * * * *", timezone="Asia/Kolkata"), LATER + timedelta(minutes=30)),
            (schedule("0 * * * *", start_date="2026-06-01T00:00Z"), datetime(2026, 6, 1, tzinfo=UTC)),
            (schedule("0 * * * *", end_date="2026-03-05T00:00Z"), None),
        ],
    )
    def test_other_times_begin_now(self, changed, next_run):
        workflow = published(started_by(clock=schedule("0 * * * *")))

        publish_again(workflow, started_by(clock=changed), now=LATER)

        assert job_of(workflow).next_run == next_run

    def test_a_job_that_was_paused_stays_so(self):
        workflow = published(started_by(clock=schedule()))
        pause_job(job_of(workflow), reason="Stocktaking.", by=None, now=NOON)

        publish_again(workflow, started_by(clock=schedule("5 * * * *")), now=LATER)

        assert (job_of(workflow).is_active, job_of(workflow).paused_reason) == (False, "Stocktaking.")

    def test_a_clock_that_comes_back_makes_nothing_up(self):
        workflow = published(started_by(clock=schedule(), hook=webhook()))
        publish_again(workflow, started_by(hook=webhook()))
        assert not ScheduledJob.objects.due(LATER).exists()

        publish_again(workflow, started_by(clock=schedule(), hook=webhook()), now=LATER)

        assert job_of(workflow).next_run == LATER + timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_one_of_two_workflows_gets_a_path(self):
        def draft() -> Workflow:
            raw = started_by(hook=webhook(path="orders", auth=GITHUB))
            return create_workflow(ProjectFactory(), name="Orders", definition=raw, by=None, now=NOON)

        def publishing(workflow):
            def act():
                try:
                    publish(workflow, by=None, now=NOON)
                except PathTaken as error:
                    return error.code
                return "published"

            return act

        results = at_once(*(publishing(draft()) for _ in range(3)))

        assert sorted(results) == ["path_taken", "path_taken", "published"]
        assert WebhookRegistration.objects.count() == 1
