"""The doorbell: one empty message that says "something is due, look". Each queue of executions has one of its own.

It may be lost, doubled or late. Ringing never waits for the broker: a thread of this process publishes, many rings while it
does so are one, it does not publish into a queue that holds enough bells already, and it is silent for a while after the
broker failed. What is due is found by the sweep in any case.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterable
from typing import Any

from celery import current_app
from django.conf import settings
from django.db import transaction

from projects.failpoints import failpoint

logger = logging.getLogger(__name__)

TASK = "executions.tasks.work"
# A bell that nobody has heard for so long says nothing that the sweep does not say.
EXPIRES_SECONDS = 5
# More waiting bells than this wake nobody earlier.
MOST_WAITING = 8
SILENT_AFTER_FAILURE_SECONDS = 5.0
# Between two bells of one process. The first one after a silence rings at once; under load, a bell costs more processor
# time than it is worth for each single execution.
PAUSE_SECONDS = 0.02


def ring_on_commit(*queues: str) -> None:
    """Ring for these queues once the present transaction is committed. A broker that is down undoes nothing."""
    transaction.on_commit(lambda: ring(*queues), robust=True)


def ring(*queues: str) -> None:
    """Ring for these queues now, without waiting."""
    if queues:
        _Ringer.of_this_process().ring(queues)


class _Ringer:
    """The thread that publishes. Each process has its own; a forked child makes a new one."""

    _instance: _Ringer | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._wanted = threading.Event()
        # As the keys of a dict: each once, and two threads may add at the same time.
        self._queues: dict[str, None] = {}
        threading.Thread(target=self._run, name="bell", daemon=True).start()

    @classmethod
    def of_this_process(cls) -> _Ringer:
        ringer = cls._instance
        if ringer is None or ringer.pid != os.getpid():
            with cls._guard:
                if cls._instance is None or cls._instance.pid != os.getpid():
                    cls._instance = cls()
                ringer = cls._instance
        return ringer

    def ring(self, queues: Iterable[str]) -> None:
        for queue in queues:
            self._queues[queue] = None
        self._wanted.set()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            try:
                for queue in list(self._queues):
                    del self._queues[queue]  # Before it rings, so that who rings meanwhile is heard once more.
                    failpoint("bell.before_publish")
                    _publish(queue)
                    failpoint("bell.after_publish")
                time.sleep(PAUSE_SECONDS)
            except Exception as error:  # Whatever the broker's client raises: the sweep will ring.
                logger.warning("The bell did not ring; the sweep will.", extra={"reason": repr(error)})
                time.sleep(SILENT_AFTER_FAILURE_SECONDS)


def _publish(queue: str) -> None:
    name = settings.BELL_QUEUES[queue]
    # A connection on which something fails is replaced: RabbitMQ closes the channel whenever it refuses a command.
    with current_app.pool.acquire(block=True) as connection:
        if _waiting(connection.default_channel, name) < MOST_WAITING:
            producer = current_app.amqp.Producer(connection, auto_declare=False)
            current_app.send_task(
                TASK, producer=producer, queue=name, expires=EXPIRES_SECONDS, retry=False, ignore_result=True
            )


def _waiting(channel: Any, name: str) -> int:
    """Return how many bells lie in the queue, which is made if no worker has made it yet."""
    queue = current_app.amqp.queues[name]
    declared = channel.queue_declare(
        queue=name, durable=queue.durable, auto_delete=queue.auto_delete, arguments=queue.queue_arguments
    )
    return int(declared.message_count)
