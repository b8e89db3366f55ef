"""Workflows, versions and variables as the API accepts and shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from projects.models import Project
from projects.rest import ScopedRelatedField, StrictSerializer
from workflows import services
from workflows.models import ProjectVariable, Workflow, WorkflowVariable, WorkflowVersion

EMPTY_DEFINITION: dict[str, Any] = {"schema": 1, "nodes": [], "edges": []}


@extend_schema_field(
    {
        "type": "object",
        "additionalProperties": True,
        "description": "The graph: `schema`, `nodes`, `edges`, `inputs`, `settings`, `ui`. A draft may have problems.",
        "example": {
            "schema": 1,
            "nodes": [
                {"id": "start", "type": "trigger", "name": "Start", "config": {"kind": "manual"}},
                {"id": "end", "type": "output", "name": "End", "config": {}},
            ],
            "edges": [{"source": "start", "target": "end", "type": "data"}],
        },
    }
)
class DefinitionField(serializers.JSONField):
    """A JSON object; what is in it is for validation, not for the API's border."""

    default_error_messages = {"not_an_object": "A definition is a JSON object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_an_object")
        return data


@extend_schema_field(OpenApiTypes.ANY)
class AnyJsonField(serializers.JSONField):
    """JSON data of any kind, null included."""


class WorkflowSerializer(serializers.ModelSerializer[Workflow]):
    """A workflow in a list: everything but the definition."""

    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = Workflow
        fields = [
            "id",
            "project",
            "name",
            "description",
            "status",
            "status_reason",
            "version",
            "revision",
            "created_by",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class WorkflowDetailSerializer(WorkflowSerializer):
    """A workflow with its draft. ``revision`` counts the saves; the ``ETag`` header is made from it."""

    definition = DefinitionField(read_only=True)

    class Meta(WorkflowSerializer.Meta):
        fields = [*WorkflowSerializer.Meta.fields, "definition"]
        read_only_fields = fields


class DraftInput(StrictSerializer):
    """What can be written of a workflow. All of it with PUT, some of it with PATCH."""

    name = serializers.CharField(max_length=200)
    description = serializers.CharField(max_length=10_000, allow_blank=True, required=False)
    definition = DefinitionField()


class NewWorkflowInput(DraftInput):
    """A new workflow. Without a definition it starts empty."""

    project = ScopedRelatedField(queryset=Project.objects.all(), project_path="")
    definition = DefinitionField(default=EMPTY_DEFINITION)


class ValidationInput(StrictSerializer):
    definition = DefinitionField(required=False, help_text="What to check; by default the saved draft.")


class DefinitionProblemSerializer(serializers.Serializer[Any]):
    """One thing that is wrong with a definition."""

    code = serializers.CharField()
    path = serializers.CharField(help_text="JSON Pointer into the definition.")
    message = serializers.CharField()
    hint = serializers.CharField(help_text="What to do about it; may be empty.")


class VerdictSerializer(serializers.Serializer[Any]):
    valid = serializers.BooleanField(help_text="Whether it can be published.")
    problems = DefinitionProblemSerializer(many=True)


class PublicationInput(StrictSerializer):
    message = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="What is new in this version."
    )


class ReasonInput(StrictSerializer):
    reason = serializers.CharField(
        max_length=services.MAX_REASON, allow_blank=True, default="", help_text="Why, for those who look later."
    )


class NothingInput(StrictSerializer):
    """An action that needs no more than its URL."""


class VersionSerializer(serializers.ModelSerializer[WorkflowVersion]):
    """A version in a list: everything but the definition."""

    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = WorkflowVersion
        fields = ["id", "workflow", "number", "message", "content_hash", "created_by", "created_at"]
        read_only_fields = fields


class VersionDetailSerializer(VersionSerializer):
    definition = DefinitionField(read_only=True)

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "definition"]
        read_only_fields = fields


class ChangeSerializer(serializers.Serializer[Any]):
    """One difference between two definitions."""

    kind = serializers.ChoiceField(choices=["added", "removed", "changed"])
    subject = serializers.ChoiceField(choices=["node", "edge", "settings", "inputs"])
    path = serializers.CharField(help_text="JSON Pointer; nodes stand by their id, edges by their ends.")
    message = serializers.CharField()
    before = AnyJsonField(allow_null=True)
    after = AnyJsonField(allow_null=True)


class ComparisonSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    compared_with = serializers.CharField(help_text="Another version's number, or `draft`.")
    changes = ChangeSerializer(many=True, help_text="None when both say the same.")


VARIABLE_FIELDS = ["name", "value", "is_secret", "allowed_hosts", "created_at", "updated_at"]


class VariableSerializer(serializers.ModelSerializer[Any]):
    """A variable. A secret's value is never shown: it is null."""

    value = serializers.SerializerMethodField("shown_value")
    allowed_hosts = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="Of a secret: the only hosts that it may be sent to; none means any.",
    )

    class Meta:
        model: type[WorkflowVariable | ProjectVariable] = WorkflowVariable
        fields = VARIABLE_FIELDS
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.ANY)
    def shown_value(self, variable: WorkflowVariable | ProjectVariable) -> Any:
        return services.value_of(variable)


class ProjectVariableSerializer(VariableSerializer):
    class Meta(VariableSerializer.Meta):
        model = ProjectVariable


class HostsField(serializers.ListField):
    """Names of hosts, or ``*.name``; what they are exactly is checked where they are set."""

    child = serializers.CharField(max_length=260)

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault(
            "help_text",
            "Of a secret: the only hosts that it may be sent to, such as `api.example.com` or `*.example.com`. None means any.",
        )
        super().__init__(max_length=services.MAX_HOSTS, **kwargs)


class VariableInput(StrictSerializer):
    """A variable's new value. Without ``is_secret`` and ``allowed_hosts`` those stay what they are."""

    value = AnyJsonField(allow_null=True, help_text="Any JSON; of a secret a text. At most 64 KiB.")
    is_secret = serializers.BooleanField(required=False)
    allowed_hosts = HostsField(required=False)


class RestrictionInput(StrictSerializer):
    """Fewer hosts for a secret. More of them take its value: use PUT."""

    allowed_hosts = HostsField()


class UsageSerializer(serializers.Serializer[Any]):
    """What of one workflow uses a variable."""

    workflow = serializers.UUIDField(source="workflow_id")
    workflow_name = serializers.CharField()
    status = serializers.CharField()
    in_draft = serializers.BooleanField()
    in_latest = serializers.BooleanField(help_text="Whether new executions use it.")
    versions = serializers.ListField(
        child=serializers.IntegerField(), help_text="Published versions, the newest first."
    )
    is_certain = serializers.BooleanField(
        help_text="False if expressions only take variables whose names are known when they run, such as `vars[name]`."
    )


class UsagesSerializer(serializers.Serializer[Any]):
    results = UsageSerializer(many=True)


class NodeTypeSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="What stands in a node's `type`.")
    description = serializers.CharField()
    icon = serializers.CharField()
    starts_workflow = serializers.BooleanField(help_text="Whether it is a trigger: nothing leads into it.")
    is_scope = serializers.BooleanField(help_text="Whether nodes may have it as their `parent`.")
    accepts_secrets = serializers.BooleanField(help_text="Whether its config may hold `secret('NAME')`.")
    secret_fields = serializers.ListField(
        child=serializers.CharField(),
        help_text="The fields that may hold `secret('NAME')` where the others may not: `steps.*.key`.",
    )
    ports = serializers.ListField(child=serializers.CharField(), help_text="The ports of a node like the example.")
    effect = serializers.CharField(help_text="What a node like the example does to the outside: none, read or write.")
    config_schema = serializers.DictField(help_text="JSON Schema of a node's `config`.")
    example = serializers.DictField(help_text="A config that is valid.")


class ToolSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="What stands in a tool node's `config.tool`.")
    description = serializers.CharField()
    icon = serializers.CharField()
    effect = serializers.CharField(help_text="What the example does to the outside: none, read or write.")
    arguments_schema = serializers.DictField(help_text="JSON Schema of the tool's arguments.")
    items_at = serializers.CharField(
        help_text="For polls: the JSON Pointer to the list in the output; empty for its top."
    )
    item_key = serializers.CharField(
        help_text="For polls: a template that tells items apart; empty if there is none for all."
    )
    example = serializers.DictField(help_text="Arguments that are valid.")
