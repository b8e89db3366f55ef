"""Trying drafts: as a whole, or one node of them alone. What runs is an execution like any other, marked as a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction

from executions import quotas
from executions.engine.versions import compiled
from executions.exceptions import InvalidInput, WouldWrite
from executions.models import WorkflowExecution
from executions.services.lifecycle import refuse_misfit, start_execution, trigger_node
from projects.exceptions import NotFound
from workflows.definition.alone import Alone, alone, unknown_names
from workflows.exceptions import InvalidDefinition
from workflows.models import TriggerType, Workflow, WorkflowVersion
from workflows.nodes.base import Effect
from workflows.services import version_to_try

if TYPE_CHECKING:
    from projects.access import Actor


@dataclass(frozen=True)
class Asker:
    """Who wants to try something, and from where. ``awaits`` says whether they wait for the end."""

    by: Actor | None = None
    ip_address: str | None = None
    user_agent: str = ""
    awaits: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What a node that is tried alone sees.

    :param input: what comes over its edge.
    :param trigger: what has started the execution.
    :param outputs: what other nodes have put out, by their ids. Those that are pinned are known without.
    :param items: what the passes of the scopes around it are about, by the scopes' ids.
    """

    input: Any = None
    trigger: Any = None
    outputs: Mapping[str, Any] | None = None
    items: Mapping[str, Any] | None = None


@transaction.atomic
def start_test(
    workflow: Workflow, *, input: Any = None, node_id: str | None = None, asker: Asker, now: datetime
) -> WorkflowExecution:
    """Try the draft as it stands, published or not, with an input that fits its ``inputs``.

    :param input: ``None``: what the trigger node has pinned, or else an empty object.
    :param node_id: the trigger node to begin at; without it the manual one, or the only one there is.
    :raises InvalidDefinition: if the draft has problems.
    :raises WorkflowArchived: if the workflow is archived.
    :raises InvalidInput: if the input does not fit, or no trigger node is meant; ``problems`` lists why.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    version = version_to_try(workflow, by=asker.by, now=now)
    begin = trigger_node(version.definition, node_id)
    if input is None:
        pin = compiled(version.pk).nodes[begin].node.pin
        input = {} if pin is None else pin.output
    refuse_misfit(version, input)
    return _start(version, begin, input, asker, now=now)


@transaction.atomic
def start_node_test(
    workflow: Workflow, node_id: str, *, sees: Surroundings, may_write: bool, asker: Asker, now: datetime
) -> WorkflowExecution:
    """Try one node of the draft alone, once, with all that lies in it if it is a scope. The rest of the draft may have problems.

    :param may_write: whether it may run if it changes the outside.
    :raises NotFound: if the draft has no such node.
    :raises InvalidDefinition: if the node has problems, or mentions others of which no output is known.
    :raises InvalidInput: if it is a trigger node, or if something is given for what the draft has not.
    :raises WouldWrite: if it would change the outside, and may not.
    :raises WorkflowArchived: if the workflow is archived.
    :raises TooMany: if its project starts too many executions, or has too many.
    """
    draft = Workflow.objects.get(pk=workflow.pk)
    outputs, items = sees.outputs or {}, sees.items or {}
    made = alone(draft.definition, node_id, input=sees.input, outputs=outputs, items=items)
    if made is None:
        raise NotFound(f"The draft of {draft.name!r} has no node {node_id[:64]!r}.")
    if made.definition["nodes"][0].get("type") == "trigger":
        raise InvalidInput("A trigger node starts executions; there is nothing to try of it alone.", path="/node_id")
    unknown = unknown_names(draft.definition, node_id, outputs=outputs, items=items)
    if unknown:
        raise InvalidInput(f"Node {node_id!r} cannot be tried.", problems=[problem.to_json() for problem in unknown])
    try:
        version = version_to_try(workflow, by=asker.by, now=now, definition=made.definition)
    except InvalidDefinition as error:
        raise InvalidDefinition(
            f"Node {node_id!r} cannot be tried. Of nodes that it mentions, give the outputs in `outputs`.",
            problems=[problem for each in error.problems if (problem := _in_draft(each, made)) is not None]
            or error.problems,
        ) from None
    writing = [key for key, each in compiled(version.pk).nodes.items() if each.effect is Effect.WRITE]
    if writing and not may_write:
        raise WouldWrite(
            f"{', '.join(sorted(writing))} would change something outside.",
            path="/allow_write",
            hint="Set `allow_write` to true if that is meant.",
        )
    return _start(version, made.start, sees.trigger, asker, now=now)


def _start(version: WorkflowVersion, begin: str, payload: Any, asker: Asker, *, now: datetime) -> WorkflowExecution:
    quotas.take_start(version.workflow.project_id, now=now)
    return start_execution(
        version,
        kind=TriggerType.MANUAL,
        node_id=begin,
        payload=payload,
        now=now,
        by=asker.by,
        ip_address=asker.ip_address,
        user_agent=asker.user_agent,
        awaited=asker.awaits,
        in_place=asker.awaits,
        is_test=True,
    )


def _in_draft(problem: Mapping[str, Any], made: Alone) -> dict[str, Any] | None:
    """Return a problem with the path that it has in the draft; ``None`` for one of what was made around the node."""
    match str(problem.get("path", "")).split("/"):
        case ["", "nodes", index, *rest] if index.isdigit() and int(index) in made.indexes:
            return {**problem, "path": "/".join(["", "nodes", str(made.indexes[int(index)]), *rest])}
    return None
