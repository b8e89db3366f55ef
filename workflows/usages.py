"""Which workflows use a variable, and which of their versions: read from their definitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField
from django.db.models.functions import Cast

from workflows.expressions import parse_template
from workflows.expressions.errors import ExpressionError
from workflows.expressions.references import References, references
from workflows.expressions.scripts import script_references
from workflows.expressions.templates import find_templates
from workflows.models import ProjectVariable, Workflow, WorkflowStatus, WorkflowVariable, WorkflowVersion
from workflows.nodes.base import catalogue


class Use(StrEnum):
    """How sure it is that a definition uses a variable."""

    NO = "no"
    MAYBE = "maybe"  # It takes a variable whose name is known only when it runs: ``vars[input.name]``.
    YES = "yes"  # It mentions it by name.


@dataclass
class Usage:
    """What of one workflow uses a variable.

    :param in_latest: whether the version does that new executions run.
    :param versions: the numbers of the published versions that do, the newest first.
    :param is_certain: whether any of it mentions the variable by name.
    """

    workflow_id: UUID
    workflow_name: str
    status: str
    in_draft: bool = False
    in_latest: bool = False
    versions: list[int] = field(default_factory=list)
    is_certain: bool = False


def usages_of(variable: WorkflowVariable | ProjectVariable) -> list[Usage]:
    """Return the workflows that use a variable in their draft or in any published version, by name.

    A project's variable is not used by workflows that have one of this name themselves. ``in_latest`` counts certain uses
    alone, of workflows that are not archived.
    """
    found: dict[UUID, Usage] = {}
    for workflow in _mentioning(_workflows(variable), variable):
        if (use := use_in(workflow.definition, variable)) is not Use.NO:
            _usage(found, workflow, use).in_draft = True
    versions = WorkflowVersion.objects.filter(workflow__in=_workflows(variable), number__isnull=False)
    for version in _mentioning(versions.select_related("workflow").defer("workflow__definition"), variable):
        if (use := use_in(version.definition, variable)) is not Use.NO:
            workflow = version.workflow
            usage = _usage(found, workflow, use)
            usage.versions.append(version.number)
            is_latest = version.number == workflow.version and workflow.status != WorkflowStatus.ARCHIVED
            usage.in_latest = usage.in_latest or (is_latest and use is Use.YES)
    for usage in found.values():
        usage.versions.sort(reverse=True)
    return sorted(found.values(), key=lambda usage: (usage.workflow_name, str(usage.workflow_id)))


def use_in(definition: Any, variable: WorkflowVariable | ProjectVariable) -> Use:
    """Return whether a definition uses a variable; a draft may be any JSON."""
    use = Use.NO
    for found in _references(definition):
        if variable.name in (found.secrets if variable.is_secret else found.variables):
            return Use.YES
        if not variable.is_secret and found.has_dynamic_variables:
            use = Use.MAYBE
    return use


def _usage(found: dict[UUID, Usage], workflow: Workflow, use: Use) -> Usage:
    usage = found.setdefault(workflow.pk, Usage(workflow.pk, workflow.name, workflow.status))
    usage.is_certain = usage.is_certain or use is Use.YES
    return usage


def _workflows(variable: WorkflowVariable | ProjectVariable) -> QuerySet[Workflow]:
    if isinstance(variable, WorkflowVariable):
        return Workflow.objects.filter(pk=variable.workflow_id)
    own = WorkflowVariable.objects.filter(workflow=OuterRef("pk"), name=variable.name)
    return Workflow.objects.filter(~Exists(own), project_id=variable.project_id)


def _mentioning(rows: QuerySet[Any], variable: WorkflowVariable | ProjectVariable) -> Iterator[Any]:
    """Yield the rows whose definition may use the variable, told by its text: most do not, and need no closer look."""
    mentions = Q(text__contains=variable.name)
    if not variable.is_secret:
        mentions |= Q(text__regex=r"vars *[^. A-Za-z0-9_]")
    yield from rows.annotate(text=Cast(F("definition"), TextField())).filter(mentions).iterator(chunk_size=100)


def _references(definition: Any) -> Iterator[References]:
    """Yield what each expression and each script of a definition mentions."""
    for text in _templates(definition):
        yield from map(references, _expressions(text))
    for node in _list_of_objects(definition):
        node_type, config = catalogue().get(str(node.get("type"))), node.get("config")
        if node_type is not None and isinstance(config, dict):
            yield from (script_references(script.body) for script in node_type.scripts(config))


def _list_of_objects(definition: Any) -> list[dict[str, Any]]:
    nodes = definition.get("nodes") if isinstance(definition, dict) else None
    return [node for node in nodes if isinstance(node, dict)] if isinstance(nodes, list) else []


def _templates(definition: Any) -> Iterator[str]:
    if not isinstance(definition, dict):
        return
    for part in ("nodes", "edges", "settings"):
        yield from (text for _, text in find_templates(definition.get(part)))


def _expressions(text: str) -> Iterator[str]:
    try:
        interpolations = parse_template(text).interpolations
    except ExpressionError:
        return  # A draft's: it mentions nothing as it is.
    yield from (each.source for each in interpolations)
