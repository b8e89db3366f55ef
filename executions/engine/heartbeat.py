"""The thread that keeps a process's leases, and tells the process when it has lost one."""

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

logger = logging.getLogger(__name__)

# How soon a cancel or a timeout reaches what a worker is doing.
LOOK_SECONDS = 1.0
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
    """Renews all leases of a process in one statement, on its own database connection.

    A process that can't renew for most of a lease ends itself: somebody else will have its executions.
    """

    def __init__(self, owner: str, held: Callable[[], Collection[Held]]) -> None:
        self._owner = owner
        self._held = held
        self._renewed_at = time.monotonic()
        self._wanted = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def is_fresh(self) -> bool:
        """Whether there is surely enough of the lease left to begin something outside."""
        return time.monotonic() - self._renewed_at < settings.ENGINE_LEASE_SECONDS * 0.7

    def claimed(self) -> None:
        """Note that leases were just taken: they are fresh, and want renewing from now on."""
        if not self._wanted.is_set():
            self._renewed_at = time.monotonic()
            self._wanted.set()

    def stop(self) -> None:
        """End the thread and close its connection."""
        self._stopped.set()
        self._wanted.set()
        self._thread.join()

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
                self._end_process_if_too_late()
            self._stopped.wait(min(LOOK_SECONDS, settings.ENGINE_LEASE_SECONDS / 5))

    def _beat(self) -> None:
        holding = list(self._held())
        if not holding:
            self._wanted.clear()
            if self._held():  # Something was claimed meanwhile.
                self._wanted.set()
            close_old_connections()
            return
        asked_at = time.monotonic()
        now = database_now()
        if asked_at - self._renewed_at > settings.ENGINE_LEASE_SECONDS / 4:
            leases.renew(self._owner, now=now)
            self._renewed_at = asked_at
        ours = leases.held_by(self._owner, now=now)
        for item in holding:
            is_signalled = ours.get((item.lease.execution_id, item.lease.fence))
            if is_signalled is None:
                item.abandon()
            elif is_signalled:
                item.hear()

    def _end_process_if_too_late(self) -> None:
        if self._held() and time.monotonic() - self._renewed_at > settings.ENGINE_LEASE_SECONDS * 0.8:
            logger.critical("Could not renew leases for too long; this process ends, others take over.")
            os._exit(CANNOT_RENEW)
