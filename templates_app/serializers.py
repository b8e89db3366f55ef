"""Templates and installations as the API shows and accepts them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from projects.rest import StrictSerializer
from templates_app.models import WorkflowTemplate
from templates_app.services import InstalledWebhook
from workflows.models import WorkflowStatus


@extend_schema_field(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "description", "is_secret", "schema"],
            "properties": {
                "name": {"type": "string"},
                "description": {"type": "string"},
                "is_secret": {"type": "boolean", "description": "Kept encrypted and never shown."},
                "schema": {"type": "object", "description": "A JSON Schema: what the value must be."},
                "default": {"description": "Without one, a value has to be given to install the template."},
            },
        },
    }
)
class RequiredVariablesField(serializers.JSONField):
    """What a template asks for, ready to draw a form from."""


@extend_schema_field(OpenApiTypes.OBJECT)
class DefinitionField(serializers.JSONField):
    """The graph: `schema`, `nodes`, `edges`, `inputs`, `settings`, `ui`."""


class WordsField(serializers.ListField):
    """A list of words."""

    child = serializers.CharField()


class TemplateSerializer(serializers.ModelSerializer[WorkflowTemplate]):
    """A template in a list: everything but the definition."""

    tags = WordsField(read_only=True)
    required_variables = RequiredVariablesField(read_only=True)
    required_tools = WordsField(read_only=True)
    required_models = WordsField(read_only=True)
    preview_url = serializers.HyperlinkedIdentityField(
        view_name="template-preview", help_text="A picture of its graph (SVG)."
    )

    class Meta:
        model = WorkflowTemplate
        fields = [
            "id",
            "slug",
            "name",
            "description",
            "category",
            "tags",
            "author",
            "version",
            "required_variables",
            "required_tools",
            "required_models",
            "preview_url",
            "usage_count",
            "rating",
            "is_featured",
            "is_verified",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class TemplateDetailSerializer(TemplateSerializer):
    """A template with the definition that its workflows start with."""

    workflow_definition = DefinitionField(read_only=True)

    class Meta(TemplateSerializer.Meta):
        fields = [*TemplateSerializer.Meta.fields, "workflow_definition"]
        read_only_fields = fields


@extend_schema_field({"type": "object", "additionalProperties": {}, "example": {"CHAT_WEBHOOK_URL": "https://…"}})
class ValuesField(serializers.DictField):
    """JSON values by name; null is one."""

    child = serializers.JSONField(allow_null=True)


class InstallationInput(StrictSerializer):
    """Where a template is to be installed, and what it is told."""

    project = serializers.UUIDField(help_text="The project that the workflow will belong to.")
    name = serializers.CharField(
        max_length=200, required=False, help_text="The workflow's; left out, the template's, numbered if that is taken."
    )
    variables = ValuesField(required=False, help_text="Values by name, for what `required_variables` asks.")
    publish = serializers.BooleanField(default=True, help_text="Whether it shall run right away; else it is a draft.")


class InstalledWebhookSerializer(serializers.Serializer[Any]):
    """Where callers send their requests."""

    id = serializers.UUIDField(source="registration.pk", help_text="Of the webhook registration.")
    node_id = serializers.CharField(source="registration.trigger.node_id")
    url = serializers.SerializerMethodField()
    methods = WordsField(source="registration.methods")
    auth = serializers.DictField(source="registration.auth", help_text="How callers prove who they are.")
    secret = serializers.CharField(
        allow_null=True, help_text="What they prove it with; null if nothing is asked. Shown in this answer alone."
    )

    def get_url(self, webhook: InstalledWebhook) -> str:
        return f"{settings.WEBHOOK_BASE_URL}/webhooks/{webhook.registration.path}"


class InstallationSerializer(serializers.Serializer[Any]):
    """The workflow that was made."""

    id = serializers.UUIDField(source="workflow.pk", help_text="Of the workflow.")
    project = serializers.UUIDField(source="workflow.project_id")
    name = serializers.CharField(source="workflow.name")
    status = serializers.ChoiceField(source="workflow.status", choices=WorkflowStatus.choices)
    version = serializers.IntegerField(source="workflow.version", help_text="0: it is a draft.")
    webhooks = InstalledWebhookSerializer(many=True)
