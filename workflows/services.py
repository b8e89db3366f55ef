"""What can be done with workflows: write, publish, hold, put away. The caller has checked who may."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from projects import audit
from projects.access import Actor
from projects.models import Project
from projects.payloads import storable_text
from workflows import entity_tags
from workflows.definition.agents import has_agent
from workflows.definition.canonical import content_hash
from workflows.definition.diff import Change, diff
from workflows.definition.limits import limit_problems
from workflows.definition.other_workflows import Found
from workflows.definition.problems import Problem
from workflows.definition.validation import check
from workflows.exceptions import (
    DraftChanged,
    IllegalWorkflowTransition,
    InvalidDefinition,
    NameTaken,
    UnknownVersion,
)
from workflows.expressions import shared_evaluator
from workflows.locking import locked, refuse_archived
from workflows.models import Workflow, WorkflowStatus, WorkflowVersion
from workflows.nodes.base import catalogue as node_types
from workflows.signals import status_changed, version_published
from workflows.usages import Usage, usages_of
from workflows.variables import (
    MAX_HOSTS,
    MAX_VARIABLE_BYTES,
    MAX_VARIABLES,
    delete_variable,
    kinds_of_variables,
    restrict_secret,
    secrets_of,
    set_variable,
    value_of,
    variables_of,
)

# Variables have a module of their own; other apps find what can be done with them here.
__all__ = [
    "MAX_HOSTS",
    "MAX_REASON",
    "MAX_VARIABLES",
    "MAX_VARIABLE_BYTES",
    "Usage",
    "archive",
    "compare_versions",
    "create_workflow",
    "delete_variable",
    "disable",
    "enable",
    "pause",
    "publish",
    "restore_version",
    "restrict_secret",
    "resume",
    "save_draft",
    "secrets_of",
    "set_variable",
    "unarchive",
    "usages_of",
    "validate",
    "value_of",
    "variables_of",
    "version_of",
    "workflow_called",
]

MAX_REASON = 500

# --- The draft ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_workflow(
    project: Project, *, name: str, definition: dict[str, Any], by: Actor | None, now: datetime, description: str = ""
) -> Workflow:
    """Make a workflow: a draft, which may still have problems.

    :raises NameTaken: if the project has one of this name, be it an archived one.
    :raises InvalidDefinition: if the draft is nothing that can be kept: no object, or beyond a limit.
    """
    workflow = Workflow(
        project=project,
        name=name,
        description=description,
        definition=_keepable(definition),
        created_by_id=by.user.pk if by else None,
        created_at=now,
    )
    with _unique_name(name):
        workflow.save(force_insert=True)
    audit.record("workflow.created", workflow, project=project, by=by)
    return workflow


@transaction.atomic
def save_draft(
    workflow: Workflow,
    *,
    by: Actor | None,
    now: datetime,
    definition: dict[str, Any] | None = None,
    name: str | None = None,
    description: str | None = None,
    if_match: str | None = None,
) -> Workflow:
    """Change the draft, the name or the description; what is None stays. The draft may have problems.

    One statement compares and writes, so that of two who read the same draft only one can save.

    :param if_match: as in the HTTP header: the entity tag of the draft that was read. Without it the last one wins.
    :raises DraftChanged: if somebody saved it since.
    :raises WorkflowArchived: if it is read-only.
    :raises NameTaken: if another workflow of the project has the name.
    :raises InvalidDefinition: if the draft is nothing that can be kept: no object, or beyond a limit.
    """
    given = {"definition": definition, "name": name, "description": description}
    changes: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
    if definition is not None:
        changes["definition"] = _keepable(definition)
    rows = Workflow.objects.filter(pk=workflow.pk).exclude(status=WorkflowStatus.ARCHIVED)
    expected = entity_tags.revisions(if_match)
    if expected is not None:
        rows = rows.filter(revision__in=expected)
    with _unique_name(name):
        is_saved = rows.update(**changes, revision=F("revision") + 1, updated_at=now)
    workflow.refresh_from_db()
    if not is_saved:
        refuse_archived(workflow)
        raise _draft_changed(workflow)
    details = {"revision": workflow.revision, "changed": sorted(changes)}
    audit.record("workflow.saved", workflow, project=workflow.project, by=by, details=details)
    return workflow


def validate(workflow: Workflow, *, definition: Any = None) -> list[Problem]:
    """Return everything that keeps the draft, or another definition for this workflow, from being published."""
    return check(
        workflow.definition if definition is None else definition,
        node_types=node_types(),
        variables=kinds_of_variables(workflow),
        compile=shared_evaluator().check,
        find_workflows=partial(_find_workflows, workflow),
        execution_timeout_seconds=settings.WORKFLOW_EXECUTION_TIMEOUT,
    )


# --- Versions -----------------------------------------------------------------------------------------------------------


def publish(
    workflow: Workflow, *, by: Actor | None, now: datetime, message: str = "", if_match: str | None = None
) -> WorkflowVersion:
    """Freeze the draft as the next version, which new executions run. The first one makes the workflow active.

    A draft that says the same as the latest version makes no new one: that version is returned.

    :raises InvalidDefinition: with all problems at once.
    :raises DraftChanged: if somebody saved the draft since ``if_match``, or while it was checked.
    :raises WorkflowArchived: if it is read-only.
    """
    draft = Workflow.objects.get(pk=workflow.pk)
    refuse_archived(draft)
    _refuse_stale(draft, entity_tags.revisions(if_match))
    # Before the transaction: compiling expressions may take a while, and nobody should wait for a lock meanwhile.
    if problems := validate(draft):
        raise _invalid(f"The draft of {draft.name!r} cannot be published.", problems)
    version = _freeze(draft, message=message, by=by, now=now)
    workflow.refresh_from_db()
    return version


@transaction.atomic
def _freeze(draft: Workflow, *, message: str, by: Actor | None, now: datetime) -> WorkflowVersion:
    """Make a draft that has been checked a version, unless it is not the draft any more."""
    workflow = locked(draft)
    refuse_archived(workflow)
    _refuse_stale(workflow, frozenset({draft.revision}))
    digest = content_hash(workflow.definition)
    latest = WorkflowVersion.objects.filter(workflow=workflow, number=workflow.version).first()
    if latest is not None and latest.content_hash == digest:
        return latest
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=workflow.version + 1,
        definition=workflow.definition,
        content_hash=digest,
        has_agent=has_agent(workflow.definition),
        message=message,
        created_by_id=by.user.pk if by else None,
        created_at=now,
    )
    previous = WorkflowStatus(workflow.status)
    if previous == WorkflowStatus.DRAFT:
        workflow.move_to(WorkflowStatus.ACTIVE, version=version.number, updated_at=now)
    else:
        Workflow.objects.filter(pk=workflow.pk).update(version=version.number, updated_at=now)
        workflow.refresh_from_db()
    details = {"version": version.number, "message": message}
    audit.record("workflow.published", workflow, project=workflow.project, by=by, details=details)
    version_published.send(sender=WorkflowVersion, version=version, by=by, now=now)
    if previous == WorkflowStatus.DRAFT:
        status_changed.send(sender=Workflow, workflow=workflow, previous=previous, now=now)
    return version


def version_to_try(
    workflow: Workflow, *, by: Actor | None, now: datetime, definition: dict[str, Any] | None = None
) -> WorkflowVersion:
    """Keep the draft as it stands, without publishing it, for an execution that tries it. The same draft is kept once.

    :param definition: another definition for this workflow, instead of its draft.
    :raises InvalidDefinition: with all problems at once.
    :raises WorkflowArchived: if it is read-only.
    """
    draft = Workflow.objects.get(pk=workflow.pk)
    refuse_archived(draft)
    definition = draft.definition if definition is None else definition
    if problems := validate(draft, definition=definition):
        raise _invalid(f"The draft of {draft.name!r} cannot be tried.", problems)
    version, _ = WorkflowVersion.objects.get_or_create(
        workflow=draft,
        number=None,
        content_hash=content_hash(definition),
        defaults={
            "definition": definition,
            "has_agent": has_agent(definition),
            "created_by_id": by.user.pk if by else None,
            "created_at": now,
        },
    )
    return version


def version_of(workflow: Workflow, number: int) -> WorkflowVersion:
    """Return a version by its number.

    :raises UnknownVersion: if there is none.
    """
    version = workflow.versions.filter(number=number).first()
    if version is None:
        raise UnknownVersion(f"Workflow {workflow.name!r} has no version {number}; its latest is {workflow.version}.")
    return version


def restore_version(
    workflow: Workflow, number: int, *, by: Actor | None, now: datetime, if_match: str | None = None
) -> Workflow:
    """Make a version's definition the draft again. It runs only once it is published.

    :raises UnknownVersion: if there is none with this number.
    :raises DraftChanged: as :func:`save_draft`.
    :raises WorkflowArchived: as :func:`save_draft`.
    """
    version = version_of(workflow, number)
    return save_draft(workflow, definition=version.definition, if_match=if_match, by=by, now=now)


def compare_versions(workflow: Workflow, number: int, *, with_number: int | None) -> list[Change]:
    """Return what turns a version into another one, or into the draft if ``with_number`` is None.

    :raises UnknownVersion: if one of them does not exist.
    :raises InvalidDefinition: if the draft has problems that leave nothing to compare.
    """
    version = version_of(workflow, number)
    other = workflow.definition if with_number is None else version_of(workflow, with_number).definition
    try:
        return diff(version.definition, other)
    except ValueError:
        raise _invalid(f"The draft of {workflow.name!r} has no shape to compare yet.", validate(workflow)) from None


# --- Status -------------------------------------------------------------------------------------------------------------


def pause(workflow: Workflow, *, by: Actor | None, now: datetime, reason: str = "") -> Workflow:
    """Hold an active workflow for a while: what comes in is accepted and waits.

    :raises IllegalWorkflowTransition: if it is not active.
    """
    return _change_status(workflow, WorkflowStatus.PAUSED, from_=[WorkflowStatus.ACTIVE], reason=reason, by=by, now=now)


def resume(workflow: Workflow, *, by: Actor | None, now: datetime) -> Workflow:
    """Let a paused workflow go on.

    :raises IllegalWorkflowTransition: if it is not paused.
    """
    return _change_status(
        workflow, WorkflowStatus.ACTIVE, from_=[WorkflowStatus.PAUSED], verb="resumed", by=by, now=now
    )


def disable(workflow: Workflow, *, reason: str, by: Actor | None, now: datetime) -> Workflow:
    """Switch a workflow off: what comes in is refused and recorded. ``by`` is None when Segue does it.

    :raises IllegalWorkflowTransition: if it is neither active nor paused.
    """
    from_ = [WorkflowStatus.ACTIVE, WorkflowStatus.PAUSED]
    return _change_status(workflow, WorkflowStatus.DISABLED, from_=from_, reason=reason, by=by, now=now)


def enable(workflow: Workflow, *, by: Actor | None, now: datetime) -> Workflow:
    """Switch a disabled workflow on again.

    :raises IllegalWorkflowTransition: if it is not disabled.
    """
    from_ = [WorkflowStatus.DISABLED]
    return _change_status(workflow, WorkflowStatus.ACTIVE, from_=from_, verb="enabled", by=by, now=now)


def archive(workflow: Workflow, *, by: Actor | None, now: datetime, reason: str = "") -> Workflow:
    """Put a workflow away: read-only, hidden from lists, its triggers silent.

    :raises IllegalWorkflowTransition: if it is archived already.
    """
    from_ = [status for status in WorkflowStatus if status != WorkflowStatus.ARCHIVED]
    return _change_status(workflow, WorkflowStatus.ARCHIVED, from_=from_, reason=reason, by=by, now=now)


def unarchive(workflow: Workflow, *, by: Actor | None, now: datetime) -> Workflow:
    """Bring a workflow back: disabled if it was ever published, so that nothing starts by surprise, else as a draft.

    :raises IllegalWorkflowTransition: if it is not archived.
    """
    status = WorkflowStatus.DISABLED if workflow.version else WorkflowStatus.DRAFT
    reason = "Brought back from the archive." if workflow.version else ""
    from_ = [WorkflowStatus.ARCHIVED]
    return _change_status(workflow, status, from_=from_, verb="unarchived", reason=reason, by=by, now=now)


@transaction.atomic
def _change_status(
    workflow: Workflow,
    status: WorkflowStatus,
    *,
    from_: Iterable[WorkflowStatus],
    by: Actor | None,
    now: datetime,
    verb: str = "",
    reason: str = "",
) -> Workflow:
    """Move a workflow from one of some statuses to another, write it down, and tell the apps above.

    :param verb: what is done to the workflow, as a participle; by default the status's own word.
    """
    verb = verb or status.value
    previous = WorkflowStatus(locked(workflow).status)
    if previous not in from_:
        raise IllegalWorkflowTransition(f"Workflow {workflow.name!r} is {previous.value} and cannot be {verb}.")
    workflow.move_to(status, status_reason=reason[:MAX_REASON], updated_at=now)
    audit.record(f"workflow.{verb}", workflow, project=workflow.project, by=by, details={"reason": reason})
    status_changed.send(sender=Workflow, workflow=workflow, previous=previous, now=now)
    return workflow


# --- Finding ----------------------------------------------------------------------------------------------------------


def workflow_called(name_or_id: str, *, project_id: UUID) -> Workflow | None:
    """Return the workflow of a project that somebody means by its id or its name; an id comes first."""
    in_project = Workflow.objects.filter(project_id=project_id)
    by_id = in_project.filter(pk=UUID(name_or_id)).first() if _is_uuid(name_or_id) else None
    return by_id or in_project.filter(name=storable_text(name_or_id)).first()


def _find_workflows(workflow: Workflow, names: Collection[str]) -> dict[str, Found]:
    """Return what each name or id means in the project of a workflow."""
    in_project = Workflow.objects.filter(project_id=workflow.project_id)
    ids = {name: UUID(name) for name in names if _is_uuid(name)}
    rows = in_project.filter(Q(name__in=names) | Q(pk__in=ids.values())).values_list("pk", "name")
    by_name, known = {name: pk for pk, name in rows}, {pk for pk, _ in rows}
    meant = {name: ids[name] if ids.get(name) in known else by_name.get(name) for name in names}
    return {
        name: Found.NOTHING if pk is None else Found.ITSELF if pk == workflow.pk else Found.OTHER
        for name, pk in meant.items()
    }


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


# --- What several of them need ------------------------------------------------------------------------------------------


def _refuse_stale(workflow: Workflow, expected: frozenset[int] | None) -> None:
    if expected is not None and workflow.revision not in expected:
        raise _draft_changed(workflow)


def _draft_changed(workflow: Workflow) -> DraftChanged:
    return DraftChanged(
        f"Somebody saved the draft of {workflow.name!r} since you read it; its entity tag is {workflow.etag} now.",
        hint="Read it again, put your changes into it, and send that entity tag as If-Match.",
    )


def _keepable(definition: Any) -> dict[str, Any]:
    if not isinstance(definition, dict):
        raise InvalidDefinition("A definition is a JSON object.", path="/definition")
    if problems := limit_problems(definition):
        raise _invalid("The definition cannot be saved.", problems)
    return definition


def _invalid(message: str, problems: list[Problem]) -> InvalidDefinition:
    return InvalidDefinition(message, problems=[problem.to_json() for problem in problems])


@contextmanager
def _unique_name(name: str | None) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise NameTaken(
            f"The project has a workflow called {name!r} already.", path="/name", hint="It may be an archived one."
        ) from error
