"""How often a webhook may be called."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.clock import NOON
from tests.factories import WebhookFactory
from tests.threads import at_once
from triggers.webhooks.rate_limit import wait_needed

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


class TestWaitNeeded:
    def test_is_never_needed_without_a_limit(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 0
        hook = WebhookFactory()

        assert [wait_needed(hook.pk, NOON) for _ in range(200)] == [None] * 200

    def test_a_minute_s_worth_may_come_at_once(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 6
        hook = WebhookFactory()

        waits = [wait_needed(hook.pk, NOON) for _ in range(8)]

        assert waits == [None] * 6 + [10, 10]

    @pytest.mark.parametrize("per_minute", [1, 7, 59, 61, 999])
    def test_it_is_exactly_a_minute_s_worth(self, settings, per_minute):
        settings.WEBHOOK_RATE_PER_MINUTE = per_minute
        hook = WebhookFactory()

        waits = [wait_needed(hook.pk, NOON) for _ in range(per_minute + 1)]

        assert waits.count(None) == per_minute

    def test_the_bucket_fills_at_an_even_pace(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 6
        hook = WebhookFactory()
        for _ in range(6):
            wait_needed(hook.pk, NOON)

        assert wait_needed(hook.pk, NOON + 9 * SECOND) == 1
        assert wait_needed(hook.pk, NOON + 10 * SECOND) is None
        assert wait_needed(hook.pk, NOON + 10 * SECOND) == 10
        assert [wait_needed(hook.pk, NOON + 600 * SECOND) for _ in range(7)] == [None] * 6 + [10]

    def test_each_webhook_has_its_own(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 1
        first, second = WebhookFactory(), WebhookFactory()

        assert [wait_needed(hook.pk, NOON) for hook in (first, second, first)] == [None, None, 60]

    def test_more_than_a_thousand_a_second_can_be_allowed(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 100_000
        hook = WebhookFactory()

        assert [wait_needed(hook.pk, NOON) for _ in range(50)] == [None] * 50


@pytest.mark.django_db(transaction=True)
class TestManyAtOnce:
    def test_no_more_get_through_than_alone(self, settings):
        """S-API-2: over several connections, as over several processes."""
        settings.WEBHOOK_RATE_PER_MINUTE = 5
        hook = WebhookFactory()

        def call_four_times():
            return [wait_needed(hook.pk, NOON) for _ in range(4)]

        waits = at_once(*[call_four_times] * 4)

        assert sum(wait is None for each in waits for wait in each) == 5
