"""The queues that executions wait in, and which of them this process serves.

What runs an agent needs a library that takes 150 MB and seconds to load. So executions of versions with an agent node have a
queue of their own, and ``WORKER_QUEUES`` says which queues a worker serves: by default, all.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from executions.models import LIVE, ExecutionQueue, WorkflowExecution
from workflows.models import WorkflowVersion


def queue_of(version: WorkflowVersion) -> ExecutionQueue:
    """Return the queue that executions of a version wait in."""
    return ExecutionQueue.AGENTS if version.has_agent else ExecutionQueue.DEFAULT


def served() -> tuple[ExecutionQueue, ...]:
    """Return the queues that a worker with these settings serves."""
    return tuple(queue for queue in ExecutionQueue if queue in settings.WORKER_QUEUES)


def alone() -> ExecutionQueue | None:
    """Return the queue that a worker with these settings serves alone; ``None`` if it serves all that there are."""
    return served()[0] if len(served()) == 1 else None


def with_something_due(now: datetime) -> list[ExecutionQueue]:
    """Return the queues in which an execution waits for a worker."""
    # In the order of the index. Asked without an order whether there is one, PostgreSQL may expect to meet one soon in the
    # table itself, and then reads the whole of it when nothing is due.
    due = WorkflowExecution.objects.filter(status__in=LIVE, wake_at__lte=now).order_by("project_id", "wake_at", "id")
    return [queue for queue in ExecutionQueue if due.filter(queue=queue).values_list("pk").first()]
