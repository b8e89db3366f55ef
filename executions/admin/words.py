"""What an execution's page says in plain words."""

from __future__ import annotations

from datetime import datetime, timedelta

from executions import worker_processes
from executions.engine import limits
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from projects.backoffice.values import ago

# What a live execution waits for, for people.
WAITS_FOR: dict[BlockedOn, str] = {
    BlockedOn.QUEUE: "Waits for a worker.",
    BlockedOn.TIMER: "Sleeps until a delay is over.",
    BlockedOn.RETRY: "Waits before it tries again what failed.",
    BlockedOn.CALLBACK: "Waits for an answer: of a workflow that it has started, or from outside.",
    BlockedOn.APPROVAL: "Waits for somebody's approval.",
    BlockedOn.CONCURRENCY: "Waits until fewer executions of its workflow are under way.",
    BlockedOn.PAUSED: "Its workflow is paused.",
    BlockedOn.BUDGET: "Waits for somebody to let it go on beyond a limit or a budget.",
}
# What is due is taken within seconds, if there is a worker for it.
UNUSUAL = timedelta(seconds=30)


def why(execution: WorkflowExecution, *, now: datetime) -> list[str]:
    """Return why an execution is where it is, in sentences."""
    if execution.has_ended:
        return [] if execution.status == ExecutionStatus.COMPLETED else [_error(execution)]
    if execution.lease_owner is not None:
        return [_held(execution, now=now)]
    is_due = execution.wake_at is not None and execution.wake_at <= now
    reason = BlockedOn.QUEUE if is_due else execution.blocked_on
    sentences = [WAITS_FOR[BlockedOn(reason)] if reason else "It is about to go on."]
    if worker_processes.is_left_waiting(execution, now=now) and execution.queue in worker_processes.unserved(now):
        sentences.append(worker_processes.nobody_serves(execution.queue))
    elif execution.blocked_detail:
        sentences.append(execution.blocked_detail)
    if standing := limits.standing(execution):
        sentences.append(standing)
    if execution.wake_at is not None:
        word = "Due since" if is_due else "Goes on at"
        sentences.append(f"{word} {_told(execution.wake_at, now=now)}.")
        if now - execution.wake_at > UNUSUAL:
            sentences.append("If that is longer than usual, see under Operations whether workers run.")
    return sentences


def _held(execution: WorkflowExecution, *, now: datetime) -> str:
    until = execution.lease_expires_at
    if until is None or until > now:
        return f"Worker {execution.lease_owner} has it."
    return (
        f"Worker {execution.lease_owner} had it and was lost: its lease ran out at {_told(until, now=now)}. "
        "Another worker takes it over."
    )


def _told(moment: datetime, *, now: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC ({ago(moment, now=now)})"


def _error(execution: WorkflowExecution) -> str:
    error = execution.error if isinstance(execution.error, dict) else {}
    return str(error.get("message") or "It did not say why.")
