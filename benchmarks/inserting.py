"""What Django costs at the least: rows written through its models, by themselves and behind gunicorn.

``python -m benchmarks.inserting N`` prints how long N times one INSERT and one UPDATE took, each with its commit.
``application`` is a WSGI application that inserts one row for each request.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import close_old_connections  # noqa: E402 - Django is set up first.
from django.utils import timezone  # noqa: E402

from executions.models import ExecutionStatus, WorkflowExecution  # noqa: E402
from workflows.models import WorkflowVersion  # noqa: E402


def insert(version: WorkflowVersion) -> WorkflowExecution:
    """Insert an execution that has ended, so that nobody will run it, or wait for it."""
    return WorkflowExecution.objects.create(
        project_id=version.workflow.project_id,
        workflow=version.workflow,
        workflow_version=version,
        workflow_name=version.workflow.name,
        status=ExecutionStatus.COMPLETED,
        completed_at=timezone.now(),
        triggered_by="manual",
        execution_context={"trigger": {"total": 150}, "node_id": "start"},
    )


def some_version() -> WorkflowVersion:
    """Return the version that rows are written for."""
    return WorkflowVersion.objects.select_related("workflow").earliest("created_at")


def application(_: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Insert one row, commit, answer."""
    close_old_connections()
    body = f'"{insert(_version).pk}"'.encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def main() -> None:
    """Write as many rows as are asked for, and print the seconds."""
    began = time.perf_counter()
    for _ in range(int(sys.argv[1])):
        execution = insert(_version)
        WorkflowExecution.objects.filter(pk=execution.pk).update(nodes_executed=4, output_bytes=100)
    print(time.perf_counter() - began)


_version = some_version()

if __name__ == "__main__":
    main()
