"""What triggers do when a version is published, a workflow changes its status, or an execution has ended."""

from __future__ import annotations

from datetime import datetime

from django.dispatch import receiver

from executions.models import WorkflowExecution
from executions.signals import execution_ended
from triggers import services
from workflows.models import Workflow, WorkflowStatus, WorkflowVersion
from workflows.signals import status_changed, version_published


@receiver(version_published)
def register_triggers(*, version: WorkflowVersion, now: datetime, **_: object) -> None:
    """Make a version's triggers the workflow's, in the transaction that publishes it."""
    services.register_triggers(version, now=now)


@receiver(status_changed)
def begin_schedules_anew(*, workflow: Workflow, previous: WorkflowStatus, now: datetime, **_: object) -> None:
    """Make nothing up for what a schedule missed while its workflow was off. After a pause, the last slot fires."""
    if workflow.status == WorkflowStatus.ACTIVE and previous != WorkflowStatus.PAUSED:
        services.skip_missed_slots(workflow, now=now)


@receiver(execution_ended)
def count_failures(*, execution: WorkflowExecution, now: datetime, **_: object) -> None:
    """Let a schedule know how its execution has ended."""
    services.note_end(execution, now=now)


@receiver(execution_ended)
def start_followers(*, execution: WorkflowExecution, now: datetime, **_: object) -> None:
    """Start the workflows that wait for such an end of this one, in the transaction that ends it."""
    services.start_followers(execution, now=now)
