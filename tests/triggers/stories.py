"""Workflows with triggers, published for real."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from projects.models import Project
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ProjectFactory
from triggers.models import ScheduledJob, Trigger, WebhookRegistration
from workflows.models import Workflow
from workflows.services import create_workflow, publish, save_draft

_numbers = count(1)


def webhook(**config: Any) -> dict[str, Any]:
    """Return a webhook's trigger node."""
    return node("trigger", {"kind": "webhook", **config})


def schedule(cron: str = "0 * * * *", **config: Any) -> dict[str, Any]:
    """Return a schedule's trigger node."""
    return node("trigger", {"kind": "schedule", "cron": cron, **config})


def event(*names: str, **config: Any) -> dict[str, Any]:
    """Return the trigger node of events with some names."""
    return node("trigger", {"kind": "event", "names": list(names or ["order.created"]), **config})


def after(workflow: Workflow | str, **config: Any) -> dict[str, Any]:
    """Return the trigger node of another workflow's ends."""
    name = workflow if isinstance(workflow, str) else workflow.name
    return node("trigger", {"kind": "workflow", "workflow": name, **config})


def poll(tool: str = "http.request", **config: Any) -> dict[str, Any]:
    """Return a poll's trigger node."""
    return node("trigger", {"kind": "polling", "tool": tool, **config})


def started_by(**triggers: Any) -> dict[str, Any]:
    """Return a definition whose trigger nodes, by their ids, all lead to one output."""
    settings = {key: triggers.pop(key) for key in ("settings",) if key in triggers}
    end = node("output", join="any")
    return definition(*(f"{trigger} > end" for trigger in triggers), end=end, **triggers, **settings)


def published(raw: dict[str, Any], *, project: Project | None = None, now: datetime = NOON) -> Workflow:
    """Write a workflow and publish it."""
    workflow = create_workflow(
        project or ProjectFactory(), name=f"Story {next(_numbers)}", definition=raw, by=None, now=now
    )
    publish(workflow, by=None, now=now)
    return workflow


def publish_again(workflow: Workflow, raw: dict[str, Any], *, now: datetime = NOON) -> None:
    """Publish another definition of a workflow."""
    save_draft(workflow, definition=raw, by=None, now=now)
    publish(workflow, by=None, now=now)


def trigger_of(workflow: Workflow, node_id: str) -> Trigger:
    return Trigger.objects.get(workflow=workflow, node_id=node_id)


def hook_of(workflow: Workflow, node_id: str = "hook") -> WebhookRegistration:
    return WebhookRegistration.objects.select_related("trigger", "workflow__project").get(
        workflow=workflow, trigger__node_id=node_id
    )


def job_of(workflow: Workflow, node_id: str = "clock") -> ScheduledJob:
    return ScheduledJob.objects.get(workflow=workflow, trigger__node_id=node_id)
