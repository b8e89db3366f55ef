"""Conversations and their messages."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from projects.constraints import one_of
from projects.ids import new_id
from projects.models import Project


class Conversation(models.Model):
    """What agents of a project remember under one key: made when the first one remembers something there.

    Executions that try drafts have conversations of their own, so that nobody's real one knows of them.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="conversations", db_index=False)
    is_test = models.BooleanField(default=False)
    key = models.CharField(max_length=200)
    # How many there are now; and how many there ever were, which is the position of the next one.
    message_count = models.PositiveIntegerField(default=0)
    next_position = models.PositiveBigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # When the last message came.
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "conversations"
        constraints = [
            models.UniqueConstraint(fields=["project", "is_test", "key"], name="conversations_key_once"),
            models.CheckConstraint(condition=~Q(key=""), name="conversations_key_not_empty"),
        ]
        indexes = [
            models.Index(fields=["project", "-created_at", "-id"], name="conversations_project_newest"),
            models.Index(fields=["-created_at", "-id"], name="conversations_newest"),
            models.Index(fields=["updated_at", "id"], name="conversations_unused"),
            models.Index(fields=["project", "is_test", "updated_at", "id"], name="conversations_project_unused"),
        ]

    def __str__(self) -> str:
        return self.key


class MessageRole(models.TextChoices):
    """Who says a message."""

    USER = "user"
    ASSISTANT = "assistant"


class ConversationMessage(models.Model):
    """One message of a conversation, as an agent has remembered it when it was done."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="messages", db_index=False)
    position = models.PositiveBigIntegerField()
    role = models.CharField(max_length=16, choices=MessageRole.choices)
    content = models.TextField(blank=True, default="")
    # The agent that remembered it. No foreign keys: conversations are kept longer than executions.
    execution_id = models.UUIDField()
    node_id = models.CharField(max_length=80)
    node_run_id = models.UUIDField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_table = "conversation_messages"
        constraints = [
            one_of("conversation_messages", "role", MessageRole),
            models.UniqueConstraint(fields=["conversation", "position"], name="conversation_messages_position_once"),
        ]
        indexes = [
            models.Index(fields=["node_run_id"], name="conversation_messages_node_run"),
            models.Index(fields=["-created_at", "-id"], name="conversation_messages_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.position}"
