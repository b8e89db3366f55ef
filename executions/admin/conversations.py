"""The admin's pages of what agents remember."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, TextField
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.safestring import SafeString

from executions.conversations import services
from executions.models import Conversation, ConversationMessage
from projects.access import Actor
from projects.backoffice import values
from projects.backoffice.filters import ProjectFilter
from projects.backoffice.pages import Page, ReadOnlyPage
from projects.backoffice.panels import panel

# Messages that a conversation's page shows, and how much of each that a list does.
MOST_MESSAGES = 50
EXCERPT = 200


@admin.register(Conversation)
class ConversationPage(Page[Conversation]):
    """What agents of a project remember under one key. Removing it lets the next one begin with nothing."""

    list_display = ("key", "project_link", "is_test", "message_count", "created_at", "updated_at")
    list_select_related = ("project",)
    list_filter = (ProjectFilter, "is_test")
    search_fields = ("key__startswith",)
    search_help_text = "The beginning of the key."
    fields = ("key", "project", "is_test", "message_count", "created_at", "updated_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Conversation | None = None) -> bool:
        return False

    @admin.display(description="project")
    def project_link(self, conversation: Conversation) -> SafeString | str:
        return values.link(conversation.project)

    def delete_model(self, request: HttpRequest, obj: Conversation) -> None:
        services.delete_conversation(obj, by=Actor.of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        # The messages go with it.
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected


@panel(Conversation, title="Messages", permission="executions.view_conversationmessage")
def latest_messages(request: HttpRequest, conversation: Conversation) -> str:
    """Show the end of a conversation."""
    latest = list(conversation.messages.order_by("-position")[: MOST_MESSAGES + 1])
    rows = [(each.role, values.text_block(each.content, most=2_000), each.created_at) for each in latest]
    every = values.list_link(ConversationMessage, conversation__id__exact=conversation.pk)
    return str(values.table(("who", "what, the newest first", "when"), rows, most=MOST_MESSAGES, more=every))


class MessagesProjectFilter(ProjectFilter):
    """The same, of messages."""

    path = "conversation__project"


@admin.register(ConversationMessage)
class ConversationMessagePage(ReadOnlyPage[ConversationMessage]):
    """Messages of conversations."""

    list_display = ("conversation_link", "position", "role", "excerpt", "node_id", "created_at")
    list_select_related = ("conversation",)
    list_filter = (MessagesProjectFilter, "role")
    search_fields = ("conversation__key__startswith",)
    search_help_text = "The beginning of the conversation's key."
    fields = (
        "conversation",
        "position",
        "role",
        "content_shown",
        "execution_id",
        "node_id",
        "node_run_id",
        "created_at",
    )
    readonly_fields = ("content_shown",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConversationMessage]:
        # A list shows the beginnings: the whole may be 64 KiB each.
        queryset = super().get_queryset(request)
        return queryset.defer("content").annotate(beginning=Left("content", EXCERPT, output_field=TextField()))

    @admin.display(description="conversation")
    def conversation_link(self, message: ConversationMessage) -> SafeString | str:
        return values.link(message.conversation)

    @admin.display(description="content")
    def excerpt(self, message: ConversationMessage) -> str:
        return values.shortened(message.beginning, 120)  # type: ignore[attr-defined]

    @admin.display(description="content")
    def content_shown(self, message: ConversationMessage) -> SafeString | str:
        return values.text_block(message.content)
