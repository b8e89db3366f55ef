"""A worker that ends the next execution as a test wants it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.utils import timezone

from executions.engine.ending import end_execution
from executions.models import ExecutionStatus, WorkflowExecution
from tests.factories import NodeRunFactory

GIVE_UP_SECONDS = 20


@contextlib.contextmanager
def a_worker(
    *, ends_as: ExecutionStatus = ExecutionStatus.COMPLETED, answer: Any = None, error: Any = None
) -> Iterator[None]:
    """End one execution in the background, with what its output node made."""

    def work() -> None:
        try:
            execution = _next_execution()
            now = timezone.now()
            execution.move_to(ExecutionStatus.RUNNING, started_at=now, wake_at=None, blocked_on=None)
            if answer is not None:
                NodeRunFactory(
                    execution=execution, node_id="end", node_type="output", output_data=answer, completed_at=now
                )
            end_execution(execution, ends_as, now=now, error=error)
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _next_execution() -> WorkflowExecution:
    until = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < until:
        execution = WorkflowExecution.objects.filter(status=ExecutionStatus.PENDING).first()
        if execution is not None:
            return execution
        time.sleep(0.02)
    raise AssertionError("There was nothing to do.")
