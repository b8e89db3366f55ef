"""Triggers, webhooks, deliveries and schedules in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.models import WorkflowExecution
from projects.models import AuditEntry
from tests.admin.pages import offered, open_page, press
from tests.admin.rows import url
from tests.factories import (
    BackfillFactory,
    DeliveryFactory,
    ScheduledJobFactory,
    SkippedSlotsFactory,
    TriggerFactory,
    WebhookFactory,
)
from tests.triggers.stories import job_of, published, schedule, started_by
from triggers import services
from triggers.models import ScheduledJob, WebhookDelivery

pytestmark = pytest.mark.django_db


class TestTrigger:
    def test_is_switched_off_and_on(self, browser):
        trigger = TriggerFactory()

        press(browser, trigger, "switch_off")
        trigger.refresh_from_db()
        assert not trigger.is_active
        assert offered(open_page(browser, trigger)) == ["switch_on"]

        press(browser, trigger, "switch_on")
        trigger.refresh_from_db()
        assert trigger.is_active

    def test_says_why_it_does_not_fire_and_what_came_of_it_last(self, browser):
        webhook = WebhookFactory(auth={"scheme": "github"})
        execution = DeliveryFactory(registration=webhook).execution

        page = open_page(browser, webhook.trigger)

        assert "No secret is set, so everything is refused." in page
        assert str(execution.pk)[-12:] in page

    def test_says_when_it_fires_next(self, browser):
        job = ScheduledJobFactory()

        assert f"{job.next_run:%Y-%m-%d %H:%M:%S}" in open_page(browser, job.trigger)


class TestWebhook:
    def test_says_that_it_has_a_secret_and_not_which(self, browser):
        webhook = WebhookFactory(auth={"scheme": "standard_webhooks"})
        secret = services.set_secret(webhook, by=None, now=timezone.now())
        webhook.refresh_from_db()

        page = open_page(browser, webhook)

        assert secret not in page
        assert webhook.secret not in page
        assert "icon-yes" in page

    def test_shows_since_when_and_until_when_its_secrets_are_valid(self, browser):
        webhook, now = WebhookFactory(auth={"scheme": "bearer"}), timezone.now()
        services.set_secret(webhook, by=None, now=now)
        services.rotate_secret(webhook, grace=timedelta(hours=1), by=None, now=now)

        page = open_page(browser, webhook)

        for facts in services.facts_of_secrets(webhook, now):
            assert facts.id in page

    def test_shows_itself_also_where_its_secrets_cannot_be_read(self, browser):
        webhook = WebhookFactory(auth={"scheme": "bearer"}, secret="not an envelope")

        assert "cannot be read" in open_page(browser, webhook)

    def test_shows_the_url_to_call(self, browser, settings):
        settings.WEBHOOK_BASE_URL = "https://hooks.example.com"
        webhook = WebhookFactory(path="orders")

        assert "https://hooks.example.com/webhooks/orders" in open_page(browser, webhook)

    def test_is_closed_and_opened(self, browser):
        webhook = WebhookFactory()

        press(browser, webhook, "close_route")
        webhook.refresh_from_db()
        assert not webhook.is_active
        assert offered(open_page(browser, webhook)) == ["open_route"]

        press(browser, webhook, "open_route")
        webhook.refresh_from_db()
        assert webhook.is_active


class TestDelivery:
    def test_shows_its_body_whatever_its_bytes(self, browser):
        delivery = DeliveryFactory(body=b'{"name": "\xff\x00<b>"}')

        page = open_page(browser, delivery)

        assert "\\xff" in page
        assert "&lt;b&gt;" in page

    def test_is_delivered_again(self, browser):
        delivery = DeliveryFactory(is_genuine=True, headers={"content-type": "application/json"})

        (told,) = press(browser, delivery, "redeliver")

        again = delivery.redeliveries.get()
        assert url("change", WorkflowExecution, again.execution_id) in told

    def test_is_delivered_again_to_its_own_version(self, browser):
        delivery = DeliveryFactory(is_genuine=True, headers={"content-type": "application/json"})

        press(browser, delivery, "redeliver_original")

        again = delivery.redeliveries.get()
        assert again.execution.workflow_version == delivery.execution.workflow_version

    def test_that_was_not_proven_is_not_delivered_again(self, browser):
        delivery = DeliveryFactory(rejected=True)

        press(browser, delivery, "redeliver")

        assert not delivery.redeliveries.exists()

    def test_is_found_by_its_execution_its_webhook_and_the_sender_s_id(self, browser):
        wanted, _ = DeliveryFactory(dedupe_key="evt_17", registration__path="orders"), DeliveryFactory()

        for term in (wanted.pk, wanted.execution_id, wanted.registration_id, "evt_17", "order"):
            found = browser.get(url("changelist", WebhookDelivery), {"q": str(term)}).context["cl"].result_list
            assert list(found) == [wanted]


class TestSchedule:
    def test_is_paused_and_resumed(self, browser):
        job = ScheduledJobFactory()

        press(browser, job, "pause")
        job.refresh_from_db()
        assert (job.is_active, job.paused_reason) == (False, "Paused by sam in the admin.")
        assert offered(open_page(browser, job)) == ["resume", "resume_with_last", "resume_with_all", "fire"]

        press(browser, job, "resume")
        job.refresh_from_db()
        assert (job.is_active, job.paused_reason) == (True, "")

    def test_shows_its_next_slots_in_its_time_zone(self, browser, noon):
        job = ScheduledJobFactory(cron_expression="30 9 * * *", timezone="Europe/Berlin")

        page = open_page(browser, job)

        assert "Thu 2026-03-05 09:30:00 CET" in page

    def test_shows_them_in_utc_too(self, browser, noon):
        job = ScheduledJobFactory(cron_expression="30 9 * * *", timezone="Europe/Berlin")

        assert "CET = 2026-03-05 08:30:00 UTC" in open_page(browser, job)

    @pytest.mark.parametrize(("button", "catch_up"), [("resume_with_last", "last"), ("resume_with_all", "all")])
    def test_is_resumed_with_what_it_missed(self, browser, button, catch_up):
        job = ScheduledJobFactory(is_active=False)

        press(browser, job, button)

        job.refresh_from_db()
        assert (job.is_active, job.catch_up) == (True, catch_up)

    def test_is_fired_by_hand(self, browser):
        job = job_of(published(started_by(clock=schedule())))

        (told,) = press(browser, job, "fire")

        assert url("change", WorkflowExecution, WorkflowExecution.objects.get().pk) in told

    def test_has_its_limit_of_failures_set_and_nothing_else(self, browser):
        job = ScheduledJobFactory()

        browser.post(url("change", ScheduledJob, job.pk), {"max_consecutive_failures": 3, "timezone": "Asia/Tokyo"})

        job.refresh_from_db()
        assert (job.max_consecutive_failures, job.timezone) == (3, "UTC")
        assert AuditEntry.objects.filter(action="scheduled_job.changed").count() == 1

    def test_shows_what_did_not_fire_and_why(self, browser):
        skipped = SkippedSlotsFactory(reason="overlap", detail="Execution 7 had not ended.")

        assert "Execution 7 had not ended." in open_page(browser, skipped.job)

    def test_shows_how_far_its_backfills_are(self, browser):
        backfill = BackfillFactory(started_count=2, passed_count=1)

        assert "3 of 5; 2 started" in open_page(browser, backfill.job)

        press(browser, backfill, "cancel")
        backfill.refresh_from_db()
        assert backfill.status == "cancelled"
        assert offered(open_page(browser, backfill)) == []

    def test_with_a_clock_that_means_nothing_still_opens(self, browser):
        job = ScheduledJobFactory(cron_expression="never", timezone="Mars/Olympus")

        assert "never" in open_page(browser, job)
        assert browser.get(url("changelist", ScheduledJob)).status_code == 200
