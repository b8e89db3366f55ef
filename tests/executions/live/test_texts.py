"""What models answer, written down while it comes."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection

from executions.live import texts
from executions.live.texts import Scribe, remove_leftovers
from executions.models import LiveText
from projects.ids import new_id
from projects.masking import MASK, Masker
from tests.builders import definition, node
from tests.clock import NOON
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from tests.factories import LiveTextFactory
from workflows.nodes.base import Done
from workflows.nodes.tool import ToolNode

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "sk-d41d8cd98f00b204"


@pytest.fixture
def scribe(monkeypatch):
    monkeypatch.setattr(texts, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(texts, "LAST_PIECE_SECONDS", 10)  # On a machine that is busy with other tests.
    scribe = Scribe()
    yield scribe
    scribe.close()


def stream(scribe, *secrets, node_run_id=None):
    return scribe.stream(execution_id=new_id(), node_run_id=node_run_id or new_id(), masker=Masker(secrets))


def written(node_run_id):
    return list(LiveText.objects.filter(node_run_id=node_run_id).order_by("id").values_list("number", "text"))


def wait_for(holds):
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


class TestTextStream:
    def test_pieces_that_come_together_are_written_together(self, scribe):
        answer = stream(scribe)
        answer.write("It ")
        answer.write("is ")
        wait_for(lambda: written(answer.node_run_id))
        answer.write("so.")
        answer.close()

        assert written(answer.node_run_id) in ([(1, "It is "), (2, "so.")], [(1, "It "), (2, "is "), (3, "so.")])

    def test_all_of_it_is_written_when_it_is_closed(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "WRITE_SECONDS", 60)
        answer = stream(scribe, SECRET)
        answer.write("It is sk-d")
        answer.close()

        assert written(answer.node_run_id) == [(1, "It is sk-d")]

    def test_a_secret_cut_into_pieces_is_not_stored(self, scribe):
        answer = stream(scribe, SECRET)
        answer.write("The key is sk-d41d")
        wait_for(lambda: written(answer.node_run_id))
        answer.write("8cd98f00b204, and that is all.")
        answer.close()

        assert written(answer.node_run_id) == [(1, "The key is "), (2, f"{MASK}, and that is all.")]

    def test_what_the_database_cannot_hold_is_written_as_it_can(self, scribe):
        answer = stream(scribe)
        answer.write("\x00 and \ud800")
        answer.close()

        assert written(answer.node_run_id) == [(1, "\\u0000 and \\ud800")]

    def test_another_call_of_the_same_node_run_begins_anew(self, scribe):
        first = stream(scribe)
        first.write("It was")
        first.close()
        (latest,) = LiveText.objects.all()
        again = stream(scribe, node_run_id=first.node_run_id)
        again.write("No")
        again.close()

        assert written(first.node_run_id) == [(1, "No")]
        assert LiveText.objects.get().pk > latest.pk  # For those who have read the first one.

    def test_what_comes_after_the_end_is_left_out(self, scribe):
        answer = stream(scribe)
        answer.close()
        answer.write("More")
        answer.close()

        assert written(answer.node_run_id) == []

    def test_more_than_can_wait_is_left_out(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "MOST_WAITING", 10)
        monkeypatch.setattr(texts, "WRITE_SECONDS", 60)
        answer = stream(scribe)
        for _ in range(5):
            answer.write("12345")
        answer.close()

        assert written(answer.node_run_id) == [(1, "1234512345")]

    def test_is_removed_a_while_after_its_end(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "STAYS_SECONDS", 0.1)
        answer = stream(scribe)
        answer.write("It is.")
        answer.close()
        assert written(answer.node_run_id)

        wait_for(lambda: not written(answer.node_run_id))

    def test_stays_if_the_same_node_run_answers_anew(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "STAYS_SECONDS", 0.1)
        first = stream(scribe)
        first.close()
        again = stream(scribe, node_run_id=first.node_run_id)
        again.write("It is.")
        wait_for(lambda: first not in scribe._streams)

        assert written(again.node_run_id) == [(1, "It is.")]


class TestScribe:
    def test_writes_for_several_at_once(self, scribe, monkeypatch):
        stores = []
        store = texts._store
        monkeypatch.setattr(texts, "WRITE_SECONDS", 0.2)
        monkeypatch.setattr(texts, "_store", lambda pieces, **more: (stores.append(len(pieces)), store(pieces, **more)))
        answers = [stream(scribe) for _ in range(5)]
        for answer in answers:
            answer.write("It is.")
        wait_for(lambda: all(written(answer.node_run_id) for answer in answers))

        assert stores == [5]

    def test_a_text_that_cannot_be_masked_takes_no_other_along(self, scribe, monkeypatch, caplog):
        class Broken(Masker):
            def settled(self, text):
                raise ValueError("Not this one.")

        broken = scribe.stream(execution_id=new_id(), node_run_id=new_id(), masker=Broken(()))
        broken.write("It")
        wait_for(lambda: caplog.records)
        other = stream(scribe)
        other.write("is so.")
        other.close()

        assert written(other.node_run_id) == [(1, "is so.")]

    def test_a_database_error_loses_text_and_nothing_else(self, scribe, monkeypatch, caplog):
        store, failures = texts._store, [DatabaseError("gone"), ValueError("odd")]

        def fail_first(pieces, **more):
            if failures and pieces:
                raise failures.pop()
            store(pieces, **more)

        monkeypatch.setattr(texts, "_store", fail_first)
        answer = stream(scribe)
        for number in range(2):
            answer.write(f"lost {number}")
            wait_for(lambda left=1 - number: len(failures) == left)
        answer.write("kept")
        answer.close()

        assert [text for _, text in written(answer.node_run_id)] == ["kept"]
        assert caplog.text.count("Could not write live text.") == 2

    def test_nobody_waits_long_for_a_database_that_does_not_answer(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "LAST_PIECE_SECONDS", 0.1)
        monkeypatch.setattr(texts, "_store", lambda *_, **__: time.sleep(1))
        answer = stream(scribe)
        began = time.monotonic()
        for _ in range(100):
            answer.write("It is.")
        answer.close()

        assert time.monotonic() - began < 0.8

    def test_has_a_thread_only_while_there_is_something_to_do(self, scribe, monkeypatch):
        monkeypatch.setattr(texts, "STAYS_SECONDS", 0)
        assert scribe._thread is None
        stream(scribe).close()
        wait_for(lambda: scribe._thread is None)
        answer = stream(scribe)
        answer.write("Again.")
        answer.close()

        assert written(answer.node_run_id) in ([(1, "Again.")], [])

    def test_stops_when_it_is_closed(self, scribe):
        answer = stream(scribe)
        thread = scribe._thread
        scribe.close()

        thread.join(5)
        assert not thread.is_alive()
        answer.write("Nobody reads this.")


class TestRemoveLeftovers:
    def test_removes_what_killed_workers_left_and_not_what_is_being_answered(self):
        LiveTextFactory(created_at=NOON - texts.LEFT_AFTER - timedelta(seconds=1))
        recent = LiveTextFactory(created_at=NOON - texts.LEFT_AFTER)

        assert remove_leftovers(now=NOON) == 1
        assert LiveText.objects.get() == recent


class TestWorker:
    def test_gives_each_node_run_a_place_to_show_its_answer(self, worker, monkeypatch):
        """Masked as the execution's secrets ask, under the node run that answers."""
        seen = {}

        def run(self, config, context):
            context.masker.add(SECRET)
            answer = context.live_text()
            answer.write(f"The key is {SECRET}.")
            answer.close()
            seen.update(LiveText.objects.values("execution_id", "node_run_id", "text").get())
            connection.close()
            return Done({})

        monkeypatch.setattr(ToolNode, "run", run)
        raw = definition("start > ask > end", ask=node("tool", {"tool": "event.emit", "with": {"name": "asked"}}))

        execution = carry(worker, start(raw))

        assert seen == {
            "execution_id": execution.pk,
            "node_run_id": execution.node_runs.get(node_id="ask").pk,
            "text": f"The key is {MASK}.",
        }
