"""The API's routes of this app."""

from __future__ import annotations

from rest_framework.routers import BaseRouter

from triggers.event_views import EventViewSet
from triggers.poll_views import PollViewSet
from triggers.schedule_views import BackfillViewSet, ScheduledJobViewSet, ScheduleViewSet, SkippedSlotsViewSet
from triggers.views import (
    DeliveryViewSet,
    TriggerViewSet,
    WebhookTestDeliveryViewSet,
    WebhookTestViewSet,
    WebhookViewSet,
)


def register(router: BaseRouter) -> None:
    """Add this app's viewsets to the API's router."""
    router.register("triggers", TriggerViewSet, basename="trigger")
    router.register("webhook-registrations", WebhookViewSet, basename="webhook-registration")
    router.register(
        r"webhook-registrations/(?P<registration_id>[^/.]+)/deliveries", DeliveryViewSet, basename="webhook-delivery"
    )
    router.register("webhook-tests", WebhookTestViewSet, basename="webhook-test")
    router.register(
        r"webhook-tests/(?P<test_id>[^/.]+)/deliveries", WebhookTestDeliveryViewSet, basename="webhook-test-delivery"
    )
    router.register("scheduled-jobs", ScheduledJobViewSet, basename="scheduled-job")
    router.register("events", EventViewSet, basename="event")
    router.register("polls", PollViewSet, basename="poll")
    router.register(r"scheduled-jobs/(?P<job_id>[^/.]+)/backfills", BackfillViewSet, basename="schedule-backfill")
    router.register(r"scheduled-jobs/(?P<job_id>[^/.]+)/skipped-slots", SkippedSlotsViewSet, basename="skipped-slots")
    router.register("schedules", ScheduleViewSet, basename="schedule")
