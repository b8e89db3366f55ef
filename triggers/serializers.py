"""Triggers, webhooks and deliveries as the API shows them. No secret is in any of them."""

from __future__ import annotations

import base64
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers

from executions.models import WorkflowExecution
from projects.rest import StrictSerializer
from triggers.models import (
    ReceivedRequest,
    Trigger,
    WebhookDelivery,
    WebhookRegistration,
    WebhookTest,
    WebhookTestDelivery,
)
from triggers.services.deliveries import MAX_REDELIVERED, RunOn
from triggers.services.webhook_tests import production_url_of, url_of

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


class ReasonSerializer(serializers.Serializer[Any]):
    """Why something is as it is."""

    code = serializers.CharField(help_text="Stable.")
    message = serializers.CharField()


class LastExecutionSerializer(serializers.ModelSerializer[WorkflowExecution]):
    """What came of it when a trigger fired last."""

    class Meta:
        model = WorkflowExecution
        fields: ClassVar[list[str]] = ["id", "status", "created_at", "completed_at"]
        read_only_fields = fields


class TriggerStatusSerializer(serializers.Serializer[Any]):
    """How it stands with a trigger."""

    fires = serializers.BooleanField(help_text="Whether it starts an execution when its moment comes.")
    obstacles = ReasonSerializer(many=True, help_text="Why it does not; all reasons.")
    remarks = ReasonSerializer(many=True, help_text="What one should know besides.")
    last_fired_at = serializers.DateTimeField(allow_null=True)
    last_execution = LastExecutionSerializer(allow_null=True)
    next_fire_at = serializers.DateTimeField(
        allow_null=True, help_text="For what fires by itself; null for the others, and while there are obstacles."
    )


class WebhookSerializer(OfTrigger, serializers.ModelSerializer[WebhookRegistration]):
    """The route of a webhook trigger."""

    url = serializers.SerializerMethodField(help_text="Where callers send their requests.")
    has_secret = serializers.SerializerMethodField(help_text="Without one, a scheme that needs one refuses everything.")
    last_triggered = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When the latest delivery was accepted."
    )
    trigger_count = serializers.IntegerField(
        read_only=True, help_text="How many deliveries were ever accepted, those delivered again too."
    )

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
            "path",
            "ip_address",
            "verdict",
            "reason_code",
            "reason",
            "is_genuine",
            "secret_id",
            "dedupe_key",
            "execution",
            "redelivery_of",
        ]
        read_only_fields = fields


# What a test URL's requests have not.
_LIVE_ONLY = ("id", "registration", "dedupe_key", "redelivery_of")
# What is shown of one request and not in lists.
WHOLE_REQUEST = ("query_string", "headers", "body", "body_encoding", "is_body_complete")


class WholeRequest(serializers.Serializer[Any]):
    """What was kept of a request, its body too."""

    body = serializers.SerializerMethodField(help_text="As text if it is UTF-8, else as base64.")
    body_encoding = serializers.SerializerMethodField(help_text="`utf-8` or `base64`.")

    def get_body(self, delivery: ReceivedRequest) -> str:
        text = _text(delivery)
        return base64.b64encode(bytes(delivery.body)).decode() if text is None else text

    def get_body_encoding(self, delivery: ReceivedRequest) -> str:
        return "base64" if _text(delivery) is None else "utf-8"


class DeliveryDetailSerializer(WholeRequest, DeliverySerializer):
    """One received request with all that was kept of it."""

    class Meta(DeliverySerializer.Meta):
        fields: ClassVar[list[str]] = [*DeliverySerializer.Meta.fields, *WHOLE_REQUEST]
        read_only_fields = fields


class WebhookTestSerializer(serializers.ModelSerializer[WebhookTest]):
    """A test URL: for a while, a webhook trigger of the draft answers there."""

    project = serializers.UUIDField(source="workflow.project_id", read_only=True)
    url = serializers.SerializerMethodField(help_text="Where to send what the draft is to be tried with.")
    production_url = serializers.SerializerMethodField(
        help_text="Where the published version answers; null if it has not this trigger."
    )

    class Meta:
        model = WebhookTest
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "node_id",
            "url",
            "production_url",
            "expires_at",
            "created_at",
        ]
        read_only_fields = fields

    def get_url(self, test: WebhookTest) -> str:
        return url_of(test)

    def get_production_url(self, test: WebhookTest) -> str | None:
        return production_url_of(test)


class WebhookTestInput(StrictSerializer):
    """Which webhook trigger to try."""

    workflow = serializers.UUIDField()
    node_id = serializers.CharField(
        required=False,
        allow_null=True,
        default=None,
        max_length=64,
        help_text="The trigger node; needed only where the draft has several webhooks.",
    )


class WebhookTestDeliverySerializer(serializers.ModelSerializer[WebhookTestDelivery]):
    """A request to a test URL, in a list."""

    class Meta:
        model = WebhookTestDelivery
        fields: ClassVar[list[str]] = [
            "id",
            "test",
            *(name for name in DeliverySerializer.Meta.fields if name not in _LIVE_ONLY),
        ]
        read_only_fields = fields


class WebhookTestDeliveryDetailSerializer(WholeRequest, WebhookTestDeliverySerializer):
    """One request to a test URL, with all that was kept of it."""

    class Meta(WebhookTestDeliverySerializer.Meta):
        fields: ClassVar[list[str]] = [*WebhookTestDeliverySerializer.Meta.fields, *WHOLE_REQUEST]
        read_only_fields = fields


class RedeliverInput(StrictSerializer):
    """What to run a delivery on."""

    version = serializers.ChoiceField(
        choices=[each.value for each in RunOn],
        required=False,
        default=RunOn.NEWEST.value,
        help_text="`newest`: the workflow's newest version. `original`: the one that its own execution ran.",
    )


class RedeliverManyInput(RedeliverInput):
    """Which deliveries to deliver again."""

    ids = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MAX_REDELIVERED)


class RedeliveredSerializer(serializers.Serializer[Any]):
    """What became of one delivery that was to be delivered again: `delivery` and `execution`, or `code` and `message`."""

    id = serializers.UUIDField(help_text="The delivery that was asked for.")
    delivery = serializers.UUIDField(source="again.pk", default=None, help_text="The new delivery.")
    execution = serializers.UUIDField(source="again.execution_id", default=None, help_text="Its execution.")
    code = serializers.CharField(source="error.code", default=None)
    message = serializers.CharField(source="error.message", default=None)


class RedeliveredManySerializer(serializers.Serializer[Any]):
    """What became of each delivery, in the order of the ids."""

    results = RedeliveredSerializer(many=True)


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


class SecretFactsSerializer(serializers.Serializer[Any]):
    """What may be told of a webhook's secret: never its value."""

    id = serializers.CharField()
    created_at = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True, help_text="When it ends; null: when somebody ends it.")
    is_usable = serializers.BooleanField(help_text="Whether the webhook's scheme, as it is now, can use it.")
    last_used_at = serializers.DateTimeField(
        allow_null=True, help_text="When the newest delivery that it has proven came, among the webhook's last 1,000."
    )


class EndSecretInput(StrictSerializer):
    """Which secret to end."""

    id = serializers.CharField(max_length=16)


class NoteInput(StrictSerializer):
    """Why somebody does it, for those who come later."""

    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


def _text(delivery: ReceivedRequest) -> str | None:
    try:
        return bytes(delivery.body).decode()
    except UnicodeDecodeError:
        return None
