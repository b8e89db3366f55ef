"""Conversations on the API."""

from __future__ import annotations

import pytest

from executions.conversations.models import Conversation
from tests.factories import ConversationFactory, MessageFactory

pytestmark = pytest.mark.django_db


class TestList:
    def test_finds_keys_by_their_beginning(self, api, project):
        for key in ("support 1", "support 2", "sales 1", "my support"):
            ConversationFactory(project=project, key=key)

        found = api("viewer").get("/api/conversations/", {"project": project.pk, "key": "support"}).json()

        assert {row["key"] for row in found["results"]} == {"support 1", "support 2"}

    def test_tells_tests_from_others(self, api, project):
        ConversationFactory(project=project, key="real")
        ConversationFactory(project=project, key="tried", is_test=True)

        found = api("viewer").get("/api/conversations/", {"is_test": "true"}).json()

        assert [row["key"] for row in found["results"]] == ["tried"]


class TestMessages:
    def test_come_from_the_end_on(self, api, project):
        conversation = ConversationFactory(project=project)
        for position in range(3):
            MessageFactory(conversation=conversation, position=position, content=f"Message {position}")

        page = api("viewer").get(f"/api/conversations/{conversation.pk}/messages/", {"page_size": 2}).json()

        assert [row["content"] for row in page["results"]] == ["Message 2", "Message 1"]
        following = api("viewer").get(page["next"]).json()
        assert [row["content"] for row in following["results"]] == ["Message 0"]

    def test_of_others_are_not_there(self, api):
        conversation = ConversationFactory()

        assert api("viewer").get(f"/api/conversations/{conversation.pk}/messages/").status_code == 404


class TestDelete:
    def test_forgets(self, api, project):
        conversation = ConversationFactory(project=project)

        answer = api("operator").delete(f"/api/conversations/{conversation.pk}/")

        assert answer.status_code == 204
        assert not Conversation.objects.exists()
