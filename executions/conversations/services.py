"""What people and the clean-up do with conversations."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from executions.conversations import memory
from executions.conversations.models import Conversation
from projects import audit
from projects.access import Actor
from projects.locking import locked

# Conversations that one transaction of the clean-up removes, each with up to CONVERSATION_MAX_MESSAGES messages; and how many
# transactions one tick has.
BATCH = 20
TRANSACTIONS_PER_TICK = 20


@transaction.atomic
def delete_conversation(conversation: Conversation, *, by: Actor | None) -> None:
    """Forget a conversation. The next agent that uses its key begins with nothing.

    :raises NotFound: if somebody was faster.
    """
    # Locked first: an agent that remembers something in this moment comes wholly before, or begins a new conversation.
    conversation = locked(conversation)
    details = {
        "key": conversation.key,
        "is_test": conversation.is_test,
        "message_count": conversation.message_count,
    }
    audit.record("conversation.deleted", conversation, project=conversation.project, by=by, details=details)
    conversation.delete()


def clean_up(now: datetime) -> int:
    """Remove conversations to which nothing was added for ``CONVERSATION_RETENTION_DAYS`` days. Returns how many."""
    unused = Conversation.objects.filter(updated_at__lt=now - timedelta(days=settings.CONVERSATION_RETENTION_DAYS))
    removed = 0
    for _ in range(TRANSACTIONS_PER_TICK):
        step = memory.remove(unused, limit=BATCH)
        removed += step
        if step < BATCH:
            break
    return removed
