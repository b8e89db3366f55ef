"""Many schedules, made and asked inside of an installation (``manage.py shell``): each has a workflow of its own."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from executions.engine.clock import database_now
from projects.models import Project
from tests.builders import definition, node
from triggers.models import ScheduledJob, Trigger
from triggers.services import carry_on_backfills, fire_due_schedules
from workflows.models import TriggerType, Workflow, WorkflowStatus, WorkflowVersion
from workflows.schedules.calendar import next_slot

AT_ONCE = 2000


def fill(name: str, *, first: int = 0, count: int, cron: str, is_active: bool = True) -> None:
    """Make schedules with names that are numbered from ``first`` on."""
    project = Project.objects.order_by("created_at").first()
    config = {"kind": "schedule", "cron": cron}
    written = definition("clock > end", clock=node("trigger", config))
    now = timezone.now()
    for begin in range(first, first + count, AT_ONCE):
        numbers = range(begin, min(begin + AT_ONCE, first + count))
        workflows = [
            Workflow(
                project=project,
                name=f"{name} {number}",
                definition=written,
                status=WorkflowStatus.ACTIVE,
                version=1,
                created_at=now,
            )
            for number in numbers
        ]
        triggers = [
            Trigger(workflow=workflow, node_id="clock", type=TriggerType.SCHEDULE, config=config)
            for workflow in workflows
        ]
        jobs = [ScheduledJob(workflow=trigger.workflow, trigger=trigger, cron_expression=cron) for trigger in triggers]
        for job in jobs:
            job.next_run = next_slot(job.schedule, after=now)
        Workflow.objects.bulk_create(workflows)
        WorkflowVersion.objects.bulk_create(
            WorkflowVersion(workflow=workflow, number=1, definition=written, content_hash=f"{number:064x}")
            for number, workflow in zip(numbers, workflows, strict=True)
        )
        Trigger.objects.bulk_create(triggers)
        ScheduledJob.objects.bulk_create(jobs)


def analyze() -> None:
    """Let the database look at its tables, as it does by itself after a while."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def let_go(name: str, *, seconds: int) -> datetime:
    """Make all schedules of this name due in the same second, so many from now, and return which."""
    due = database_now().replace(microsecond=0) + timedelta(seconds=seconds)
    jobs = ScheduledJob.objects.filter(workflow__name__startswith=f"{name} ")
    jobs.update(next_run=due, is_active=True)
    return due


def pause(name: str) -> None:
    """Stop the schedules of this name."""
    ScheduledJob.objects.filter(workflow__name__startswith=f"{name} ").update(is_active=False)


def idle_tick_ms(rounds: int) -> tuple[float, float]:
    """Return the milliseconds that a tick takes which finds nothing due, and what of it is the database's: medians."""
    whole, inside = [], []
    for _ in range(rounds):
        spent: list[float] = []

        def measure(execute: Callable[..., Any], *arguments: Any, spent: list[float] = spent) -> Any:
            began = time.perf_counter()
            try:
                return execute(*arguments)
            finally:
                spent.append(time.perf_counter() - began)

        now = database_now()
        with connection.execute_wrapper(measure):
            began = time.perf_counter()
            fire_due_schedules(now)
            carry_on_backfills(now)
            whole.append(time.perf_counter() - began)
        inside.append(sum(spent))
    return statistics.median(whole) * 1000, statistics.median(inside) * 1000
