"""The API's endpoints for what agents remember."""

from __future__ import annotations

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from executions.conversations import services
from executions.conversations.models import Conversation, ConversationMessage
from projects.access import Permission
from projects.filters import TrueOrFalseFilter
from projects.rest import NewestFirstPagination, Parent, ProjectScopedViewSet


class ConversationSerializer(serializers.ModelSerializer[Conversation]):
    class Meta:
        model = Conversation
        fields = ["id", "project", "key", "is_test", "message_count", "created_at", "updated_at"]
        read_only_fields = fields


class ConversationMessageSerializer(serializers.ModelSerializer[ConversationMessage]):
    execution = serializers.UUIDField(
        source="execution_id", read_only=True, help_text="The execution that remembered it, which may be gone."
    )

    class Meta:
        model = ConversationMessage
        fields = ["id", "position", "role", "content", "execution", "node_id", "created_at"]
        read_only_fields = fields


class ConversationFilter(django_filters.FilterSet):
    """By project and key."""

    project = django_filters.UUIDFilter(field_name="project_id")
    key = django_filters.CharFilter(
        lookup_expr="startswith", max_length=200, help_text="Those whose key begins like this."
    )
    is_test = TrueOrFalseFilter(help_text="Those of executions that try drafts, or those of others.")


class NewestPositionPagination(NewestFirstPagination):
    """In the order of the conversation, from its end on."""

    ordering = ("-position",)  # Which one conversation gives once.


class ConversationViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What agents remember from one execution to the next, by key."""

    queryset = Conversation.objects.select_related("project")
    serializer_class = ConversationSerializer
    filterset_class = ConversationFilter
    permissions = {"list": Permission.VIEW, "retrieve": Permission.VIEW, "destroy": Permission.OPERATE}

    @extend_schema(description="Forget it. The next agent that uses its key begins with nothing.")
    def destroy(self, request: Request, pk: str) -> Response:
        services.delete_conversation(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConversationMessageViewSet(ListModelMixin, ProjectScopedViewSet):
    """The messages of a conversation, the newest first."""

    queryset = ConversationMessage.objects.all()
    serializer_class = ConversationMessageSerializer
    pagination_class = NewestPositionPagination
    project_path = "conversation__project"
    parent = Parent(Conversation, "conversation_id")
    permissions = {"list": Permission.VIEW}
