"""Polls as the API shows them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from triggers.models import Poll


class PollErrorSerializer(serializers.Serializer[Any]):
    """Why the last poll failed."""

    code = serializers.CharField()
    message = serializers.CharField()
    at = serializers.DateTimeField()


class PollSerializer(serializers.ModelSerializer[Poll]):
    """The memory of a polling trigger: when it looks next, and what it has dealt with."""

    project = serializers.UUIDField(source="workflow.project_id", read_only=True)
    workflow_name = serializers.CharField(source="workflow.name", read_only=True)
    node_id = serializers.CharField(source="trigger.node_id", read_only=True)
    is_registered = serializers.BooleanField(
        source="trigger.is_registered", read_only=True, help_text="Whether the published version still has the node."
    )
    last_error = serializers.SerializerMethodField(help_text="Why the last poll failed; null if it did not.")
    cursor = serializers.JSONField(
        read_only=True, help_text="How far things have come; null where keys tell what is new."
    )
    is_looking = serializers.SerializerMethodField(help_text="Whether a worker is at it right now.")

    class Meta:
        model = Poll
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "trigger",
            "node_id",
            "every_seconds",
            "is_registered",
            "is_active",
            "paused_reason",
            "next_run",
            "is_looking",
            "has_looked",
            "last_polled_at",
            "last_items",
            "last_new",
            "poll_count",
            "cursor",
            "consecutive_errors",
            "max_consecutive_failures",
            "last_error",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields

    @extend_schema_field(PollErrorSerializer(allow_null=True))
    def get_last_error(self, poll: Poll) -> Any:
        return poll.last_error

    def get_is_looking(self, poll: Poll) -> bool:
        return poll.lease_owner is not None
