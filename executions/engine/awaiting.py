"""Node runs that wait for somebody outside: how such a wait begins, passes its deadline, and is given up.

Whoever writes here holds the execution's row: a worker under its lease, or who has called :func:`signals.lock`. So a call, a
decision, a deadline and a cancel that come in the same moment take turns, and the first one counts.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from executions import links
from executions.engine import signals
from executions.models import Approval, ApprovalStatus, Link, WorkflowExecution, WorkflowExecutionLog
from projects.failpoints import failpoint
from projects.payloads import storable
from workflows.nodes.base import ApprovalRequest, Done, NodeError


@dataclass(frozen=True)
class Asked:
    """A wait that the next commit begins.

    :param approval_id: known before, so that the node run can name it; None if no approval is asked for.
    """

    row: WorkflowExecutionLog
    request: ApprovalRequest | None
    approval_id: UUID | None


def as_answer(otherwise: Done | NodeError) -> dict[str, Any]:
    """Return what a wait comes to at its deadline, as :func:`signals.answer` takes it."""
    if isinstance(otherwise, Done):
        return {"output": otherwise.output, "ports": list(otherwise.ports)}
    return {
        "error": {
            "code": otherwise.code,
            "message": otherwise.message,
            "details": otherwise.details,
            "retryable": otherwise.retryable,
        }
    }


def begin(execution: WorkflowExecution, asked: Asked, *, now: datetime) -> None:
    """Let a link lead to its node run, make the approval, and take what came before. Belongs into the commit that records the wait."""
    row = asked.row
    place = links.Place(execution.pk, row.node_id, row.iteration)
    links.make([place], now=now)
    link = Link.objects.get(execution_id=execution.pk, node_id=row.node_id, iteration=row.iteration)
    early, link.early, link.node_run_id = link.early, None, row.pk
    link.save(update_fields=["early", "node_run_id"])
    if asked.request is not None and asked.approval_id is not None:
        _open(execution, row, asked.request, id=asked.approval_id, now=now)
    if early is not None:
        signals.answer(execution.pk, row.pk, early)
    failpoint("await.inside")


def _open(
    execution: WorkflowExecution, row: WorkflowExecutionLog, request: ApprovalRequest, *, id: UUID, now: datetime
) -> None:
    Approval.objects.create(
        id=id,
        project_id=execution.project_id,
        workflow_id=execution.workflow_id,
        execution_id=execution.pk,
        node_id=row.node_id,
        iteration=row.iteration,
        node_run_id=row.pk,
        title=storable(request.title),
        message=storable(request.message),
        details=storable(request.details),
        form=storable(request.form) if request.form else None,
        role=request.deciders.role,
        users=list(request.deciders.users),
        anyone=request.deciders.anyone,
        needed=request.needed,
        deadline_at=row.wake_at,
        created_at=now,
    )


@transaction.atomic
def expire(execution_id: UUID, node_run_id: UUID, otherwise: Mapping[str, Any], *, now: datetime) -> bool:
    """Say that a wait's deadline has passed; whatever has come before it counts instead.

    :returns: whether nothing had.
    """
    if not signals.answer(execution_id, node_run_id, otherwise):
        return False
    _end_approvals(ApprovalStatus.EXPIRED, now=now, node_run_id=node_run_id)
    return True


def give_up(node_run_ids: Collection[UUID], *, now: datetime) -> None:
    """Close the approvals of node runs that nobody needs any more."""
    _end_approvals(ApprovalStatus.CLOSED, now=now, node_run_id__in=node_run_ids)


def give_up_all_of(execution: WorkflowExecution, *, now: datetime) -> None:
    """Close the approvals of an execution that somebody ends from outside."""
    _end_approvals(ApprovalStatus.CLOSED, now=now, execution=execution)


def _end_approvals(status: ApprovalStatus, *, now: datetime, **of: Any) -> None:
    Approval.objects.open().filter(**of).update(status=status, ended_at=now)
