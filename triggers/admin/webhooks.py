"""Webhooks. Their secrets are set on the API, which shows a new one once; here one sees whether there is any."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.filters import WorkflowsProjectFilter
from projects.backoffice.pages import ReadOnlyPage
from projects.exceptions import Unavailable
from triggers import services
from triggers.models import WebhookRegistration


@admin.register(WebhookRegistration)
class WebhookPage(ReadOnlyPage[WebhookRegistration]):
    """A route, and whether it is open."""

    list_display = ("path", "workflow_link", "scheme", "has_secret", "is_active", "accepted", "latest")
    list_select_related = ("workflow",)
    list_filter = ("is_active", WorkflowsProjectFilter)
    search_fields = ("path__startswith", "workflow__name")
    search_help_text = "The beginning of the path, or a part of the workflow's name."
    fields = (
        "url",
        "workflow_link",
        "trigger_link",
        "methods",
        "scheme",
        "has_secret",
        "secrets_shown",
        "is_active",
        "accepted",
        "latest",
        "created_at",
        "auth_shown",
        "headers_shown",
        "schema_shown",
    )
    readonly_fields = (
        "url",
        "workflow_link",
        "trigger_link",
        "scheme",
        "has_secret",
        "secrets_shown",
        "accepted",
        "latest",
        "auth_shown",
        "headers_shown",
        "schema_shown",
    )
    actions = ("open_route", "close_route")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookRegistration]:
        return super().get_queryset(request).with_counts()  # type: ignore[attr-defined, no-any-return]

    @admin.display(description="accepted")
    def accepted(self, webhook: WebhookRegistration) -> int:
        return int(getattr(webhook, "trigger_count", 0))

    @admin.display(description="last accepted")
    def latest(self, webhook: WebhookRegistration) -> datetime | None:
        return getattr(webhook, "last_triggered", None)

    @admin.display(description="URL")
    def url(self, webhook: WebhookRegistration) -> str:
        return f"{settings.WEBHOOK_BASE_URL}/webhooks/{webhook.path}"

    @admin.display(description="workflow")
    def workflow_link(self, webhook: WebhookRegistration) -> SafeString | str:
        return values.link(webhook.workflow)

    @admin.display(description="trigger")
    def trigger_link(self, webhook: WebhookRegistration) -> SafeString | str:
        return values.link(webhook.trigger)

    @admin.display(description="proven by")
    def scheme(self, webhook: WebhookRegistration) -> str:
        return str(webhook.auth.get("scheme", "")) if isinstance(webhook.auth, dict) else ""

    @admin.display(description="secret is set", boolean=True)
    def has_secret(self, webhook: WebhookRegistration) -> bool:
        return bool(webhook.secret)

    @admin.display(description="secrets")
    def secrets_shown(self, webhook: WebhookRegistration) -> SafeString | str:
        try:
            facts = services.facts_of_secrets(webhook, timezone.now())
        except Unavailable as error:
            return error.message
        rows = [
            (each.id, each.created_at, each.until, each.last_used_at, "yes" if each.is_usable else "no")
            for each in facts
        ]
        shown = values.table(("Id", "Set", "Until", "Last of use", "Fits the scheme"), rows, most=len(rows))
        return shown or "none; a scheme that needs one refuses everything"

    @admin.display(description="settings of the proof")
    def auth_shown(self, webhook: WebhookRegistration) -> SafeString | str:
        return values.payload(webhook.auth)

    @admin.display(description="headers asked for")
    def headers_shown(self, webhook: WebhookRegistration) -> SafeString | str:
        return values.payload(webhook.headers_validation)

    @admin.display(description="schema of the body")
    def schema_shown(self, webhook: WebhookRegistration) -> SafeString | str:
        return values.payload(webhook.body_schema)

    @action("Open", applies=lambda webhook: not webhook.is_active)
    def open_route(self, request: HttpRequest, webhook: WebhookRegistration) -> str:
        services.switch_webhook(webhook, is_active=True, by=Actor.of(request), now=timezone.now())
        return "open."

    @action("Close", applies=lambda webhook: webhook.is_active)
    def close_route(self, request: HttpRequest, webhook: WebhookRegistration) -> str:
        services.switch_webhook(webhook, is_active=False, by=Actor.of(request), now=timezone.now())
        return "closed; it answers as if it did not exist."
