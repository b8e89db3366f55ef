"""What an operator switches on and off, without a new version."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from projects import audit
from projects.access import Actor
from triggers.models import ScheduledJob, Trigger, WebhookRegistration
from triggers.services.schedules import start_from_now


@transaction.atomic
def switch_trigger(trigger: Trigger, *, is_active: bool, by: Actor | None, now: datetime) -> Trigger:
    """Switch a trigger on or off. A webhook that is off answers as if it did not exist; a schedule that was off makes
    nothing up for."""
    Trigger.objects.filter(pk=trigger.pk).update(is_active=is_active, updated_at=now)
    trigger.refresh_from_db()
    if is_active:
        start_from_now(ScheduledJob.objects.filter(trigger=trigger), now=now)
    _note(trigger, is_active=is_active, by=by)
    return trigger


@transaction.atomic
def switch_webhook(
    registration: WebhookRegistration, *, is_active: bool, by: Actor | None, now: datetime
) -> WebhookRegistration:
    """Open or close a webhook's route. While it is closed, it answers as if it did not exist."""
    WebhookRegistration.objects.filter(pk=registration.pk).update(is_active=is_active)
    registration.refresh_from_db()
    _note(registration, is_active=is_active, by=by)
    return registration


def _note(target: Trigger | WebhookRegistration, *, is_active: bool, by: Actor | None) -> None:
    kind = "trigger" if isinstance(target, Trigger) else "webhook"
    verb = "switched_on" if is_active else "switched_off"
    audit.record(f"{kind}.{verb}", target, project=target.workflow.project, by=by)
