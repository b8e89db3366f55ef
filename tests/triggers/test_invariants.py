"""What ``check_invariants`` says about triggers (R-15)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.invariants import GRACE, check_all
from tests.clock import NOON
from tests.factories import DeliveryFactory, ScheduledJobFactory
from tests.triggers.stories import hook_of, job_of, published, schedule, started_by, webhook
from tests.triggers.webhooks.senders import send
from triggers.services import fire_due_schedules

pytestmark = pytest.mark.django_db


def broken(name, now=NOON):
    return next(ids for rule, ids in check_all(now) if rule.name == name)


class TestDeliveryExecuted:
    def test_holds_for_whatever_came_in(self):
        hook = hook_of(published(started_by(hook=webhook())))

        send(hook, 1)
        send(hook, body=b"{broken")

        assert broken("delivery_executed") == []

    def test_finds_an_accepted_delivery_without_an_execution(self):
        lost = DeliveryFactory(execution=None, received_at=NOON)
        DeliveryFactory(rejected=True, received_at=NOON)
        DeliveryFactory(execution=None, received_at=NOON - timedelta(days=2))

        assert broken("delivery_executed") == [str(lost.pk)]


class TestSlotFired:
    def test_holds_once_the_sweep_has_been(self):
        job = job_of(published(started_by(clock=schedule())))
        late = NOON + timedelta(hours=1) + 2 * GRACE
        assert broken("slot_fired", late) == [str(job.pk)]

        fire_due_schedules(late)

        assert broken("slot_fired", late) == []

    def test_leaves_the_sweep_its_time(self):
        ScheduledJobFactory(next_run=NOON)

        assert broken("slot_fired", NOON + GRACE / 2) == []
