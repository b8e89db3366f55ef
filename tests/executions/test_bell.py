"""The doorbell: bounded, without work in it, and of no account when the broker is gone. [R-7, R-9]"""

from __future__ import annotations

import functools
import os
import threading
import uuid

import pytest
from celery import Celery
from django.conf import settings
from django.db import transaction
from kombu import Connection, Queue
from kombu.exceptions import ChannelError

from executions import bell
from projects.models import Project
from tests.factories import ProjectFactory


@pytest.fixture
def queue(broker, settings):
    """Have a queue called ``quiet``, for which nobody rings but the test, and return how to take what lies in it.

    What other tests have begun may still ring for the usual ones.
    """
    name = f"bells-{uuid.uuid4().hex}"
    settings.BELL_QUEUES = {"quiet": name, "default": f"{name}-of-others", "agents": f"{name}-of-others"}
    with Connection(broker) as connection:
        channel = connection.default_channel
        yield lambda: list(iter(functools.partial(Queue(name, channel=channel).get, no_ack=True), None))
        channel.queue_delete(name)
        channel.queue_delete(f"{name}-of-others")


class TestPublish:
    def test_carries_no_work_and_expires(self, queue):
        bell._publish("quiet")

        (message,) = queue()
        arguments, keywords, _ = message.payload
        assert (arguments, keywords) == ([], {})
        assert message.headers["task"] == "executions.tasks.work"
        assert message.headers["expires"] is not None

    def test_leaves_at_most_a_few_in_the_queue(self, queue):
        for _ in range(bell.MOST_WAITING + 5):
            bell._publish("quiet")

        assert len(queue()) == bell.MOST_WAITING


@pytest.fixture
def rabbitmq(settings, monkeypatch):
    """Let the bells of this process ring on RabbitMQ, into queues that nobody has made yet."""
    if "TEST_RABBITMQ_URL" not in os.environ:
        pytest.skip("TEST_RABBITMQ_URL names no RabbitMQ")
    name = f"bells-{uuid.uuid4().hex}"
    settings.BELL_QUEUES = {"default": name, "agents": f"{name}-of-agents"}
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)  # It would count for more than the argument.
    app = Celery("bells", broker=os.environ["TEST_RABBITMQ_URL"], set_as_current=False)
    app.conf.broker_transport_options = {"confirm_publish": True}  # As in the settings: what was published lies there.
    with app.connection_for_write() as connection:
        yield app, connection
        for queue in settings.BELL_QUEUES.values():
            connection.default_channel.queue_delete(queue)


class TestPublishOnRabbitMQ:
    """It closes the channel of whoever asks for what is not there, or is refused."""

    @pytest.fixture(autouse=True)
    def its_app(self, rabbitmq, monkeypatch):
        app, self.connection = rabbitmq
        monkeypatch.setattr(bell, "current_app", app)

    def waiting(self, queue: str) -> int:
        name = settings.BELL_QUEUES[queue]
        return self.connection.default_channel.queue_declare(name, passive=True).message_count

    def test_rings_where_no_worker_has_made_a_queue_yet(self):
        bell._publish("default")
        bell._publish("agents")

        assert min(self.waiting("default"), self.waiting("agents")) > 0

    def test_rings_again_after_the_broker_has_refused_something(self):
        Queue(settings.BELL_QUEUES["agents"], durable=False, channel=self.connection.default_channel).declare()
        with pytest.raises(ChannelError, match="PRECONDITION_FAILED"):
            bell._publish("agents")

        bell._publish("default")

        assert self.waiting("default")  # At least one: what other tests have begun may ring as well.


class TestRing:
    def test_rings_for_each_queue_once_however_often_it_is_asked(self, monkeypatch):
        rung, both = [], threading.Event()

        def publish(queue):
            if queue in ("one", "another"):  # What other tests have begun may ring as well.
                rung.append(queue)
            if {"one", "another"} <= set(rung):
                both.set()

        monkeypatch.setattr(bell, "_publish", publish)

        bell.ring("one", "another", "one")

        assert both.wait(10)
        assert sorted(rung) == ["another", "one"]

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
