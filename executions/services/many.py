"""Accepting many executions in one go, where nothing about them has to be decided one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from executions import bell
from executions.models import BlockedOn, WorkflowExecution
from executions.queues import queue_of
from executions.services.lifecycle import context_of
from projects.inserting import insert
from projects.payloads import storable
from workflows.models import TriggerType, WorkflowVersion


@dataclass(frozen=True)
class Start:
    """One execution to accept: of which version, from which trigger node on, and for which slot."""

    version: WorkflowVersion
    node_id: str
    payload: Any
    trigger_id: UUID
    scheduled_for: datetime | None = None
    rerun_of_id: UUID | None = None
    started_by_id: int | None = None


def unlimited(version_ids: Iterable[UUID]) -> set[UUID]:
    """Return those versions that set no limit on concurrency: their executions may be accepted by :func:`start_many`."""
    written = WorkflowVersion.objects.filter(pk__in=set(version_ids))
    found = written.values_list("pk", "definition__settings__concurrency")
    return {pk for pk, concurrency in found if concurrency is None}


def start_many(starts: Sequence[Start], *, kind: TriggerType, now: datetime) -> list[WorkflowExecution]:
    """Accept a run of each, as ``start_execution`` does, in one statement. Belongs into a transaction.

    The caller knows that the workflows may start executions, and that the versions are :func:`unlimited`.

    :param now: the database's time.
    :raises django.db.IntegrityError: if one of the slots has an execution; then none is accepted.
    """
    executions = [_execution(start, kind=kind, now=now) for start in starts]
    if executions:
        insert(executions)
        bell.ring_on_commit(*{execution.queue for execution in executions})
    return executions


def _execution(start: Start, *, kind: TriggerType, now: datetime) -> WorkflowExecution:
    workflow = start.version.workflow
    return WorkflowExecution(
        project_id=workflow.project_id,
        workflow=workflow,
        workflow_version=start.version,
        workflow_name=workflow.name,
        execution_context=storable(context_of(start.payload, node_id=start.node_id)),
        triggered_by=kind,
        trigger_id=start.trigger_id,
        started_by_id=start.started_by_id,
        scheduled_for=start.scheduled_for,
        rerun_of_id=start.rerun_of_id,
        blocked_on=BlockedOn.QUEUE,
        queue=queue_of(start.version),
        wake_at=now,
        created_at=now,
    )
