"""Waiting for the end of an execution, or for its answer, in a process that serves many callers at once.

On PostgreSQL one connection per process listens for them, and wakes the thread that waits for one. A slow look at the row
is the safety net there, and the way on SQLite.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from threading import Semaphore
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection

from executions.engine.ending import ENDED_CHANNEL
from executions.models import WorkflowExecution

logger = logging.getLogger(__name__)

LOOK_SECONDS_WITH_LISTENER = 1.0
LOOK_SECONDS_ALONE = 0.05
RECONNECT_SECONDS = 2.0
# How often the listening thread looks whether it is to end.
LISTEN_SECONDS = 1.0
# Threads of a web process that are left for those who do not wait.
LEFT_FOR_OTHERS = 2

# For senders that wait for a result, and live events. Each holds a thread for long.
places = Semaphore(max(settings.WEB_THREADS - LEFT_FOR_OTHERS, 1))


def wait_for_end(execution_id: UUID, *, timeout: float) -> WorkflowExecution:
    """Return the execution when it has ended, or as it is after ``timeout`` seconds. Holds no transaction open.

    The execution should have been started with ``awaited=True``: only such ends are announced.
    """
    return _wait(execution_id, lambda execution: execution.has_ended, timeout=timeout)


def wait_for_answer(execution_id: UUID, *, timeout: float) -> WorkflowExecution:
    """Return the execution when one of its nodes has answered or it has ended, likewise."""
    return _wait(
        execution_id, lambda execution: execution.has_ended or execution.answered_by is not None, timeout=timeout
    )


def _wait(execution_id: UUID, is_over: Callable[[WorkflowExecution], bool], *, timeout: float) -> WorkflowExecution:
    until = time.monotonic() + timeout
    listener = _Listener.of_this_process() if connection.vendor == "postgresql" else None
    ended = listener.expect(execution_id) if listener else threading.Event()
    look_seconds = LOOK_SECONDS_WITH_LISTENER if listener else LOOK_SECONDS_ALONE
    try:
        while True:
            execution = WorkflowExecution.objects.get(pk=execution_id)
            left = until - time.monotonic()
            if is_over(execution) or left <= 0:
                return execution
            ended.wait(min(left, look_seconds))
    finally:
        if listener:
            listener.forget(execution_id, ended)


def stop_listening() -> None:
    """End this process's listening thread and its connection. The next wait starts another."""
    _Listener.stop()


class _Listener:
    """The thread of this process that hears of ends. A forked child makes its own."""

    _instance: _Listener | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._expected: defaultdict[str, set[threading.Event]] = defaultdict(set)
        self._lock = threading.Lock()
        self._parameters = connection.get_connection_params()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ends", daemon=True)
        self._thread.start()

    @classmethod
    def of_this_process(cls) -> _Listener:
        with cls._guard:
            if cls._instance is None or cls._instance.pid != os.getpid():
                cls._instance = cls()
            return cls._instance

    @classmethod
    def stop(cls) -> None:
        with cls._guard:
            listener, cls._instance = cls._instance, None
        if listener is not None and listener.pid == os.getpid():
            listener._stopped.set()
            listener._thread.join()

    def expect(self, execution_id: UUID) -> threading.Event:
        ended = threading.Event()
        with self._lock:
            self._expected[str(execution_id)].add(ended)
        return ended

    def forget(self, execution_id: UUID, ended: threading.Event) -> None:
        with self._lock:
            waiting = self._expected[str(execution_id)]
            waiting.discard(ended)
            if not waiting:
                del self._expected[str(execution_id)]

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                logger.warning("Lost the connection that hears of ends.", extra={"reason": repr(error)})
                self._stopped.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        parameters = {
            key: value
            for key, value in self._parameters.items()
            if key not in {"cursor_factory", "context", "prepare_threshold"}
        }
        with psycopg.connect(**parameters, autocommit=True) as listening:
            listening.execute(f"LISTEN {ENDED_CHANNEL}")
            while not self._stopped.is_set():
                for notice in listening.notifies(timeout=LISTEN_SECONDS):
                    self._tell(notice.payload)

    def _tell(self, execution_id: str) -> None:
        with self._lock:
            for ended in self._expected.get(execution_id, ()):
                ended.set()
