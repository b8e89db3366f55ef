"""What the end of an execution does to the job of its trigger, and how a job pauses itself."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db.models import F

from executions.models import ExecutionStatus, WorkflowExecution
from projects import audit
from triggers.models import ScheduledJob
from triggers.services.events import OWN_SOURCE, SCHEDULE_PAUSED, emit
from workflows.models import TriggerType

logger = logging.getLogger(__name__)

MAX_REASON = 500


def note_end(execution: WorkflowExecution, *, now: datetime) -> None:
    """Let the next slot go on that waits for an execution, and count how one that the clock started has ended.

    After too many failures in a row the job pauses. A cancelled execution says nothing about the workflow and counts as neither.
    """
    if execution.trigger_id is None or execution.triggered_by not in (TriggerType.SCHEDULE, TriggerType.MANUAL):
        return
    job = ScheduledJob.objects.filter(trigger_id=execution.trigger_id).select_related("workflow__project").first()
    if job is None:
        return
    row = ScheduledJob.objects.filter(pk=job.pk)
    if job.waits_for is not None:
        row.filter(waits_for=execution.pk).update(waits_for=None)
    is_by_the_clock = execution.rerun_of_id is None and execution.started_by_id is None
    if execution.triggered_by != TriggerType.SCHEDULE or not is_by_the_clock:
        return
    match execution.status:
        case ExecutionStatus.COMPLETED:
            row.filter(consecutive_failures__gt=0).update(consecutive_failures=0, updated_at=now)
        case ExecutionStatus.FAILED | ExecutionStatus.TIMEOUT:
            count_failure(job, f"the last one is {execution.pk}", now=now)


def count_failure(job: ScheduledJob, last: str, *, now: datetime) -> None:
    """Count one failure more, and pause the job if it is one too many.

    The update locks the row until the end of the transaction, so that of several at once each sees its own count.

    :param last: which one it is, as the end of a sentence.
    """
    row = ScheduledJob.objects.filter(pk=job.pk)
    row.update(consecutive_failures=F("consecutive_failures") + 1, updated_at=now)
    job.refresh_from_db(fields=["consecutive_failures", "max_consecutive_failures"])
    if 0 < job.max_consecutive_failures <= job.consecutive_failures:
        pause_itself(job, f"{job.consecutive_failures} failures in a row; {last}.", now=now)


def pause_itself(job: ScheduledJob, reason: str, *, now: datetime) -> None:
    """Stop a job's clock, say why, and send an event. Of several at once, one does."""
    reason = reason[:MAX_REASON]
    row = ScheduledJob.objects.filter(pk=job.pk, is_active=True)
    if row.update(is_active=False, paused_reason=reason, updated_at=now):
        logger.warning("A schedule paused itself.", extra={"job_id": str(job.pk), "reason": reason})
        audit.record("scheduled_job.paused", job, project=job.workflow.project, by=None, details={"reason": reason})
        emit(job.workflow.project, SCHEDULE_PAUSED, _described(job, reason), source=OWN_SOURCE, now=now)


def _described(job: ScheduledJob, reason: str) -> dict[str, Any]:
    return {
        "schedule": str(job.pk),
        "trigger": job.trigger.node_id,
        "workflow": {"id": str(job.workflow_id), "name": job.workflow.name},
        "reason": reason,
    }
