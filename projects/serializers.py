"""The shapes of projects, members, tokens and audit entries."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from projects import access
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role
from projects.rest import ScopedRelatedField, StrictSerializer


class ProjectSerializer(serializers.ModelSerializer[Project]):
    role = serializers.SerializerMethodField(help_text="The caller's own.")

    class Meta:
        model = Project
        fields = ["id", "name", "description", "role", "created_at", "updated_at"]
        read_only_fields = fields

    def get_role(self, project: Any) -> Role | None:
        return access.effective_role(self.context["view"].actor, project.member_role)


class ProjectInput(StrictSerializer, serializers.ModelSerializer[Project]):
    class Meta:
        model = Project
        fields = ["name", "description"]


class MemberSerializer(serializers.ModelSerializer[ProjectMember]):
    user = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.get_full_name")

    class Meta:
        model = ProjectMember
        fields = ["id", "user", "name", "role", "created_at"]
        read_only_fields = fields


class NewMemberInput(StrictSerializer):
    user = serializers.CharField(max_length=254, help_text="A username, or an e-mail address that only one person has.")
    role = serializers.ChoiceField(choices=Role.choices)


class RoleInput(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    user = serializers.CharField(source="user.username")

    class Meta:
        model = ApiToken
        fields = [
            "id",
            "project",
            "user",
            "name",
            "role",
            "prefix",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        ]
        read_only_fields = fields


class NewTokenSerializer(TokenSerializer):
    """A token at its making: the only time that its key is told."""

    key = serializers.CharField()

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "key"]
        read_only_fields = fields


class TokenInput(StrictSerializer):
    project = ScopedRelatedField(queryset=Project.objects.all(), project_path="")
    name = serializers.CharField(max_length=200)
    role = serializers.ChoiceField(choices=Role.choices, help_text="At most the caller's own.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    class Meta:
        model = AuditEntry
        fields = [
            "id",
            "project",
            "actor",
            "actor_name",
            "token",
            "action",
            "target_type",
            "target_id",
            "target_name",
            "details",
            "ip_address",
            "created_at",
        ]
        read_only_fields = fields
