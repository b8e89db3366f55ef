"""The inbox of the webhooks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.actions import action
from projects.backoffice.pages import ReadOnlyPage
from triggers import services
from triggers.models import DeliveryVerdict, WebhookDelivery, WebhookRegistration

_DELIVERABLE = (DeliveryVerdict.ACCEPTED, DeliveryVerdict.REJECTED)


@admin.register(WebhookDelivery)
class DeliveryPage(ReadOnlyPage[WebhookDelivery]):
    """What was received, as it came; headers that prove something were never stored."""

    list_display = (
        "received_at",
        "state",
        "registration_link",
        "method",
        "reason_code",
        "execution_link",
        "ip_address",
    )
    list_select_related = ("registration", "execution")
    list_filter = ("verdict", "received_at")
    search_fields = ("pk",)
    search_help_text = "The id of a delivery, an execution or a webhook, the sender's id of it, or a webhook's path."
    ordering = ("-received_at", "-id")
    large_columns = ("body", "headers", "query_string")
    fields = (
        "received_at",
        "state",
        "reason",
        "registration_link",
        "execution_link",
        "method",
        "path",
        "query_string",
        "ip_address",
        "dedupe_key",
        "secret_id",
        "redelivery_of_link",
        "headers_shown",
        "body_shown",
    )
    readonly_fields = (
        "state",
        "registration_link",
        "execution_link",
        "redelivery_of_link",
        "headers_shown",
        "body_shown",
    )
    actions = ("redeliver", "redeliver_original")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        # Of the execution only what names it.
        return super().get_queryset(request).defer("execution__execution_context", "execution__result")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> tuple[QuerySet[WebhookDelivery], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = queryset.filter(registration__in=WebhookRegistration.objects.filter(path__startswith=term).values("pk"))
        found |= queryset.filter(dedupe_key=term)
        try:
            wanted = UUID(term)
        except ValueError:
            return found, False
        by_id: Any = queryset.filter(pk=wanted)
        return by_id | queryset.filter(execution=wanted) | queryset.filter(registration=wanted) | found, False

    @admin.display(description="verdict")
    def state(self, delivery: WebhookDelivery) -> SafeString | str:
        return values.pill(delivery.verdict)

    @admin.display(description="webhook")
    def registration_link(self, delivery: WebhookDelivery) -> SafeString | str:
        return values.link(delivery.registration, values.shortened(str(delivery.registration), 28))

    @admin.display(description="execution")
    def execution_link(self, delivery: WebhookDelivery) -> SafeString | str:
        return values.link(delivery.execution, values.short_id(delivery.execution) if delivery.execution else None)

    @admin.display(description="delivered again from")
    def redelivery_of_link(self, delivery: WebhookDelivery) -> SafeString | str:
        return values.link(delivery.redelivery_of)

    @admin.display(description="headers")
    def headers_shown(self, delivery: WebhookDelivery) -> SafeString | str:
        return values.payload(delivery.headers)

    @admin.display(description="body")
    def body_shown(self, delivery: WebhookDelivery) -> SafeString:
        return values.text_block(bytes(delivery.body).decode(errors="backslashreplace"))

    @action(
        "Deliver again, to the version that it ran",
        applies=lambda delivery: delivery.verdict in _DELIVERABLE and delivery.execution_id is not None,
    )
    def redeliver_original(self, request: HttpRequest, delivery: WebhookDelivery) -> SafeString:
        version = services.RunOn.ORIGINAL
        again = services.redeliver(delivery, version=version, by=Actor.of(request), now=timezone.now())
        return format_html("delivered again; it started {}.", values.link(again.execution))

    @action("Deliver again", applies=lambda delivery: delivery.verdict in _DELIVERABLE)
    def redeliver(self, request: HttpRequest, delivery: WebhookDelivery) -> SafeString:
        again = services.redeliver(delivery, by=Actor.of(request), now=timezone.now())
        return format_html("delivered again; it started {}.", values.link(again.execution))
