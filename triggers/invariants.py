"""What must hold for triggers in a live database at every moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet

from executions.invariants import GRACE, invariant
from triggers.models import DeliveryVerdict, EventMatch, MatchVerdict, Poll, ScheduledJob, WebhookDelivery

# Later than this, the execution may have been cleaned up.
KEPT_FOR_SURE = timedelta(days=1)


@invariant("delivery_executed", "Every accepted delivery has its execution. [I1]")
def _delivery_executed(now: datetime) -> QuerySet[Any]:
    accepted = WebhookDelivery.objects.filter(verdict=DeliveryVerdict.ACCEPTED, execution__isnull=True)
    return accepted.filter(received_at__gt=now - KEPT_FOR_SURE)


@invariant("event_executed", "Every match of an event has its execution. [I1]")
def _event_executed(now: datetime) -> QuerySet[Any]:
    matched = EventMatch.objects.filter(verdict=MatchVerdict.MATCHED, execution__isnull=True)
    return matched.filter(created_at__gt=now - KEPT_FOR_SURE)


@invariant("slot_fired", "No slot of a running schedule is due for long. [I8]")
def _slot_fired(now: datetime) -> QuerySet[Any]:
    return ScheduledJob.objects.due(now - GRACE)


@invariant("poll_held", "No process holds a poll for longer than its lease. [I8]")
def _poll_held(now: datetime) -> QuerySet[Any]:
    return Poll.objects.running().filter(lease_expires_at__lt=now - GRACE)
