"""What keeps a process's leases, and tells the process when it has lost one."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection
from typing import Protocol

from django.conf import settings
from django.db import Error, close_old_connections, connection

from executions.engine import leases
from executions.engine.clock import database_now
from projects.failpoints import failpoint

logger = logging.getLogger(__name__)

# How soon a cancel or a timeout reaches what a worker is doing.
LOOK_SECONDS = 1.0
# A round of a worker's loop may take minutes, if hundreds of expressions use all the time that they may.
STUCK_SECONDS = 900
# The exit status of a process that could not renew (EX_TEMPFAIL of sysexits.h).
CANNOT_RENEW = 75


class Held(Protocol):
    """What the heartbeat needs to know of an execution that this process holds."""

    @property
    def lease(self) -> leases.Lease:
        """The right to write it."""

    def abandon(self) -> None:
        """Stop what is in flight: it is no longer ours."""

    def hear(self) -> None:
        """Look for what has come that it waits for."""


class Heartbeat:
    """Renews the leases of a process in one statement, on its own database connection.

    A process that can't renew for most of a lease ends itself: somebody else will have its executions. That is watched by a
    second thread, because a statement to a database that is frozen, or behind a broken network, never comes back.
    """

    def __init__(self, owner: str, held: Callable[[], Collection[Held]], *, moved_at: Callable[[], float]) -> None:
        """Begin.

        :param moved_at: the monotonic time at which the worker's loop came round last: one that stands still must not hold what
            it holds for ever.
        """
        self._owner = owner
        self._held = held
        self._moved_at = moved_at
        self._renewed_at = time.monotonic()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="heartbeat", daemon=True),
            threading.Thread(target=self._watch, name="heartbeat-watch", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def is_fresh(self) -> bool:
        """Whether there is surely enough of the lease left to begin something outside."""
        return time.monotonic() - self._renewed_at < settings.ENGINE_LEASE_SECONDS * 0.7

    def claimed(self, asked_at: float) -> None:
        """Note that leases were taken, and want renewing from now on.

        :param asked_at: the monotonic time before they were: they run from then, however long the claim took.
        """
        if not self._wanted.is_set():
            self._renewed_at = asked_at
            self._wanted.set()

    def stop(self) -> None:
        """End the threads and close their connection."""
        self._stopped.set()
        self._wanted.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                connection.close()
                return
            try:
                self._beat()
            except Error as error:
                logger.warning("Could not renew leases.", extra={"reason": repr(error)})
                connection.close()
            self._pause()

    def _watch(self) -> None:
        while True:
            self._wanted.wait()
            if self._stopped.is_set():
                return
            self._end_process_if_too_late()
            self._pause()

    def _pause(self) -> None:
        self._stopped.wait(min(LOOK_SECONDS, settings.ENGINE_LEASE_SECONDS / 5))

    def _beat(self) -> None:
        holding = list(self._held())
        if not holding:
            self._wanted.clear()
            if self._held():  # Something was claimed meanwhile.
                self._wanted.set()
            close_old_connections()
            return
        failpoint("heartbeat.before")
        asked_at = time.monotonic()
        now = database_now()
        if asked_at - self._renewed_at > settings.ENGINE_LEASE_SECONDS / 4:
            leases.renew(self._owner, [item.lease.execution_id for item in holding], now=now)
            self._renewed_at = asked_at
        ours = leases.held_by(self._owner, now=now)
        for item in holding:
            is_signalled = ours.get((item.lease.execution_id, item.lease.fence))
            if is_signalled is None:
                item.abandon()
            elif is_signalled:
                item.hear()

    def _end_process_if_too_late(self) -> None:
        if not self._wanted.is_set() or not self._held():
            return
        now = time.monotonic()
        if now - self._renewed_at > settings.ENGINE_LEASE_SECONDS * 0.8:
            logger.critical("Could not renew leases for too long; this process ends, others take over.")
            os._exit(CANNOT_RENEW)
        if now - self._moved_at() > STUCK_SECONDS:
            logger.critical("The worker stands still; this process ends, others take over.")
            os._exit(CANNOT_RENEW)
