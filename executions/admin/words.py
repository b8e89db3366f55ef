"""What an execution's page says in plain words."""

from __future__ import annotations

from datetime import datetime

from executions.engine import limits
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from projects.backoffice.values import ago

# What a live execution waits for, for people.
WAITS_FOR: dict[BlockedOn, str] = {
    BlockedOn.QUEUE: "Waits for a worker.",
    BlockedOn.TIMER: "Sleeps until a delay is over.",
    BlockedOn.RETRY: "Waits before it tries a failed node again.",
    BlockedOn.CALLBACK: "Waits for a callback from outside.",
    BlockedOn.APPROVAL: "Waits for somebody's approval.",
    BlockedOn.CONCURRENCY: "Waits until fewer executions of its workflow are under way.",
    BlockedOn.PAUSED: "Its workflow is paused.",
    BlockedOn.BUDGET: "Its budget is used up.",
}


def why(execution: WorkflowExecution, *, now: datetime) -> list[str]:
    """Return why an execution is where it is, in sentences."""
    if execution.has_ended:
        return [] if execution.status == ExecutionStatus.COMPLETED else [_error(execution)]
    if execution.lease_owner is not None:
        return [f"Worker {execution.lease_owner} has it."]
    sentences = [WAITS_FOR[BlockedOn(execution.blocked_on)] if execution.blocked_on else "It is about to go on."]
    if execution.blocked_detail:
        sentences.append(execution.blocked_detail)
    if standing := limits.standing(execution):
        sentences.append(standing)
    if execution.wake_at is not None:
        word = "Due since" if execution.wake_at <= now else "Goes on at"
        sentences.append(f"{word} {execution.wake_at:%Y-%m-%d %H:%M:%S} UTC ({ago(execution.wake_at, now=now)}).")
    return sentences


def _error(execution: WorkflowExecution) -> str:
    error = execution.error if isinstance(execution.error, dict) else {}
    return str(error.get("message") or "It did not say why.")
