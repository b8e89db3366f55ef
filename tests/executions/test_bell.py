"""The doorbell: bounded, without work in it, and of no account when the broker is gone. [R-7, R-9]"""

from __future__ import annotations

import functools
import threading
import uuid

import pytest
from django.db import transaction
from kombu import Connection, Queue

from executions import bell
from projects.models import Project
from tests.factories import ProjectFactory


@pytest.fixture
def queue(broker, settings):
    """Let the bell ring into a queue of its own, and return how to take what lies in it."""
    name = f"bells-{uuid.uuid4().hex}"
    settings.BELL_QUEUES = {"default": name, "agents": f"{name}-of-agents"}
    with Connection(broker) as connection:
        channel = connection.default_channel
        yield lambda: list(iter(functools.partial(Queue(name, channel=channel).get, no_ack=True), None))
        channel.queue_delete(name)


class TestPublish:
    def test_carries_no_work_and_expires(self, queue):
        bell._publish("default")

        (message,) = queue()
        arguments, keywords, _ = message.payload
        assert (arguments, keywords) == ([], {})
        assert message.headers["task"] == "executions.tasks.work"
        assert message.headers["expires"] is not None

    def test_leaves_at_most_a_few_in_the_queue(self, queue):
        for _ in range(bell.MOST_WAITING + 5):
            bell._publish("default")

        assert len(queue()) == bell.MOST_WAITING


class TestRing:
    def test_rings_for_each_queue_once_however_often_it_is_asked(self, monkeypatch):
        rung, both = [], threading.Event()

        def publish(queue):
            rung.append(queue)
            if {"default", "agents"} <= set(rung):
                both.set()

        monkeypatch.setattr(bell, "_publish", publish)

        bell.ring("default", "agents", "default")

        assert both.wait(10)
        assert sorted(rung) == ["agents", "default"]

    def test_of_no_queue_is_silent(self, monkeypatch):
        monkeypatch.setattr(bell._Ringer, "of_this_process", lambda: pytest.fail("There is nothing to ring for."))

        bell.ring()

    def test_never_waits_for_a_broker_that_does_not_answer(self, monkeypatch):
        frozen = threading.Event()
        monkeypatch.setattr(bell, "_publish", lambda queue: frozen.wait())

        for _ in range(1000):
            bell.ring("default")

        assert not frozen.is_set(), "all rings came back while the broker was still frozen"
        frozen.set()

    @pytest.mark.django_db(transaction=True)
    def test_rings_only_once_the_transaction_is_committed(self, monkeypatch):
        rung = []
        monkeypatch.setattr(bell, "ring", lambda *queues: rung.append(queues))

        with transaction.atomic():
            bell.ring_on_commit("agents")
            assert rung == []
        assert rung == [("agents",)]

    @pytest.mark.django_db(transaction=True)
    def test_a_bell_that_fails_undoes_nothing(self, monkeypatch):
        def ring(*queues):
            raise RuntimeError("no bell")

        monkeypatch.setattr(bell, "ring", ring)

        with transaction.atomic():
            project = ProjectFactory()
            bell.ring_on_commit("default")

        assert Project.objects.filter(pk=project.pk).exists()
