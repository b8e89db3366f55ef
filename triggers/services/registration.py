"""What publishing does to triggers: each trigger node gets its row, and the route or the clock that belongs to it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from triggers.exceptions import PathTaken
from triggers.models import Poll, Subscription, Trigger, WebhookRegistration
from triggers.services.schedules import set_clock
from triggers.services.webhook_secrets import check_proof
from triggers.webhooks.signatures import scheme_of
from workflows.definition.schema import Definition, Node, parse
from workflows.models import TriggerType, Workflow, WorkflowVersion
from workflows.nodes.trigger.event import EventTrigger
from workflows.nodes.trigger.node import AnyTrigger, read_trigger
from workflows.nodes.trigger.paths import ANY, overlap, pattern_of
from workflows.nodes.trigger.polling import PollingTrigger
from workflows.nodes.trigger.schedule import ScheduleTrigger
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.nodes.trigger.workflow import WorkflowTrigger

# The advisory locks of those who choose paths, one for each beginning. A number that nothing else in the database uses.
_PATHS = 0x5E60E002


@transaction.atomic
def register_triggers(version: WorkflowVersion, *, now: datetime) -> None:
    """Make the triggers of a workflow those of a version.

    Rows are known by the node's id and keep what lives on them: on or off, secrets, counters, the next run (unless the
    times themselves have changed). A node that is gone keeps its rows, with its route closed and its clock stopped,
    and takes them up again when it comes back; a path that it had chosen becomes free.

    :raises PathTaken: if a chosen path is another workflow's, or could answer to the same requests.
    :raises ProofBroken: if a webhook's signature scheme does not keep strangers out with its settings.
    """
    workflow, definition = version.workflow, parse(version.definition)
    nodes = {node.id: node for node in trigger_nodes(definition)}
    settings = {node_id: read_trigger(node.config) for node_id, node in nodes.items()}
    _take_turns([each.path for each in settings.values() if isinstance(each, WebhookTrigger) and each.path])
    known = {trigger.node_id: trigger for trigger in Trigger.objects.filter(workflow=workflow)}
    Trigger.objects.filter(workflow=workflow, is_registered=True).exclude(node_id__in=settings).update(
        is_registered=False, updated_at=now
    )
    Subscription.objects.filter(trigger__workflow=workflow).delete()
    paths = _free_paths(workflow, settings)
    for node_id, wanted in settings.items():
        was_registered = _is_same_kind(known.get(node_id), wanted)
        before = known[node_id].config if node_id in known else {}
        trigger = _register(workflow, nodes[node_id], wanted, now=now)
        match wanted:
            case WebhookTrigger():
                _open_route(trigger, wanted, path=paths.get(node_id) or wanted.path or new_path(), now=now)
            case ScheduleTrigger():
                set_clock(
                    trigger,
                    wanted,
                    definition.settings.timezone,
                    before=before,
                    was_running=was_registered,
                    now=now,
                )
            case EventTrigger():
                _listen(trigger, wanted.names)
            case PollingTrigger():
                _set_poll(trigger, wanted, was_running=was_registered, now=now)
            case WorkflowTrigger():
                _listen(trigger, wanted.topics)


def new_path() -> str:
    """Return a path that nobody can guess (S-WH-1): 128 random bits."""
    return secrets.token_hex(16)


def trigger_nodes(definition: Definition) -> list[Node]:
    """Return the trigger nodes of a definition that are not disabled."""
    return [node for node in definition.nodes if node.type == "trigger" and not node.disabled]


def _is_same_kind(trigger: Trigger | None, wanted: AnyTrigger) -> bool:
    return trigger is not None and trigger.is_registered and trigger.type == wanted.kind


def _register(workflow: Workflow, node: Node, wanted: AnyTrigger, *, now: datetime) -> Trigger:
    values = {
        "type": TriggerType(wanted.kind),
        "config": node.config,  # As it is written: what it holds literally is not to be taken for expressions later.
        "is_registered": True,
        "updated_at": now,
    }
    trigger, _ = Trigger.objects.update_or_create(
        workflow=workflow, node_id=node.id, defaults=values, create_defaults=values | {"created_at": now}
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
            path = new_path()
            WebhookRegistration.objects.filter(pk=registration.pk).update(path=path, pattern=path)
    return kept


def _take_turns(paths: Sequence[str]) -> None:
    """Wait until nobody else chooses paths with the same beginnings, so that of two that overlap one sees the other.

    SQLite's transactions are alone anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            for beginning in sorted({path.partition("/")[0] for path in paths}):
                cursor.execute("SELECT pg_advisory_xact_lock(%s::int, hashtext(%s::text))", [_PATHS, beginning])


def _refuse_overlap(trigger: Trigger, path: str) -> None:
    pattern = pattern_of(path)
    beginning, _, rest = pattern.partition("/")
    if not rest:
        return  # The first part is no parameter of anybody's.
    others = WebhookRegistration.objects.exclude(workflow=trigger.workflow).filter(pattern__startswith=f"{beginning}/")
    if ANY not in pattern:
        others = others.filter(pattern__contains=ANY)
    for other, project_id in others.values_list("path", "workflow__project_id"):
        if pattern != pattern_of(other) and overlap(pattern, pattern_of(other)):
            # What another project calls its paths is not told.
            whose = f" ({other})" if project_id == trigger.workflow.project_id else ""
            raise PathTaken(
                f"Node {trigger.node_id}: another workflow's webhook{whose} answers to some of the requests that {path!r} means.",
                hint="Let the paths differ in a part that is no parameter of either.",
            )


def _open_route(trigger: Trigger, wanted: WebhookTrigger, *, path: str, now: datetime) -> None:
    _refuse_overlap(trigger, path)
    values = route_columns(trigger.workflow, wanted, path=path)
    check_proof(scheme_of(values["auth"]), None, now=now)
    try:
        with transaction.atomic():
            WebhookRegistration.objects.update_or_create(trigger=trigger, defaults=values)
    except IntegrityError:
        raise PathTaken(
            f"Node {trigger.node_id}: another webhook has the path {path!r}.",
            hint="Choose another path, or leave it out and get one that nobody can guess.",
        ) from None


def route_columns(workflow: Workflow, wanted: WebhookTrigger, *, path: str) -> dict[str, Any]:
    """Return what a webhook's row says of its settings."""
    return {
        "workflow": workflow,
        "path": path,
        "pattern": pattern_of(path),
        "methods": list(wanted.methods),
        "auth": wanted.auth.model_dump(exclude_none=True),
        "headers_validation": dict(wanted.headers_validation),
        "body_schema": wanted.body_schema,
    }


def _listen(trigger: Trigger, topics: Sequence[str]) -> None:
    project_id = trigger.workflow.project_id
    Subscription.objects.bulk_create(
        Subscription(trigger=trigger, project_id=project_id, type=trigger.type, topic=topic) for topic in topics
    )


def _set_poll(trigger: Trigger, wanted: PollingTrigger, *, was_running: bool, now: datetime) -> None:
    """Give a polling trigger its memory, or its new pace. What it has dealt with stays dealt with, whatever it asks now."""
    values: dict[str, Any] = {
        "workflow": trigger.workflow,
        "every_seconds": int(wanted.interval.total_seconds()),
        "max_consecutive_failures": wanted.max_consecutive_failures,
        "updated_at": now,
    }
    if not was_running:
        values["next_run"] = now
    first = {"created_at": now, "next_run": now}
    poll, is_new = Poll.objects.get_or_create(trigger=trigger, defaults=values | first)
    if not is_new:
        soonest = now + wanted.interval
        Poll.objects.filter(pk=poll.pk).update(**values)
        Poll.objects.filter(pk=poll.pk, next_run__gt=soonest).update(next_run=soonest)
