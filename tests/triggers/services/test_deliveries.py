"""The inbox: delivering again, and cleaning up. What is received is tested where it comes in, in webhooks/."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from executions.engine.recovery import sweep
from executions.exceptions import NotRunnable
from executions.models import WorkflowExecution
from projects.access import Actor
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import DeliveryFactory, UserFactory
from tests.threads import at_once
from tests.triggers.stories import hook_of, publish_again, published, started_by, webhook
from tests.triggers.webhooks.senders import github_headers, send
from triggers.exceptions import InvalidDelivery, NotRedeliverable
from triggers.models import Trigger, WebhookDelivery, WebhookRegistration
from triggers.services import RunOn, deliveries, redeliver, redeliver_many, remove_old_deliveries, set_secret
from workflows.services import disable, enable

pytestmark = pytest.mark.django_db

SECRET = "sixteen-letters!"


def a_hook(**config):
    return hook_of(published(started_by(hook=webhook(**config))))


def received(hook, value=None, **request):
    """Send something and return the delivery that was kept."""
    send(hook, value, **request)
    return WebhookDelivery.objects.latest("id")


class TestRedeliver:
    def test_starts_a_new_execution_with_the_same_content(self):
        delivery = received(a_hook(), {"a": 1}, query="?b=2", x_kind="order")
        first = delivery.execution

        again = redeliver(delivery, by=None, now=NOON)

        assert again.execution != first
        assert again.execution.execution_context == first.execution_context
        assert (again.redelivery_of, again.verdict, bytes(again.body)) == (delivery, "accepted", bytes(delivery.body))

    def test_runs_the_newest_version(self):
        hook = a_hook()
        delivery = received(hook, {"a": 1})
        publish_again(hook.workflow, started_by(hook=webhook(methods=["PUT"])))

        assert redeliver(delivery, by=None, now=NOON).execution.workflow_version.number == 2

    def test_runs_the_version_that_it_ran_before_if_that_is_wished(self):
        hook = a_hook()
        delivery = received(hook, {"a": 1})
        publish_again(hook.workflow, started_by(hook=webhook(methods=["PUT"])))

        again = redeliver(delivery, version=RunOn.ORIGINAL, by=None, now=NOON)

        assert again.execution.workflow_version == delivery.execution.workflow_version
        assert again.execution.workflow_version.number == 1

    def test_runs_the_version_that_it_ran_before_also_where_the_newest_has_no_such_webhook(self):
        hook = a_hook()
        delivery = received(hook, {"a": 1})
        publish_again(hook.workflow, started_by(other=webhook()))

        again = redeliver(WebhookDelivery.objects.get(pk=delivery.pk), version=RunOn.ORIGINAL, by=None, now=NOON)

        assert (again.execution.status, again.execution.workflow_version.number) == ("completed", 1)

    def test_has_no_version_of_its_own_where_nothing_ran(self):
        with pytest.raises(NotRedeliverable, match="no original version"):
            redeliver(received(a_hook(), body=b"{"), version=RunOn.ORIGINAL, by=None, now=NOON)

    def test_is_never_a_duplicate(self):
        hook = a_hook(auth={"scheme": "github"})
        set_secret(hook, secret=SECRET, by=None, now=NOON)
        delivery = received(hook, body=b"{}", **github_headers(SECRET, b"{}"))

        redeliver(delivery, by=None, now=NOON)
        redeliver(delivery, by=None, now=NOON)

        assert WorkflowExecution.objects.count() == 3

    def test_is_written_down_with_who_did_it(self):
        person = UserFactory()
        delivery = received(a_hook(), 1)

        again = redeliver(delivery, by=Actor(user=person), now=NOON)

        entry = AuditEntry.objects.get(action="webhook_delivery.redelivered")
        assert (entry.actor, entry.target_id) == (person, str(delivery.pk))
        assert again.execution.started_by == person

    def test_takes_what_was_refused_once_the_reason_is_gone(self):
        hook = a_hook()
        disable(hook.workflow, reason="Moved.", by=None, now=NOON)
        delivery = received(hook, 1)
        assert delivery.reason_code == "workflow_disabled"
        with pytest.raises(NotRunnable):
            redeliver(delivery, by=None, now=NOON)

        enable(hook.workflow, by=None, now=NOON)

        assert redeliver(WebhookDelivery.objects.get(pk=delivery.pk), by=None, now=NOON).execution

    def test_the_schema_of_today_counts(self):
        hook = a_hook(body_schema={"type": "object"})
        delivery = received(hook, 1)

        with pytest.raises(InvalidDelivery) as error:
            redeliver(delivery, by=None, now=NOON)
        assert error.value.problems

        publish_again(hook.workflow, started_by(hook=webhook(body_schema={"type": "integer"})))
        assert redeliver(WebhookDelivery.objects.get(pk=delivery.pk), by=None, now=NOON).execution

    def test_does_not_trust_what_was_not_proven(self):
        """S-WH-2"""
        hook = a_hook(auth={"scheme": "github"})
        set_secret(hook, secret=SECRET, by=None, now=NOON)

        with pytest.raises(NotRedeliverable, match="had not proven itself"):
            redeliver(received(hook, 1), by=None, now=NOON)

    def test_does_not_make_do_with_a_part(self, settings):
        delivery = received(a_hook(), body=b'{"' + b"x" * 70_000)

        with pytest.raises(NotRedeliverable, match="was not kept"):
            redeliver(delivery, by=None, now=NOON)

    def test_does_not_copy_a_copy(self):
        hook = a_hook()
        received(hook, 1, idempotency_key="a")

        with pytest.raises(NotRedeliverable, match="copy"):
            redeliver(received(hook, 1, idempotency_key="a"), by=None, now=NOON)

    def test_needs_a_webhook_that_is_still_there(self):
        delivery = received(a_hook(), 1)
        Trigger.objects.update(is_registered=False)

        with pytest.raises(NotRedeliverable, match="no more"):
            redeliver(WebhookDelivery.objects.get(pk=delivery.pk), by=None, now=NOON)


class TestRedeliverMany:
    def test_says_of_each_what_became_of_it(self):
        hook = a_hook()
        good, copy, other = (received(hook, 1, idempotency_key=key) for key in ("a", "a", "b"))
        nowhere = uuid4()

        outcomes = redeliver_many(
            WebhookDelivery.objects.filter(registration=hook),
            [other.pk, nowhere, copy.pk, good.pk, other.pk],
            version=RunOn.NEWEST,
            by=None,
            now=NOON,
        )

        assert [outcome.id for outcome in outcomes] == [other.pk, nowhere, copy.pk, good.pk]
        codes = [outcome.error.code if outcome.error else outcome.again.verdict for outcome in outcomes]
        assert codes == ["accepted", "not_found", "not_redeliverable", "accepted"]
        assert WorkflowExecution.objects.count() == 4


class TestCounts:
    def counted(self, hook):
        found = WebhookRegistration.objects.with_counts().get(pk=hook.pk)
        return found.trigger_count, found.last_triggered

    def test_are_of_what_was_accepted(self):
        hook = a_hook(filter="{{ trigger.body > 0 }}")
        for value, key in ((1, "a"), (1, "a"), (0, "b"), (2, "c")):
            send(hook, value, idempotency_key=key)
        send(hook, body=b"{")

        latest = WebhookDelivery.objects.get(dedupe_key="c").received_at
        assert self.counted(hook) == (2, latest)

    def test_of_a_webhook_that_nobody_called_are_nothing(self):
        assert self.counted(a_hook()) == (0, None)

    def test_stay_true_when_deliveries_are_removed(self):
        hook, now = a_hook(), timezone.now()
        latest = now - timedelta(days=40)
        for days in (42, 41, 40):
            DeliveryFactory(registration=hook, execution=None, received_at=now - timedelta(days=days))
        DeliveryFactory(registration=hook, received_at=latest + timedelta(hours=1), rejected=True)

        assert remove_old_deliveries(now) == 4

        assert self.counted(hook) == (3, latest)
        assert send(hook, 1).status_code == 202
        assert self.counted(hook)[0] == 4

    def test_of_a_list_cost_no_statement_more(self, django_assert_num_queries):
        hooks = [a_hook() for _ in range(3)]
        for hook in hooks:
            send(hook, 1)

        with django_assert_num_queries(1):
            assert [hook.trigger_count for hook in WebhookRegistration.objects.with_counts()] == [1, 1, 1]


@pytest.mark.django_db(transaction=True)
class TestCountsInTheSameMoment:
    def test_of_two_sweeps_are_counted_once(self):
        hook, now = a_hook(), timezone.now()
        for _ in range(20):
            DeliveryFactory(registration=hook, execution=None, received_at=now - timedelta(days=40))

        removed = at_once(*[lambda: remove_old_deliveries(now)] * 4)

        assert sum(removed) == 20
        assert WebhookRegistration.objects.with_counts().get(pk=hook.pk).trigger_count == 20

    def test_two_deliveries_of_one_webhook_do_not_wait_for_each_other(self):
        """One holds its transaction open, its rows written; the other is answered meanwhile."""
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has one writer at a time.")
        hook = a_hook()
        written, answered = threading.Event(), threading.Event()

        def slow():
            def hold(execute, sql, params, many, context):
                result = execute(sql, params, many, context)
                if sql.startswith('INSERT INTO "webhook_deliveries"'):
                    written.set()
                    assert answered.wait(20)
                return result

            with connection.execute_wrapper(hold):
                return send(hook, 1).status_code

        def quick():
            assert written.wait(20)
            status = send(hook, 2).status_code
            answered.set()
            return status

        assert at_once(slow, quick) == [202, 202]


class TestRemoveOldDeliveries:
    def test_removes_what_is_older_than_the_retention(self, settings):
        settings.EXECUTION_RETENTION_DAYS = 30
        now = timezone.now()
        old = DeliveryFactory(received_at=now - timedelta(days=30, seconds=1))
        kept = DeliveryFactory(received_at=now - timedelta(days=30) + timedelta(seconds=1))

        assert remove_old_deliveries(now) == 1

        assert list(WebhookDelivery.objects.all()) == [kept]
        assert WorkflowExecution.objects.filter(pk=old.execution_id).exists()

    @pytest.mark.parametrize(("days", "is_removed"), [(7, True), (60, False), (0, True)])
    def test_has_a_retention_of_its_own_if_that_is_set(self, settings, days, is_removed):
        settings.EXECUTION_RETENTION_DAYS, settings.WEBHOOK_RETENTION_DAYS = 30, days
        DeliveryFactory(received_at=timezone.now() - timedelta(days=31))

        assert remove_old_deliveries(timezone.now()) == is_removed

    def test_is_part_of_every_sweep(self):
        DeliveryFactory(received_at=timezone.now() - timedelta(days=100))

        sweep()

        assert not WebhookDelivery.objects.exists()

    def test_removes_so_many_at_a_time_the_oldest_first(self, monkeypatch):
        monkeypatch.setattr(deliveries, "REMOVED_AT_ONCE", 2)
        now = timezone.now()
        rows = [DeliveryFactory(received_at=now - timedelta(days=100 - number)) for number in range(3)]

        assert [remove_old_deliveries(now) for _ in range(3)] == [2, 1, 0]
        assert rows

    def test_leaves_a_redelivery_that_is_younger(self):
        old = DeliveryFactory(received_at=timezone.now() - timedelta(days=100))
        young = DeliveryFactory(received_at=timezone.now(), redelivery_of=old)

        remove_old_deliveries(timezone.now())

        young.refresh_from_db()
        assert young.redelivery_of is None
