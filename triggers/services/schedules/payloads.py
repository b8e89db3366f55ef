"""What executions that a schedule starts are told, and the version that they run."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from triggers.models import ScheduledJob
from workflows.models import Workflow, WorkflowVersion


def payload_of(job: ScheduledJob, slot: datetime) -> dict[str, Any]:
    """Return the value of ``trigger`` for a slot: the slot, as clocks in the job's zone show it."""
    return {"scheduled_for": slot.astimezone(ZoneInfo(job.timezone)).isoformat(), "timezone": job.timezone}


def newest_version(workflow: Workflow) -> WorkflowVersion:
    """Return the version that a workflow's schedules start, without its definition.

    :raises WorkflowVersion.DoesNotExist: if there is none, which publishing does not allow.
    """
    version = WorkflowVersion.objects.defer("definition").get(workflow=workflow, number=workflow.version)
    version.workflow = workflow
    return version
