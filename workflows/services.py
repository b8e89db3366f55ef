"""What can be done with workflows: write, publish, hold, put away. The caller has checked who may."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from projects import audit, crypto
from projects.access import Actor
from projects.exceptions import NotFound
from projects.models import Project
from projects.payloads import storable, storable_text
from workflows import entity_tags
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
    InvalidVariable,
    NameTaken,
    UnknownVersion,
    WorkflowArchived,
)
from workflows.expressions import shared_evaluator
from workflows.models import Workflow, WorkflowStatus, WorkflowVariable, WorkflowVersion
from workflows.nodes.base import catalogue as node_types
from workflows.signals import status_changed, version_published

# Upper case, so that nobody takes a variable for a property of JavaScript's (``constructor``, ``toString``).
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MAX_VARIABLE_BYTES = 64 * 1024
MAX_VARIABLES = 200
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
        _refuse_archived(workflow)
        raise _draft_changed(workflow)
    details = {"revision": workflow.revision, "changed": sorted(changes)}
    audit.record("workflow.saved", workflow, project=workflow.project, by=by, details=details)
    return workflow


def validate(workflow: Workflow, *, definition: Any = None) -> list[Problem]:
    """Return everything that keeps the draft, or another definition for this workflow, from being published."""
    return check(
        workflow.definition if definition is None else definition,
        node_types=node_types(),
        variables=dict(workflow.variables.values_list("name", "is_secret")),
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
    _refuse_archived(draft)
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
    workflow = _locked(draft)
    _refuse_archived(workflow)
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


def version_to_try(workflow: Workflow, *, by: Actor | None, now: datetime) -> WorkflowVersion:
    """Keep the draft as it stands, without publishing it, for an execution that tries it. The same draft is kept once.

    :raises InvalidDefinition: with all problems at once.
    :raises WorkflowArchived: if it is read-only.
    """
    draft = Workflow.objects.get(pk=workflow.pk)
    _refuse_archived(draft)
    if problems := validate(draft):
        raise _invalid(f"The draft of {draft.name!r} cannot be tried.", problems)
    version, _ = WorkflowVersion.objects.get_or_create(
        workflow=draft,
        number=None,
        content_hash=content_hash(draft.definition),
        defaults={
            "definition": draft.definition,
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
    previous = WorkflowStatus(_locked(workflow).status)
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


# --- Variables ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def set_variable(
    workflow: Workflow, name: str, *, value: Any, by: Actor | None, now: datetime, is_secret: bool | None = None
) -> WorkflowVariable:
    """Give a variable a value; make it if there is none of this name.

    :param value: JSON data; of a secret, a text that is not empty.
    :param is_secret: None leaves a variable what it is; a new one is then plain. Because there is always a new value,
        no secret is ever shown by becoming plain.
    :raises InvalidVariable: if name or value are not allowed, or there are too many.
    :raises WorkflowArchived: if the workflow is read-only.
    """
    if not VARIABLE_NAME.fullmatch(name):
        raise InvalidVariable(
            f"{name[:100]!r} cannot be the name of a variable.",
            path="/name",
            hint="Use upper case letters, digits and underscores, at most 64, a letter first: API_KEY.",
        )
    _refuse_archived(_locked(workflow))
    variable = workflow.variables.filter(name=name).first()
    if variable is None:
        if workflow.variables.count() >= MAX_VARIABLES:
            raise InvalidVariable(f"A workflow has at most {MAX_VARIABLES} variables.", path="/name")
        variable = WorkflowVariable(workflow=workflow, name=name, created_at=now)
    if is_secret is not None:
        variable.is_secret = is_secret
    variable.value = _sealed(variable, value) if variable.is_secret else _json_text(value)
    variable.save()
    details = {"name": name, "is_secret": variable.is_secret}
    audit.record("workflow.variable_set", workflow, project=workflow.project, by=by, details=details)
    return variable


@transaction.atomic
def delete_variable(workflow: Workflow, name: str, *, by: Actor | None) -> None:
    """Remove a variable. Executions that still ask for it fail, and say so.

    :raises NotFound: if there is none of this name.
    :raises WorkflowArchived: if the workflow is read-only.
    """
    _refuse_archived(_locked(workflow))
    removed, _ = workflow.variables.filter(name=name).delete()
    if not removed:
        raise NotFound(f"Workflow {workflow.name!r} has no variable {name[:100]!r}.")
    audit.record("workflow.variable_deleted", workflow, project=workflow.project, by=by, details={"name": name})


def value_of(variable: WorkflowVariable) -> Any:
    """Return a plain variable's value; None for a secret, whose value is nobody's but the engine's."""
    return None if variable.is_secret else orjson.loads(variable.value)


def variables_of(workflow: Workflow) -> dict[str, Any]:
    """Return the plain variables' values by name: what expressions see as ``vars``."""
    return {variable.name: value_of(variable) for variable in workflow.variables.filter(is_secret=False)}


def secret_values(workflow: Workflow, names: Iterable[str]) -> dict[str, str]:
    """Return secrets in clear by name, as far as there are any of these names. Only for the door to the outside.

    :raises SecretUnreadable: if the key is not there.
    """
    secrets = workflow.variables.filter(is_secret=True, name__in=set(names))
    return {
        secret.name: crypto.decrypt(workflow.project, secret.value, binds_to=_place_of(secret)) for secret in secrets
    }


def _sealed(variable: WorkflowVariable, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidVariable(
            "A secret's value is a text, and not empty.", path="/value", hint="Write numbers and objects as text."
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidVariable(
            "The value holds half of a surrogate pair, which no service takes.", path="/value"
        ) from None
    _refuse_long(size)
    return crypto.encrypt(variable.workflow.project, value, binds_to=_place_of(variable))


def _place_of(variable: WorkflowVariable) -> str:
    return f"workflow_variables.value:{variable.pk}"


def _json_text(value: Any) -> str:
    encoded = orjson.dumps(storable(value))
    _refuse_long(len(encoded))
    return encoded.decode()


def _refuse_long(size: int) -> None:
    if size > MAX_VARIABLE_BYTES:
        raise InvalidVariable(f"The value has {size} bytes; at most {MAX_VARIABLE_BYTES} are allowed.", path="/value")


# --- What several of them need ------------------------------------------------------------------------------------------


def _locked(workflow: Workflow) -> Workflow:
    # Two who publish, pause or change variables take turns. Without the key, so that executions can start meanwhile.
    return Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)


def _refuse_archived(workflow: Workflow) -> None:
    if workflow.status == WorkflowStatus.ARCHIVED:
        raise WorkflowArchived(
            f"Workflow {workflow.name!r} is archived and read-only.", hint="Restore it from the archive first."
        )


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
