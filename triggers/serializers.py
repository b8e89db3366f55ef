"""Triggers, webhooks and deliveries as the API shows them. No secret is in any of them."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers

from projects.rest import StrictSerializer
from triggers.models import Trigger, WebhookDelivery, WebhookRegistration

MAX_GRACE_SECONDS = 30 * 24 * 3600


class OfWorkflow(serializers.Serializer[Any]):
    """What every row that hangs on a workflow says of it."""

    project = serializers.UUIDField(source="workflow.project_id", read_only=True)
    workflow_name = serializers.CharField(source="workflow.name", read_only=True)


class OfTrigger(OfWorkflow):
    """What every row that hangs on a trigger says of it."""

    node_id = serializers.CharField(source="trigger.node_id", read_only=True)
    is_registered = serializers.BooleanField(
        source="trigger.is_registered", read_only=True, help_text="Whether the published version still has the node."
    )


class TriggerSerializer(OfWorkflow, serializers.ModelSerializer[Trigger]):
    """A trigger node of a workflow's published version."""

    class Meta:
        model = Trigger
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "node_id",
            "type",
            "config",
            "is_registered",
            "is_active",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class WebhookSerializer(OfTrigger, serializers.ModelSerializer[WebhookRegistration]):
    """The route of a webhook trigger."""

    url = serializers.SerializerMethodField(help_text="Where callers send their requests.")
    has_secret = serializers.SerializerMethodField(help_text="Without one, a scheme that needs one refuses everything.")

    class Meta:
        model = WebhookRegistration
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "trigger",
            "node_id",
            "url",
            "path",
            "methods",
            "auth",
            "has_secret",
            "headers_validation",
            "body_schema",
            "is_registered",
            "is_active",
            "last_triggered",
            "trigger_count",
            "created_at",
        ]
        read_only_fields = fields

    def get_url(self, registration: WebhookRegistration) -> str:
        return f"{settings.WEBHOOK_BASE_URL}/webhooks/{registration.path}"

    def get_has_secret(self, registration: WebhookRegistration) -> bool:
        return bool(registration.secret)


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    """A received request in a list: what it was and what became of it."""

    class Meta:
        model = WebhookDelivery
        fields: ClassVar[list[str]] = [
            "id",
            "registration",
            "received_at",
            "method",
            "ip_address",
            "verdict",
            "reason_code",
            "reason",
            "is_genuine",
            "dedupe_key",
            "execution",
            "redelivery_of",
        ]
        read_only_fields = fields


class DeliveryDetailSerializer(DeliverySerializer):
    """One received request with all that was kept of it."""

    body = serializers.SerializerMethodField(help_text="As text if it is UTF-8, else as base64.")
    body_encoding = serializers.SerializerMethodField(help_text="`utf-8` or `base64`.")

    class Meta(DeliverySerializer.Meta):
        fields: ClassVar[list[str]] = [
            *DeliverySerializer.Meta.fields,
            "query_string",
            "headers",
            "body",
            "body_encoding",
            "is_body_complete",
        ]
        read_only_fields = fields

    def get_body(self, delivery: WebhookDelivery) -> str:
        text = _text(delivery)
        return base64.b64encode(bytes(delivery.body)).decode() if text is None else text

    def get_body_encoding(self, delivery: WebhookDelivery) -> str:
        return "base64" if _text(delivery) is None else "utf-8"


class SwitchInput(StrictSerializer):
    """On or off."""

    is_active = serializers.BooleanField()


class SecretInput(StrictSerializer):
    """A new secret for a webhook."""

    secret = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        trim_whitespace=False,
        max_length=2000,
        help_text="Left out, one is made: `whsec_` and the base64 of 32 random bytes.",
    )
    grace_seconds = serializers.IntegerField(
        required=False,
        default=0,
        min_value=0,
        max_value=MAX_GRACE_SECONDS,
        help_text="How long the secrets that it has stay valid beside the new one; 0: not at all.",
    )


class SecretSerializer(serializers.Serializer[Any]):
    """A webhook's new secret. This answer is the only place that shows it."""

    secret = serializers.CharField()


def _text(delivery: WebhookDelivery) -> str | None:
    try:
        return bytes(delivery.body).decode()
    except UnicodeDecodeError:
        return None
