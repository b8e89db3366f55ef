"""What an agent recalls of a conversation, and what it remembers there.

**Locks.** Who remembers holds the row of the conversation until the transaction ends, so that messages lie in the order in which they
were committed. A transaction that remembers in several conversations does so in one call, which locks them in one order; it
waits for nobody who waits for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from django.conf import settings
from django.db import connection, models, transaction

from executions.conversations.models import Conversation, ConversationMessage, MessageRole
from projects.payloads import storable_text
from workflows.nodes.base import NodeError

MAX_KEY_LENGTH = 200
# Messages that one query brings while it is not known how long they are.
_AT_ONCE = 50
_CUT = "…"


class Message(TypedDict):
    """What somebody said: ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True)
class Memory:
    """What one node run of an agent wants remembered, and under which key.

    :param messages: the new ones alone, in their order. Their texts have passed the execution's masker: whatever is handed in
        is kept and shown as it is.
    """

    project_id: UUID
    key: str
    messages: Sequence[Message]
    execution_id: UUID
    node_id: str
    node_run_id: UUID
    is_test: bool = False

    @property
    def place(self) -> tuple[UUID, bool, str]:
        """Which conversation is meant."""
        return self.project_id, self.is_test, self.key


def usable_key(text: str) -> str:
    """Return a key as conversations have it.

    :raises NodeError: ``invalid_memory_key``, if it is empty, too long, or nothing that the database can hold.
    """
    if not text.strip() or len(text) > MAX_KEY_LENGTH or storable_text(text) != text:
        raise NodeError(
            "invalid_memory_key",
            f"The key of a conversation is a text of 1 to {MAX_KEY_LENGTH} characters, and this one is "
            + (f"{text[:50]!r}." if len(text) <= MAX_KEY_LENGTH else f"{len(text):,} long."),
        )
    return text


def recall(project_id: UUID, key: str, window: int, *, is_test: bool = False) -> list[Message]:
    """Return the last ``window`` messages of a conversation, the oldest first; none, if there is no such conversation.

    Fewer, if all of them together have more than ``CONVERSATION_RECALL_MAX_BYTES`` bytes. An answer whose question is left out
    is left out too: models take no history that begins with one.

    :param key: as :func:`usable_key` returns it.
    """
    # Not as a join: for that, PostgreSQL would read and sort all messages of the conversation, whatever the window is.
    conversation = Conversation.objects.filter(project_id=project_id, is_test=is_test, key=key).values("pk")[:1]
    rows = ConversationMessage.objects.filter(conversation_id=models.Subquery(conversation)).order_by("-position")
    found: list[Message] = []
    room = settings.CONVERSATION_RECALL_MAX_BYTES
    while len(found) < window:
        some = list(rows.values_list("role", "content", "position")[: min(_AT_ONCE, window - len(found))])
        for role, content, _ in some:
            room -= len(content.encode())
            if room < 0:
                return _from_a_question(found)
            found.append({"role": role, "content": content})
        if not some:
            break
        rows = rows.filter(position__lt=some[-1][2])
    return _from_a_question(found)


def _from_a_question(newest_first: list[Message]) -> list[Message]:
    messages = newest_first[::-1]
    first = next((index for index, each in enumerate(messages) if each["role"] == MessageRole.USER), len(messages))
    return messages[first:]


def remember(
    project_id: UUID,
    key: str,
    messages: Sequence[Message],
    *,
    execution_id: UUID,
    node_id: str,
    node_run_id: UUID,
    now: datetime,
    is_test: bool = False,
) -> bool:
    """Append messages to a conversation, in the caller's transaction. Returns whether they were: once for each node run.

    :param key: as :func:`usable_key` returns it.
    :param messages: see :class:`Memory`; they must be masked.
    """
    memory = Memory(project_id, key, messages, execution_id, node_id, node_run_id, is_test)
    return remember_all([memory], now=now) == 1


def remember_all(memories: Iterable[Memory], *, now: datetime) -> int:
    """Append to several conversations, in the caller's transaction, as :func:`remember` does. Returns how many were new.

    A transaction calls this once, with all that it has: calls one after the other could lock crosswise.
    """
    return sum(_append(memory, now=now) for memory in sorted(memories, key=lambda memory: memory.place))


def _append(memory: Memory, *, now: datetime) -> bool:
    if not memory.messages:
        return False
    conversation = _locked(memory, now=now)
    # Under the lock: the same node run that comes a second time finds what the first has written.
    if ConversationMessage.objects.filter(node_run_id=memory.node_run_id).exists():
        return False
    begin = conversation.next_position
    # What does not fit is not written only to be removed.
    kept = list(enumerate(memory.messages, begin))[-settings.CONVERSATION_MAX_MESSAGES :]
    ConversationMessage.objects.bulk_create(
        ConversationMessage(
            conversation=conversation,
            position=position,
            role=MessageRole(message["role"]),
            content=bounded(message["content"]),
            execution_id=memory.execution_id,
            node_id=memory.node_id,
            node_run_id=memory.node_run_id,
            created_at=now,
        )
        for position, message in kept
    )
    end = begin + len(memory.messages)
    dropped, _ = conversation.messages.filter(position__lt=end - settings.CONVERSATION_MAX_MESSAGES).delete()
    Conversation.objects.filter(pk=conversation.pk).update(
        next_position=end, message_count=conversation.message_count + len(kept) - dropped, updated_at=now
    )
    return True


def bounded(text: str) -> str:
    """Return a text as a message keeps it: what the database can hold, in ``CONVERSATION_MESSAGE_MAX_BYTES`` bytes at the most."""
    data = storable_text(text).encode()
    most = settings.CONVERSATION_MESSAGE_MAX_BYTES
    if len(data) <= most:
        return data.decode()
    return data[: max(most - len(_CUT.encode()), 0)].decode(errors="ignore") + _CUT


def _locked(memory: Memory, *, now: datetime) -> Conversation:
    """Return the conversation, which is made if it is not there, locked until the transaction ends."""
    project_id, is_test, key = memory.place
    rows = Conversation.objects.filter(project_id=project_id, is_test=is_test, key=key)
    while True:  # Somebody may remove it between our making it and our locking it.
        found = rows.select_for_update(no_key=True).first()
        if found is not None:
            return found
        _make_room(project_id, is_test=is_test)
        new = Conversation(project_id=project_id, is_test=is_test, key=key, created_at=now, updated_at=now)
        Conversation.objects.bulk_create([new], ignore_conflicts=True)


def _make_room(project_id: UUID, *, is_test: bool) -> None:
    """Remove what was not written to for the longest time, where a project has all the conversations that it may have."""
    rows = Conversation.objects.filter(project_id=project_id, is_test=is_test)
    too_many = rows.count() + 1 - settings.CONVERSATIONS_PER_PROJECT
    if too_many > 0:
        remove(rows, limit=too_many)


@transaction.atomic
def remove(rows: models.QuerySet[Conversation], *, limit: int) -> int:
    """Remove the first of some conversations, past those that somebody is writing to, the longest unused first."""
    free = rows.order_by("updated_at", "id").select_for_update(
        skip_locked=connection.features.has_select_for_update_skip_locked
    )
    ids = list(free.values_list("pk", flat=True)[:limit])
    # The messages first, in one statement; then nothing refers to the rows.
    ConversationMessage.objects.filter(conversation__in=ids).delete()
    Conversation.objects.filter(pk__in=ids).delete()
    return len(ids)
