"""Waiting for the end of an execution. [the answer arrives in whatever process the caller waits]"""

from __future__ import annotations

import time

import pytest
from django.db import connection

from executions import services
from executions.waiting import stop_listening, wait_for_end
from tests.clock import NOON
from tests.factories import ExecutionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)


class TestWaitForEnd:
    def test_returns_one_that_has_ended_at_once(self):
        execution = ExecutionFactory(ended=True)

        assert wait_for_end(execution.pk, timeout=30).status == "completed"

    def test_returns_it_as_it_is_when_the_time_is_over(self):
        execution = ExecutionFactory(is_awaited=True)

        assert wait_for_end(execution.pk, timeout=0.05).status == "pending"

    def test_returns_when_another_connection_ends_it(self):
        execution = ExecutionFactory(is_awaited=True)

        def end():
            time.sleep(0.2)
            services.cancel_execution(execution, by=None, now=NOON)

        waited, _ = at_once(lambda: wait_for_end(execution.pk, timeout=30), end)

        assert waited.status == "cancelled"

    def test_goes_on_after_the_listening_connection_was_cut(self):
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has nothing to listen to")
        wait_for_end(ExecutionFactory(is_awaited=True).pk, timeout=0.05)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
        execution = ExecutionFactory(is_awaited=True)

        waited, _ = at_once(
            lambda: wait_for_end(execution.pk, timeout=30),
            lambda: services.cancel_execution(execution, by=None, now=NOON),
        )

        assert waited.status == "cancelled"

    def test_can_begin_again_after_it_was_stopped(self):
        stop_listening()

        assert wait_for_end(ExecutionFactory(is_awaited=True).pk, timeout=0.05).status == "pending"
