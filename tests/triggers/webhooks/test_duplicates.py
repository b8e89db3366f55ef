"""What counts as the same delivery: by an expression, and for how long (R-2, S-WH-5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.models import WorkflowExecution
from tests.clock import NOON
from tests.threads import at_once
from tests.triggers.webhooks.hooks import a_hook, verdicts
from tests.triggers.webhooks.senders import send
from triggers.models import WebhookDelivery

BY_ORDER = "{{ trigger.body.order }}"


def order(hook, number, **more):
    return send(hook, {"order": number, **more})


@pytest.mark.django_db
class TestKey:
    def test_the_same_one_gets_the_first_one_s_execution(self):
        """R-2"""
        hook = a_hook(dedupe_key=BY_ORDER)

        first, second, other = order(hook, 7), order(hook, 7), order(hook, 8)

        assert [each.status_code for each in (first, second, other)] == [202, 200, 202]
        assert second.json() == first.json() | {"duplicate": True}
        assert verdicts() == [("accepted", ""), ("duplicate", ""), ("accepted", "")]

    def test_says_by_itself_what_is_the_same(self):
        """Unlike a sender's id, which stands for one content."""
        hook = a_hook(dedupe_key=BY_ORDER)

        assert [order(hook, 7, sent=number).status_code for number in range(2)] == [202, 200]

    def test_takes_the_place_of_the_sender_s_id(self):
        hook = a_hook(dedupe_key=BY_ORDER)

        statuses = [send(hook, {"order": number}, idempotency_key="a").status_code for number in (7, 8)]

        assert statuses == [202, 202]

    def test_of_null_is_none(self):
        hook = a_hook(dedupe_key=BY_ORDER)

        assert [order(hook, None).status_code for _ in range(2)] == [202, 202]
        assert not WebhookDelivery.objects.filter(dedupe_key__isnull=False).exists()

    @pytest.mark.parametrize(
        ("value", "key"), [("a", "a"), (7, "7"), (True, "true"), ({"b": [1], "a": "ä"}, '{"a": "ä", "b": [1]}')]
    )
    def test_is_text_or_json(self, value, key):
        order(a_hook(dedupe_key=BY_ORDER), value)

        assert WebhookDelivery.objects.get().dedupe_key == key

    def test_may_be_put_together_from_several(self):
        send(a_hook(dedupe_key="{{ trigger.body.shop }}-{{ trigger.body.id }}"), {"shop": "a", "id": 1})

        assert WebhookDelivery.objects.get().dedupe_key == "a-1"

    @pytest.mark.parametrize("text", ["x" * 201, "x" * 100_000])
    def test_that_is_too_long_is_known_by_its_hash(self, text):
        hook = a_hook(dedupe_key=BY_ORDER)

        assert [order(hook, each).status_code for each in (text, text, f"{text}!")] == [202, 200, 202]
        assert WebhookDelivery.objects.first().dedupe_key.startswith("sha256:")

    def test_that_fails_refuses(self):
        hook = a_hook(dedupe_key="{{ trigger.body.order.id }}")

        response = order(hook, None)

        assert (response.status_code, response.json()["code"]) == (422, "dedupe_key_failed")
        assert verdicts() == [("rejected", "dedupe_key_failed")]


@pytest.mark.django_db
class TestWindow:
    def sent_at(self, hook, *seconds, time_machine):
        statuses = []
        for each in seconds:
            time_machine.move_to(NOON + timedelta(seconds=each), tick=False)
            statuses.append(send(hook, 1, idempotency_key="a").status_code)
        return statuses

    def test_ends_so_many_seconds_after_the_first(self, time_machine):
        hook = a_hook(dedupe_window_seconds=60)

        assert self.sent_at(hook, 0, 59, 60, 61, 119, 120, time_machine=time_machine) == [202, 200, 202, 200, 200, 202]
        assert WorkflowExecution.objects.count() == 3

    def test_lets_another_body_have_the_id_once_it_is_over(self, time_machine):
        hook = a_hook(dedupe_window_seconds=60)
        time_machine.move_to(NOON, tick=False)
        send(hook, 1, idempotency_key="a")

        time_machine.move_to(NOON + timedelta(seconds=60), tick=False)

        assert send(hook, 2, idempotency_key="a").status_code == 202

    def test_counts_for_keys_of_expressions_too(self, time_machine):
        hook = a_hook(dedupe_key=BY_ORDER, dedupe_window_seconds=60)
        statuses = []
        for seconds in (0, 59, 60):
            time_machine.move_to(NOON + timedelta(seconds=seconds), tick=False)
            statuses.append(order(hook, 7).status_code)

        assert statuses == [202, 200, 202]

    def test_without_one_an_id_counts_as_long_as_its_delivery_is_kept(self, time_machine):
        assert self.sent_at(a_hook(), 0, 29 * 24 * 3600, time_machine=time_machine) == [202, 200]


@pytest.mark.django_db(transaction=True)
class TestInTheSameMoment:
    def test_a_key_starts_one_execution(self):
        """R-2, S-WH-5: eight senders at once, on connections of their own."""
        hook = a_hook(dedupe_key=BY_ORDER)

        responses = at_once(*[lambda: order(hook, 7)] * 8)

        execution = WorkflowExecution.objects.get()
        assert {response.json()["execution_id"] for response in responses} == {str(execution.pk)}
        assert sorted(response.status_code for response in responses) == [200] * 7 + [202]

    def test_a_key_whose_window_is_over_starts_one_execution_more(self):
        """R-2: all of them find the old one, and may take its key; the unique index lets one."""
        hook = a_hook(dedupe_window_seconds=60)
        send(hook, 1, idempotency_key="a")
        WebhookDelivery.objects.update(received_at=timezone.now() - timedelta(seconds=61))

        responses = at_once(*[lambda: send(hook, 1, idempotency_key="a")] * 8)

        assert sorted(response.status_code for response in responses) == [200] * 7 + [202]
        assert WorkflowExecution.objects.count() == 2
        held = WebhookDelivery.objects.filter(verdict="accepted", is_released=False)
        assert {response.json()["execution_id"] for response in responses} == {str(held.get().execution_id)}
