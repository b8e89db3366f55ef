"""Starting executions and letting a worker of the test's own carry them to their end."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_httpserver import HTTPServer

from executions import services
from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.models import WorkflowExecution
from tests.factories import WorkflowFactory


@pytest.fixture
def httpserver():
    """A service that answers several callers at once."""
    with HTTPServer(threaded=True) as server:
        yield server


@pytest.fixture
def worker():
    working = Worker()
    yield working
    working.close()


def start(raw, value=None, **more):
    workflow = WorkflowFactory(published=True, definition=raw)
    return services.start_manually(workflow, input={} if value is None else value, by=None, now=timezone.now(), **more)


def carry(worker, execution, *, seconds=20):
    """Let the worker work, and what sleeps wake at once, until the execution has ended."""
    until = time.monotonic() + seconds
    while True:
        worker.work()
        execution.refresh_from_db()
        if execution.has_ended:
            return execution
        assert time.monotonic() < until, f"It is {execution.status}: {execution.blocked_detail}"
        hurry(execution)


def hurry(execution):
    """Make what an execution waits for come true now."""
    past = database_now() - timedelta(seconds=1)
    WorkflowExecution.objects.filter(pk=execution.pk, wake_at__isnull=False).update(wake_at=past)
    execution.node_runs.filter(wake_at__isnull=False).update(wake_at=past)
