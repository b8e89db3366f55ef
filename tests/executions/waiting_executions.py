"""Executions that wait for somebody outside, begun in place: without a worker."""

from __future__ import annotations

from typing import Any
from unittest import mock

from django.utils import timezone

from executions import links, services
from executions.engine import in_place
from executions.models import WorkflowExecution
from tests.builders import definition, node
from tests.factories import ProjectFactory, WorkflowFactory


def waits(action: str = "wait", **config: Any) -> WorkflowExecution:
    """Return an execution whose node ``ask`` waits. It belongs to a project of its own."""
    title = {"title": "Pay?"} if action == "approve" else {}
    asked = {"action": action, **title, **config}
    raw = definition("start > ask", ask=node("webhook", asked))
    workflow = WorkflowFactory(published=True, project=ProjectFactory(), definition=raw)
    return started(workflow)


def started(workflow: Any) -> WorkflowExecution:
    """Return an execution of a workflow of pure nodes, as far as it goes by itself."""
    # A machine that is busy with other tests must not leave the rest to a worker: there is none.
    with mock.patch.object(in_place, "SECONDS", 30):
        execution = services.start_manually(workflow, input={}, by=None, now=timezone.now(), awaited=True)
    execution.refresh_from_db()
    return execution


def token_of(execution: WorkflowExecution, node_id: str = "ask", iteration: str = "") -> str:
    """Return the token of a node's link."""
    return links.token_of(links.Place(execution.pk, node_id, iteration))
