"""The doorbell: bounded, without work in it, and of no account when the broker is gone. [R-7, R-9]"""

from __future__ import annotations

import functools
import threading
import uuid

import pytest
from celery import current_app
from django.db import transaction
from kombu import Connection, Queue

from executions import bell
from projects.models import Project
from tests.factories import ProjectFactory


@pytest.fixture
def queue(broker):
    """Let the bell ring into a queue of its own, and return how to take what lies in it."""
    usual, name = current_app.conf.task_default_queue, f"bells-{uuid.uuid4().hex}"
    current_app.conf.task_default_queue = name
    with Connection(broker) as connection:
        channel = connection.default_channel
        yield lambda: list(iter(functools.partial(Queue(name, channel=channel).get, no_ack=True), None))
        channel.queue_delete(name)
    current_app.conf.task_default_queue = usual


class TestPublish:
    def test_carries_no_work_and_expires(self, queue):
        bell._publish()

        (message,) = queue()
        arguments, keywords, _ = message.payload
        assert (arguments, keywords) == ([], {})
        assert message.headers["task"] == "executions.tasks.work"
        assert message.headers["expires"] is not None

    def test_leaves_at_most_a_few_in_the_queue(self, queue):
        for _ in range(bell.MOST_WAITING + 5):
            bell._publish()

        assert len(queue()) == bell.MOST_WAITING


class TestRing:
    def test_never_waits_for_a_broker_that_does_not_answer(self, monkeypatch):
        frozen = threading.Event()
        monkeypatch.setattr(bell, "_publish", frozen.wait)

        for _ in range(1000):
            bell.ring()

        assert not frozen.is_set(), "all rings came back while the broker was still frozen"
        frozen.set()

    @pytest.mark.django_db(transaction=True)
    def test_rings_only_once_the_transaction_is_committed(self, monkeypatch):
        rung = []
        monkeypatch.setattr(bell, "ring", functools.partial(rung.append, True))

        with transaction.atomic():
            bell.ring_on_commit()
            assert rung == []
        assert rung == [True]

    @pytest.mark.django_db(transaction=True)
    def test_a_bell_that_fails_undoes_nothing(self, monkeypatch):
        def ring():
            raise RuntimeError("no bell")

        monkeypatch.setattr(bell, "ring", ring)

        with transaction.atomic():
            project = ProjectFactory()
            bell.ring_on_commit()

        assert Project.objects.filter(pk=project.pk).exists()
