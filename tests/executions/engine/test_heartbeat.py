"""What keeps leases, and ends a process that cannot. [R-6]"""

from __future__ import annotations

import os
import threading
import time

import pytest
from django.db import OperationalError

from executions.engine import heartbeat
from executions.engine.clock import database_now
from executions.engine.heartbeat import CANNOT_RENEW, Heartbeat
from executions.engine.leases import Lease, lease_time
from executions.models import WorkflowExecution
from tests.factories import ExecutionFactory

pytestmark = pytest.mark.django_db(transaction=True)


class Holding:
    """An execution that this process holds."""

    def __init__(self, execution):
        self.lease = Lease(execution.pk, execution.fence)
        self.abandoned = threading.Event()

    def abandon(self):
        self.abandoned.set()

    def hear(self):
        pass


@pytest.fixture
def exits(monkeypatch):
    """Whether, and with what, the process would have ended."""
    statuses = []
    ended = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda status: (statuses.append(status), ended.set()))
    return lambda: statuses if ended.wait(5) else []


@pytest.fixture
def beating():
    """Make heartbeats that end with the test."""
    made = []

    def make(held, *, moved_at=time.monotonic, asked_at=None):
        beat = Heartbeat("worker", lambda: held, moved_at=moved_at)
        made.append(beat)
        beat.claimed(time.monotonic() if asked_at is None else asked_at)
        return beat

    yield make
    for beat in made:
        beat.stop()


def leased():
    now = database_now()
    return ExecutionFactory(leased=True, created_at=now, lease_expires_at=now + lease_time())


class TestHeartbeat:
    def test_renews_what_is_held(self, beating, settings):
        execution = leased()

        beating([Holding(execution)], asked_at=time.monotonic() - settings.ENGINE_LEASE_SECONDS / 2)

        until = time.monotonic() + 5
        while WorkflowExecution.objects.get(pk=execution.pk).lease_expires_at == execution.lease_expires_at:
            assert time.monotonic() < until, "it did not renew"
            time.sleep(0.05)

    def test_tells_of_a_lease_that_was_lost(self, beating):
        execution = leased()
        holding = Holding(execution)
        WorkflowExecution.objects.filter(pk=execution.pk).update(fence=execution.fence + 1)

        beating([holding])

        assert holding.abandoned.wait(5)

    def test_ends_a_process_whose_renewals_do_not_come_back(self, beating, exits, monkeypatch, settings):
        blocked = threading.Event()

        def never_comes_back():
            blocked.wait(20)
            raise OperationalError

        monkeypatch.setattr(heartbeat, "database_now", never_comes_back)

        beating([Holding(leased())], asked_at=time.monotonic() - settings.ENGINE_LEASE_SECONDS)

        assert CANNOT_RENEW in exits()
        blocked.set()

    def test_ends_a_process_whose_loop_stands_still(self, beating, exits):
        """[R-13] Its leases would be renewed for ever."""
        beating([Holding(leased())], moved_at=lambda: time.monotonic() - heartbeat.STUCK_SECONDS - 1)

        assert CANNOT_RENEW in exits()

    def test_is_not_fresh_when_the_claim_took_long(self, beating, settings):
        """It runs from when it was asked for, not from when the answer came."""
        beat = beating([], asked_at=time.monotonic() - settings.ENGINE_LEASE_SECONDS * 0.75)

        assert not beat.is_fresh()
