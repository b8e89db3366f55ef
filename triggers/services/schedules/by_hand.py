"""Firing a schedule now, because somebody wants it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from executions import quotas
from executions.models import WorkflowExecution
from executions.services import ready_to_start, start_execution
from projects import audit
from projects.access import Actor
from triggers.exceptions import TriggerGone
from triggers.models import ScheduledJob
from triggers.services.schedules.payloads import payload_of
from workflows.models import TriggerType


@transaction.atomic
def fire_now(job: ScheduledJob, *, by: Actor | None, now: datetime, reason: str = "") -> WorkflowExecution:
    """Start an execution of a schedule by hand: of no slot, beside whatever runs, and without touching the clock.

    Also where the job is paused. The execution sees this moment as its ``trigger.scheduled_for``, and counts for no failures.

    :raises TriggerGone: if the published version has not the node any more, or has it disabled.
    :raises NotRunnable: if the workflow can't start executions now.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    if not job.trigger.is_registered:
        raise TriggerGone(f"The published version has no schedule {job.trigger.node_id!r} any more.")
    version, node_id = ready_to_start(job.workflow, node_id=job.trigger.node_id)
    quotas.take_start(job.workflow.project_id, now=now)
    execution = start_execution(
        version,
        kind=TriggerType.MANUAL,
        node_id=node_id,
        payload=payload_of(job, now.replace(microsecond=0)),
        now=now,
        trigger_id=job.trigger_id,
        by=by,
    )
    details = {"reason": reason, "execution": str(execution.pk)}
    audit.record("scheduled_job.fired", job, project=job.workflow.project, by=by, details=details)
    return execution
