"""Webhooks that are published, and what they have received."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from executions.models import WorkflowExecution
from tests.triggers.stories import hook_of, published, started_by, webhook
from triggers.models import WebhookDelivery, WebhookRegistration
from triggers.services import set_secret

SECRET = "sixteen-letters!"
BEARER = {"scheme": "bearer"}
PROOF = {"authorization": f"Bearer {SECRET}"}


def a_hook(**config: Any) -> WebhookRegistration:
    """Return a webhook that starts a workflow of one output."""
    return hook_of(published(started_by(hook=webhook(**config))))


def chosen(path: str, **config: Any) -> WebhookRegistration:
    """Return one with a path of its own choice, whose callers prove themselves with :data:`PROOF`."""
    hook = a_hook(path=path, auth=BEARER, **config)
    set_secret(hook, secret=SECRET, by=None, now=timezone.now())
    return hook


def trigger_of_the_execution() -> Any:
    """Return what the one execution there is was started with."""
    return WorkflowExecution.objects.get().execution_context["trigger"]


def verdicts() -> list[tuple[str, str]]:
    """Return verdict and reason of every delivery, the first first."""
    return list(WebhookDelivery.objects.order_by("received_at", "id").values_list("verdict", "reason_code"))
