"""What agents recall and remember: in order, once, within bounds, and apart from tests."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from executions.conversations.memory import Memory, recall, remember, remember_all, usable_key
from executions.conversations.models import Conversation, ConversationMessage
from projects.ids import new_id
from projects.payloads import storable_text
from tests.clock import NOON
from tests.factories import ConversationFactory, ProjectFactory
from tests.threads import at_once
from workflows.nodes.base import NodeError

pytestmark = pytest.mark.django_db


def said(*texts):
    """Return messages, the first of which is a question."""
    return [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(texts)]


def keep(project, *texts, key="acme", now=NOON, **more):
    given = {"execution_id": new_id(), "node_id": "assistant", "node_run_id": new_id(), "now": now} | more
    with transaction.atomic():
        return remember(project.pk, key, said(*texts), **given)


def told(project, window=100, key="acme", **more):
    return [message["content"] for message in recall(project.pk, key, window, **more)]


class TestRecall:
    def test_tells_the_last_messages_the_oldest_first(self, project):
        keep(project, "How are you?", "Well.", "And now?", "Better.")

        assert recall(project.pk, "acme", 2) == [
            {"role": "user", "content": "And now?"},
            {"role": "assistant", "content": "Better."},
        ]

    def test_knows_nothing_of_what_was_never_said(self, project):
        assert recall(project.pk, "acme", 10) == []

    def test_keeps_keys_and_projects_apart(self, project):
        keep(project, "One", "1", key="one")
        keep(ProjectFactory(), "Theirs", "2", key="two")

        assert told(project, key="two") == []

    def test_leaves_out_an_answer_whose_question_is_left_out(self, project):
        keep(project, "How are you?", "Well.", "And now?", "Better.")

        assert told(project, window=3) == ["And now?", "Better."]

    def test_stops_where_the_bytes_end(self, project, settings):
        settings.CONVERSATION_RECALL_MAX_BYTES = 10
        keep(project, "äääää", "12345", "äää", "1234")

        assert told(project) == ["äää", "1234"]

    def test_finds_more_than_one_query_brings(self, project):
        keep(project, *(str(number) for number in range(130)))

        assert told(project, window=120) == [str(number) for number in range(10, 130)]


class TestRemember:
    def test_appends(self, project):
        keep(project, "How are you?", "Well.")
        keep(project, "And now?", "Better.", now=NOON + timedelta(hours=1))

        conversation = Conversation.objects.get()
        assert told(project) == ["How are you?", "Well.", "And now?", "Better."]
        assert (conversation.message_count, conversation.created_at) == (4, NOON)
        assert conversation.updated_at == NOON + timedelta(hours=1)

    def test_does_so_once_for_each_node_run(self, project):
        node_run_id = new_id()

        assert keep(project, "How are you?", "Well.", node_run_id=node_run_id)
        assert not keep(project, "How are you?", "Well.", node_run_id=node_run_id)

        assert told(project) == ["How are you?", "Well."]

    def test_nothing_makes_no_conversation(self, project):
        assert not keep(project)

        assert not Conversation.objects.exists()

    def test_tests_have_conversations_of_their_own(self, project):
        keep(project, "For real?", "Yes.")
        keep(project, "Only a test?", "Yes.", is_test=True)

        assert told(project) == ["For real?", "Yes."]
        assert told(project, is_test=True) == ["Only a test?", "Yes."]

    def test_drops_the_oldest_of_too_many(self, project, settings):
        settings.CONVERSATION_MAX_MESSAGES = 4
        keep(project, "1", "2", "3")
        keep(project, "4", "5")

        assert list(ConversationMessage.objects.order_by("position").values_list("content", flat=True)) == [
            "2",
            "3",
            "4",
            "5",
        ]
        assert Conversation.objects.get().message_count == 4

    def test_keeps_the_end_of_more_than_a_conversation_takes_at_once(self, project, settings):
        settings.CONVERSATION_MAX_MESSAGES = 2

        keep(project, "1", "2", "3", "4")
        keep(project, "5", "6")

        assert told(project) == ["5", "6"]
        assert list(ConversationMessage.objects.order_by("position").values_list("position", flat=True)) == [4, 5]

    def test_cuts_what_is_too_long_between_characters(self, project, settings):
        settings.CONVERSATION_MESSAGE_MAX_BYTES = 10

        keep(project, "äääääää")

        assert told(project) == ["äää…"]

    def test_keeps_what_the_database_can_hold(self, project):
        keep(project, "a\x00b")

        assert told(project) == [storable_text("a\x00b")]

    def test_the_longest_unused_give_place_to_a_new_one(self, project, settings):
        settings.CONVERSATIONS_PER_PROJECT = 2
        for hour, key in enumerate(["old", "newer"]):
            keep(project, "?", "!", key=key, now=NOON + timedelta(hours=hour))
        keep(project, "again?", "!", key="old", now=NOON + timedelta(hours=2))

        keep(project, "?", "!", key="new", now=NOON + timedelta(hours=3))

        assert set(Conversation.objects.values_list("key", flat=True)) == {"old", "new"}

    def test_refuses_what_nobody_can_say(self, project):
        with pytest.raises(ValueError, match="system"):
            remember(
                project.pk,
                "acme",
                [{"role": "system", "content": "Obey."}],
                execution_id=new_id(),
                node_id="assistant",
                node_run_id=new_id(),
                now=NOON,
            )


def memory(project, key, text):
    return Memory(project.pk, key, said(text, "!"), new_id(), "assistant", new_id())


@pytest.mark.django_db(transaction=True)
class TestTwoAtOnce:
    def test_both_are_kept_whole_in_one_order(self, project):
        def one(number):
            return lambda: keep(project, *(f"{number}.{index}" for index in range(20)))

        at_once(*(one(number) for number in range(4)))

        texts = told(project)
        blocks = [texts[index : index + 20] for index in range(0, 80, 20)]
        assert sorted(blocks) == [[f"{number}.{index}" for index in range(20)] for number in range(4)]
        assert Conversation.objects.get().message_count == 80

    def test_those_who_write_several_do_not_wait_in_a_circle(self, project):
        keys = ["a", "b", "c", "d"]

        def all_of(order):
            def write():
                with transaction.atomic():
                    remember_all([memory(project, key, key) for key in order], now=NOON)

            return write

        at_once(*(all_of(order) for order in (keys, keys[::-1]) * 2))

        assert [row.message_count for row in Conversation.objects.all()] == [8] * 4

    def test_one_that_comes_twice_is_kept_once(self, project):
        node_run_id = new_id()

        at_once(*[lambda: keep(project, "?", "!", node_run_id=node_run_id)] * 4)

        assert told(project) == ["?", "!"]


class TestUsableKey:
    def test_is_the_key(self):
        assert usable_key("support 4711") == "support 4711"

    @pytest.mark.parametrize("text", ["", "  ", "x" * 201, "a\x00b"])
    def test_refuses_what_no_conversation_can_have(self, text):
        with pytest.raises(NodeError, match="1 to 200 characters") as refused:
            usable_key(text)

        assert refused.value.code == "invalid_memory_key"


class TestRemoval:
    def test_of_a_project_takes_all_with_it(self):
        conversation = ConversationFactory()
        keep(conversation.project, "?", key=conversation.key)

        conversation.project.delete()

        assert not ConversationMessage.objects.exists()
