"""Approvals, links and gone endpoints as the API shows them."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions.models import Approval, ApprovalDecision, GoneEndpoint
from executions.serializers import WaitSerializer
from executions.services import approvals
from projects.access import Actor
from projects.rest import StrictSerializer


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """An approval in a list."""

    workflow_name = serializers.CharField(source="execution.workflow_name", read_only=True)
    url = serializers.SerializerMethodField(help_text="The page on which members decide.")

    class Meta:
        model = Approval
        fields: ClassVar[list[str]] = [
            "id",
            "project",
            "workflow",
            "workflow_name",
            "execution",
            "node_id",
            "iteration",
            "title",
            "status",
            "needed",
            "role",
            "users",
            "anyone",
            "deadline_at",
            "created_at",
            "ended_at",
            "url",
        ]
        read_only_fields = fields

    def get_url(self, approval: Approval) -> str:
        """Return the address for members."""
        return approvals.url_of(approval)


class DecisionSerializer(serializers.ModelSerializer[ApprovalDecision]):
    """What one person has said."""

    class Meta:
        model = ApprovalDecision
        fields: ClassVar[list[str]] = ["id", "user", "name", "is_by_link", "verdict", "comment", "form", "created_at"]
        read_only_fields = fields


class ApprovalDetailSerializer(ApprovalSerializer):
    """One approval with all that is asked, and who has said what."""

    decisions = serializers.SerializerMethodField()
    may_decide = serializers.SerializerMethodField(help_text="Whether you may decide it now.")

    class Meta(ApprovalSerializer.Meta):
        fields: ClassVar[list[str]] = [
            *ApprovalSerializer.Meta.fields,
            "message",
            "details",
            "form",
            "decisions",
            "may_decide",
        ]
        read_only_fields = fields

    @extend_schema_field(DecisionSerializer(many=True))
    def get_decisions(self, approval: Approval) -> list[dict[str, Any]]:
        """Return them in their order."""
        return list(DecisionSerializer(approval.decisions.order_by("created_at", "id"), many=True).data)

    def get_may_decide(self, approval: Approval) -> bool:
        """Test whether whoever asks may decide."""
        actor: Actor = self.context["view"].actor
        return approval.is_open and not approvals.why_not(approval, actor, has_link=False)


class DecideInput(StrictSerializer):
    """A decision."""

    comment = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=approvals.MOST_OF_A_COMMENT
    )
    form = serializers.DictField(
        child=serializers.JSONField(allow_null=True),
        required=False,
        default=dict,
        help_text="What is filled in, if the approval has a form.",
    )


class LinkSerializer(WaitSerializer):
    """A node that waits for somebody outside, and the link over which it can be reached."""

    url = serializers.CharField(
        allow_null=True, help_text="The one-time link. Null if it was made with another `SECRET_KEY`."
    )


class GoneEndpointSerializer(serializers.ModelSerializer[GoneEndpoint]):
    """A URL to which nothing is sent any more."""

    class Meta:
        model = GoneEndpoint
        fields: ClassVar[list[str]] = ["id", "project", "url", "execution", "created_at"]
        read_only_fields = fields
