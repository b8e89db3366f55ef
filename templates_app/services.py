"""What can be done with templates: load the gallery, install one. The caller has checked who may."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F

from projects import audit
from projects.access import Actor
from projects.models import Project
from templates_app.exceptions import MissingRequirements
from templates_app.files import GALLERY, TemplateFile, read_gallery
from templates_app.models import WorkflowTemplate
from templates_app.requirements import unmet
from templates_app.variables import RequiredVariable, filled, invalid_variables, place_of
from triggers import services as triggers
from triggers.models import WebhookRegistration
from workflows import services as workflows
from workflows.definition.problems import Problem
from workflows.definition.schema import parse
from workflows.exceptions import InvalidVariable, NameTaken
from workflows.models import Workflow
from workflows.nodes.base import catalogue as node_types
from workflows.tools.base import catalogue as tools

MAX_NAME = 200


@dataclass(frozen=True)
class Loaded:
    """What loading the gallery did, in numbers of templates."""

    created: int
    updated: int
    unchanged: int


@dataclass(frozen=True)
class InstalledWebhook:
    """The route of a webhook, and the secret that was made for it: this once and never again."""

    registration: WebhookRegistration
    secret: str | None


@dataclass(frozen=True)
class Installation:
    """A workflow made from a template, with its webhooks if it was published."""

    workflow: Workflow
    webhooks: tuple[InstalledWebhook, ...]


# --- The gallery --------------------------------------------------------------------------------------------------------


@transaction.atomic
def load_gallery(*, now: datetime, folder: Path = GALLERY) -> Loaded:
    """Make each file of the gallery a template, or the template what its file says now. Asked twice, it changes nothing.

    How often a template was used, its rating, and whether it stands out or is trusted are people's and stay; so does a
    template whose file is gone.

    :raises BrokenTemplateFile: if one is wrong; then nothing is loaded.
    """
    outcomes = Counter(_load(file, now=now) for file in read_gallery(folder))
    return Loaded(created=outcomes["created"], updated=outcomes["updated"], unchanged=outcomes["unchanged"])


def _load(file: TemplateFile, *, now: datetime) -> str:
    columns = file.columns()
    first = {"is_featured": file.is_featured, "is_verified": file.is_verified, "created_at": now}
    template, is_new = WorkflowTemplate.objects.get_or_create(slug=file.slug, defaults={**columns, **first})
    if is_new:
        return "created"
    if all(getattr(template, name) == value for name, value in columns.items()):
        return "unchanged"
    WorkflowTemplate.objects.filter(pk=template.pk).update(**columns, updated_at=now)
    return "updated"


# --- Installing ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def install_template(
    template: WorkflowTemplate,
    *,
    project: Project,
    variables: Mapping[str, Any],
    by: Actor | None,
    now: datetime,
    name: str | None = None,
    publish: bool = True,
) -> Installation:
    """Make a template a workflow of a project, with its variables, and publish it. All of it, or nothing.

    A webhook that asks its callers for a proof gets a secret, so that it can be used at once.

    :param variables: values by name; what the template has a default for may be left out.
    :param name: the workflow's; without one, the template's, with a number where that is taken.
    :param publish: whether it shall run right away; else it is a draft.
    :raises MissingRequirements: if this installation lacks node types or tools that the template needs.
    :raises InvalidVariables: with everything that is unknown, missing or wrong.
    :raises NameTaken: if the project has a workflow of this name.
    """
    _refuse_unmet(template)
    values = filled(required_variables(template), variables)
    workflow = _create(template, project=project, name=name, by=by, now=now)
    _set_variables(workflow, template, values, by=by, now=now)
    webhooks: tuple[InstalledWebhook, ...] = ()
    if publish:
        message = f"Installed from the template {template.name} {template.version}."
        workflows.publish(workflow, message=message, by=by, now=now)
        webhooks = _with_secrets(workflow, by=by, now=now)
    details = {"template": template.slug, "version": template.version, "workflow": str(workflow.pk)}
    audit.record("template.installed", workflow, project=project, by=by, details=details)
    # Last, for its row stays locked until all of this is committed.
    WorkflowTemplate.objects.filter(pk=template.pk).update(usage_count=F("usage_count") + 1)
    return Installation(workflow, webhooks)


def required_variables(template: WorkflowTemplate) -> list[RequiredVariable]:
    """Return what a template asks for, in the order in which it asks."""
    return [RequiredVariable.model_validate(variable) for variable in template.required_variables]


def _refuse_unmet(template: WorkflowTemplate) -> None:
    missing = unmet(parse(template.workflow_definition), node_types=node_types(), tools=tools())
    if missing:
        raise MissingRequirements(
            f"Template {template.name!r} needs what this installation does not have: {', '.join(missing)}.",
            hint="Update Segue, or install the package that brings it.",
        )


def _create(
    template: WorkflowTemplate, *, project: Project, name: str | None, by: Actor | None, now: datetime
) -> Workflow:
    try:
        return workflows.create_workflow(
            project,
            name=name or free_name(project, template.name),
            description=template.description,
            definition=template.workflow_definition,
            by=by,
            now=now,
        )
    except NameTaken as error:
        free = free_name(project, name or template.name)
        raise NameTaken(error.message, path="/name", hint=f"{free!r} is free.") from error


def free_name(project: Project, wanted: str) -> str:
    """Return a name that no workflow of a project has: the wanted one, or one with a number behind it."""
    stem = wanted[: MAX_NAME - 8]
    taken = set(Workflow.objects.filter(project=project, name__startswith=stem).values_list("name", flat=True))
    numbered = (f"{stem} {number}" for number in count(2))
    return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _set_variables(
    workflow: Workflow, template: WorkflowTemplate, values: Mapping[str, Any], *, by: Actor | None, now: datetime
) -> None:
    problems = []
    for variable in required_variables(template):
        try:
            workflows.set_variable(
                workflow, variable.name, value=values[variable.name], is_secret=variable.is_secret, by=by, now=now
            )
        except InvalidVariable as error:
            problems.append(Problem(error.code, place_of(variable.name), error.message, error.hint or ""))
    if problems:
        raise invalid_variables(problems)


def _with_secrets(workflow: Workflow, *, by: Actor | None, now: datetime) -> tuple[InstalledWebhook, ...]:
    registrations = WebhookRegistration.objects.filter(workflow=workflow).select_related("trigger", "workflow__project")
    return tuple(
        InstalledWebhook(
            registration,
            triggers.set_secret(registration, by=by, now=now) if triggers.can_make_secret(registration) else None,
        )
        for registration in registrations.order_by("trigger__node_id")
    )
