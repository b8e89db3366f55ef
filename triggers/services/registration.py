"""What publishing does to triggers: each trigger node gets its row, and the route or the clock that belongs to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from triggers.exceptions import PathTaken
from triggers.models import Trigger, WebhookRegistration
from triggers.services.schedules import set_clock
from workflows.definition.schema import Definition, Node, parse
from workflows.models import TriggerType, Workflow, WorkflowVersion
from workflows.nodes.trigger.node import AnyTrigger, read_trigger
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger


@transaction.atomic
def register_triggers(version: WorkflowVersion, *, now: datetime) -> None:
    """Make the triggers of a workflow those of a version.

    Rows are known by the node's id and keep what lives on them: on or off, secrets, counters, the next run (unless the
    times themselves have changed). A node that is gone keeps its rows, with its route closed and its clock stopped,
    and takes them up again when it comes back; a path that it had chosen becomes free.

    :raises PathTaken: if a chosen path is another workflow's.
    """
    workflow, definition = version.workflow, parse(version.definition)
    settings = {node.id: read_trigger(node.config) for node in _trigger_nodes(definition)}
    known = {trigger.node_id: trigger for trigger in Trigger.objects.filter(workflow=workflow)}
    Trigger.objects.filter(workflow=workflow, is_registered=True).exclude(node_id__in=settings).update(
        is_registered=False, updated_at=now
    )
    paths = _free_paths(workflow, settings)
    for node_id, wanted in settings.items():
        was_registered = _is_same_kind(known.get(node_id), wanted)
        before = known[node_id].config if node_id in known else {}
        trigger = _register(workflow, node_id, wanted, now=now)
        match wanted:
            case WebhookTrigger():
                _open_route(trigger, wanted, path=paths.get(node_id) or wanted.path or new_path())
            case ScheduleTrigger():
                set_clock(
                    trigger,
                    wanted,
                    definition.settings.timezone,
                    before=before,
                    was_running=was_registered,
                    now=now,
                )


def new_path() -> str:
    """Return a path that nobody can guess (S-WH-1): 128 random bits."""
    return secrets.token_hex(16)


def _trigger_nodes(definition: Definition) -> list[Node]:
    return [node for node in definition.nodes if node.type == "trigger" and not node.disabled]


def _is_same_kind(trigger: Trigger | None, wanted: AnyTrigger) -> bool:
    return trigger is not None and trigger.is_registered and trigger.type == wanted.kind


def _register(workflow: Workflow, node_id: str, wanted: AnyTrigger, *, now: datetime) -> Trigger:
    values = {
        "type": TriggerType(wanted.kind),
        "config": wanted.model_dump(mode="json", exclude_unset=True),
        "is_registered": True,
        "updated_at": now,
    }
    trigger, _ = Trigger.objects.update_or_create(
        workflow=workflow, node_id=node_id, defaults=values, create_defaults=values | {"created_at": now}
    )
    return trigger


def _free_paths(workflow: Workflow, settings: Mapping[str, AnyTrigger]) -> dict[str, str]:
    """Return the paths that stay what they are, by node id; make way on all others.

    All of them, before any gets a new one: so two nodes can exchange theirs.
    """
    kept = {}
    for registration in WebhookRegistration.objects.filter(workflow=workflow).select_related("trigger"):
        wanted = settings.get(registration.trigger.node_id)
        chosen = registration.trigger.config.get("path")
        if isinstance(wanted, WebhookTrigger) and wanted.path == (chosen and registration.path):
            kept[registration.trigger.node_id] = registration.path
        elif chosen:
            WebhookRegistration.objects.filter(pk=registration.pk).update(path=new_path())
    return kept


def _open_route(trigger: Trigger, wanted: WebhookTrigger, *, path: str) -> None:
    values = {
        "workflow": trigger.workflow,
        "path": path,
        "methods": list(wanted.methods),
        "auth": wanted.auth.model_dump(exclude_none=True),
        "headers_validation": dict(wanted.headers_validation),
        "body_schema": wanted.body_schema,
    }
    try:
        with transaction.atomic():
            WebhookRegistration.objects.update_or_create(trigger=trigger, defaults=values)
    except IntegrityError:
        raise PathTaken(
            f"Node {trigger.node_id}: another webhook has the path {path!r}.",
            hint="Choose another path, or leave it out and get one that nobody can guess.",
        ) from None
