"""The inbox: delivering again, and cleaning up. What is received is tested where it comes in, in webhooks/."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.engine.recovery import sweep
from executions.exceptions import NotRunnable
from executions.models import WorkflowExecution
from projects.access import Actor
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import DeliveryFactory, UserFactory
from tests.triggers.stories import hook_of, publish_again, published, started_by, webhook
from tests.triggers.webhooks.senders import github_headers, send
from triggers.exceptions import InvalidDelivery, NotRedeliverable
from triggers.models import Trigger, WebhookDelivery
from triggers.services import deliveries, redeliver, remove_old_deliveries, set_secret
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


class TestRemoveOldDeliveries:
    def test_removes_what_is_older_than_the_retention(self, settings):
        settings.EXECUTION_RETENTION_DAYS = 30
        now = timezone.now()
        old = DeliveryFactory(received_at=now - timedelta(days=30, seconds=1))
        kept = DeliveryFactory(received_at=now - timedelta(days=30) + timedelta(seconds=1))

        assert remove_old_deliveries(now) == 1

        assert list(WebhookDelivery.objects.all()) == [kept]
        assert WorkflowExecution.objects.filter(pk=old.execution_id).exists()

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
