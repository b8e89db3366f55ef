"""Forgetting conversations: on demand, and when nobody uses them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.conversations import services
from executions.conversations.models import Conversation, ConversationMessage
from executions.tasks import clean_up
from projects.access import Actor
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import ConversationFactory, MessageFactory

pytestmark = pytest.mark.django_db


class TestDeleteConversation:
    def test_removes_it_with_its_messages_and_is_written_down(self, project, bob):
        conversation = ConversationFactory(project=project, key="acme", message_count=1)
        MessageFactory(conversation=conversation)

        services.delete_conversation(conversation, by=Actor(user=bob))

        assert not Conversation.objects.exists()
        assert not ConversationMessage.objects.exists()
        entry = AuditEntry.objects.get(action="conversation.deleted")
        assert (entry.actor, entry.project) == (bob, project)
        assert entry.details == {"key": "acme", "is_test": False, "message_count": 1}

    def test_says_that_somebody_was_faster(self):
        conversation = ConversationFactory()
        Conversation.objects.all().delete()

        with pytest.raises(NotFound):
            services.delete_conversation(conversation, by=None)


class TestCleanUp:
    def test_removes_what_was_not_used_for_long(self, settings):
        settings.CONVERSATION_RETENTION_DAYS = 90
        old, used = (ConversationFactory(updated_at=NOON - timedelta(days=days)) for days in (91, 89))
        MessageFactory(conversation=old)

        assert services.clean_up(NOON) == 1

        assert list(Conversation.objects.all()) == [used]

    def test_goes_on_after_the_first_batch(self, monkeypatch):
        monkeypatch.setattr(services, "BATCH", 2)
        ConversationFactory.create_batch(5, updated_at=NOON - timedelta(days=91))

        assert services.clean_up(NOON) == 5

    def test_is_part_of_the_tick(self):
        ConversationFactory(updated_at=NOON - timedelta(days=36_500))

        clean_up()

        assert not Conversation.objects.exists()
