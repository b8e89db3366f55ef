"""Variables of workflows and of projects: set, removed, read. A workflow's own come before its project's of the same name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from projects import audit, envelopes
from projects.access import Actor
from projects.crypto import SecretUnreadable
from projects.exceptions import NotFound
from projects.models import Project
from projects.payloads import storable
from workflows import usages
from workflows.exceptions import InvalidVariable, VariableInUse
from workflows.http import urls
from workflows.http.errors import BadUrl
from workflows.http.secrets import Secret
from workflows.locking import locked, refuse_archived
from workflows.models import ProjectVariable, Workflow, WorkflowVariable

AnyVariable = WorkflowVariable | ProjectVariable
Owner = Workflow | Project

# Upper case, so that nobody takes a variable for a property of JavaScript's (``constructor``, ``toString``).
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MAX_VARIABLE_BYTES = 64 * 1024
MAX_VARIABLES = 200
MAX_HOSTS = 50

ENVELOPES = {
    WorkflowVariable: envelopes.register(
        WorkflowVariable, "value", project_path="workflow__project", where=Q(is_secret=True)
    ),
    ProjectVariable: envelopes.register(ProjectVariable, "value", project_path="project", where=Q(is_secret=True)),
}

# --- Setting ------------------------------------------------------------------------------------------------------------


@transaction.atomic
def set_variable(
    owner: Owner,
    name: str,
    *,
    value: Any,
    by: Actor | None,
    now: datetime,
    is_secret: bool | None = None,
    allowed_hosts: Sequence[str] | None = None,
) -> AnyVariable:
    """Give a variable of a workflow or a project a value; make it if there is none of this name.

    :param value: JSON data; of a secret, a text that is not empty.
    :param is_secret: None leaves a variable what it is; a new one is then plain. Because there is always a new value,
        no secret is ever shown by becoming plain.
    :param allowed_hosts: of a secret, the only hosts that it may be sent to: names, or ``*.name`` for all below; none
        means any. None leaves them what they are. Because there is always a new value, nobody who does not know a secret can
        have it sent elsewhere.
    :raises InvalidVariable: if name, value or hosts are not allowed, or there are too many.
    :raises WorkflowArchived: if the workflow is read-only.
    """
    if not VARIABLE_NAME.fullmatch(name):
        raise InvalidVariable(
            f"{name[:100]!r} cannot be the name of a variable.",
            path="/name",
            hint="Use upper case letters, digits and underscores, at most 64, a letter first: API_KEY.",
        )
    _lock(owner)
    variable = _of(owner).filter(name=name).first() or _new_variable(owner, name, now=now)
    if is_secret is not None:
        variable.is_secret = is_secret
    if allowed_hosts is not None:
        variable.allowed_hosts = _hosts(allowed_hosts)
    if variable.allowed_hosts and not variable.is_secret:
        if allowed_hosts:
            raise InvalidVariable(
                "Only a secret has hosts that it may be sent to.", path="/allowed_hosts", hint="Make it a secret."
            )
        variable.allowed_hosts = []
    variable.value = _sealed(variable, value) if variable.is_secret else _json_text(value)
    variable.save()
    _record("variable_set", variable, owner, by=by, is_secret=variable.is_secret, **_hosts_of(variable))
    return variable


@transaction.atomic
def restrict_secret(owner: Owner, name: str, *, allowed_hosts: Sequence[str], by: Actor | None) -> AnyVariable:
    """Leave a secret only some of the hosts that it may be sent to, without its value.

    :raises NotFound: if there is no variable of this name.
    :raises InvalidVariable: if it is no secret, or a host is new to it: that takes its value.
    :raises WorkflowArchived: if the workflow is read-only.
    """
    _lock(owner)
    variable = _found(owner, name)
    hosts = _hosts(allowed_hosts)
    if not variable.is_secret:
        raise InvalidVariable(f"{name} is no secret: it has no hosts.", path="/allowed_hosts")
    known = variable.allowed_hosts
    if known and (not hosts or not all(any(_covers(old, new) for old in known) for new in hosts)):
        raise InvalidVariable(
            f"{name} may be sent to {', '.join(known)} alone; to let it go elsewhere takes its value.",
            path="/allowed_hosts",
            hint="PUT `value` and `allowed_hosts` together.",
        )
    variable.allowed_hosts = hosts
    variable.save(update_fields=["allowed_hosts", "updated_at"])
    _record("variable_restricted", variable, owner, by=by, **_hosts_of(variable))
    return variable


@transaction.atomic
def delete_variable(owner: Owner, name: str, *, by: Actor | None, force: bool = False) -> None:
    """Remove a variable. Executions that still ask for it fail, and say so.

    :param force: even if new executions will ask for it.
    :raises NotFound: if there is none of this name.
    :raises VariableInUse: if a latest version mentions it by name, and finds no other of this name then.
    :raises WorkflowArchived: if the workflow is read-only.
    """
    _lock(owner)
    variable = _found(owner, name)
    if not force and not _has_stand_in(variable):
        using = [usage for usage in usages.usages_of(variable) if usage.in_latest]
        if using:
            named = ", ".join(repr(usage.workflow_name) for usage in using[:5])
            more = f" and {len(using) - 5} more" if len(using) > 5 else ""
            raise VariableInUse(
                f"{name} is used by what runs of {named}{more}.",
                hint="Publish versions without it first, or remove it with ?force=true; their executions then fail.",
            )
    variable.delete()
    _record("variable_deleted", variable, owner, by=by)


def _has_stand_in(variable: AnyVariable) -> bool:
    """Whether the project has a variable that takes the place of a workflow's own."""
    if isinstance(variable, ProjectVariable):
        return False
    project_id = variable.workflow.project_id
    return ProjectVariable.objects.filter(
        project_id=project_id, name=variable.name, is_secret=variable.is_secret
    ).exists()


def _new_variable(owner: Owner, name: str, *, now: datetime) -> AnyVariable:
    if _of(owner).count() >= MAX_VARIABLES:
        whose = "workflow" if isinstance(owner, Workflow) else "project"
        raise InvalidVariable(f"A {whose} has at most {MAX_VARIABLES} variables.", path="/name")
    if isinstance(owner, Workflow):
        return WorkflowVariable(workflow=owner, name=name, created_at=now)
    return ProjectVariable(project=owner, name=name, created_at=now)


def _found(owner: Owner, name: str) -> AnyVariable:
    variable: AnyVariable | None = _of(owner).filter(name=name).first()
    if variable is None:
        whose = "Workflow" if isinstance(owner, Workflow) else "Project"
        raise NotFound(f"{whose} {owner.name!r} has no variable {name[:100]!r}.")
    return variable


def _of(owner: Owner) -> QuerySet[Any]:
    return owner.variables.all()


def _lock(owner: Owner) -> None:
    if isinstance(owner, Workflow):
        refuse_archived(locked(owner))
    else:
        Project.objects.select_for_update(no_key=True).get(pk=owner.pk)


def _record(what: str, variable: AnyVariable, owner: Owner, *, by: Actor | None, **details: Any) -> None:
    project, kind = (owner.project, "workflow") if isinstance(owner, Workflow) else (owner, "project")
    audit.record(f"{kind}.{what}", owner, project=project, by=by, details={"name": variable.name, **details})


def _hosts_of(variable: AnyVariable) -> dict[str, Any]:
    return {"allowed_hosts": variable.allowed_hosts} if variable.allowed_hosts else {}


def _sealed(variable: AnyVariable, value: Any) -> str:
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
    return ENVELOPES[type(variable)].seal(variable, value)


def _json_text(value: Any) -> str:
    encoded = orjson.dumps(storable(value))
    _refuse_long(len(encoded))
    return encoded.decode()


def _refuse_long(size: int) -> None:
    if size > MAX_VARIABLE_BYTES:
        raise InvalidVariable(f"The value has {size} bytes; at most {MAX_VARIABLE_BYTES} are allowed.", path="/value")


# --- Hosts --------------------------------------------------------------------------------------------------------------


def _hosts(patterns: Sequence[str]) -> list[str]:
    """Return host patterns in the form in which they are compared, each once.

    :raises InvalidVariable: naming the first that is none.
    """
    if len(patterns) > MAX_HOSTS:
        raise InvalidVariable(f"A secret has at most {MAX_HOSTS} hosts.", path="/allowed_hosts")
    return list(dict.fromkeys(_host(pattern, number) for number, pattern in enumerate(patterns)))


def _host(pattern: str, number: int) -> str:
    try:
        return urls.host_pattern(pattern)
    except BadUrl as error:
        raise InvalidVariable(
            f"{pattern[:100]!r} is no host.",
            path=f"/allowed_hosts/{number}",
            hint="Write names such as api.example.com, or *.example.com for all below, without scheme, port and path.",
        ) from error


def _covers(old: str, new: str) -> bool:
    """Whether everything that a pattern lets through is let through by another already."""
    return old == new or (old.startswith("*.") and urls.host_matches(new.removeprefix("*."), old))


# --- Reading ------------------------------------------------------------------------------------------------------------


def value_of(variable: AnyVariable) -> Any:
    """Return a plain variable's value; None for a secret, whose value is nobody's but the engine's."""
    return None if variable.is_secret else orjson.loads(variable.value)


def kinds_of_variables(workflow: Workflow) -> dict[str, bool]:
    """Return the variables that a workflow sees, its own and its project's, and whether each is a secret."""
    own = workflow.variables.values_list("name", "is_secret")
    return dict(own.union(_shared(workflow).values_list("name", "is_secret"), all=True))


def variables_of(workflow: Workflow) -> dict[str, Any]:
    """Return the values of the plain variables that a workflow sees, by name: what expressions have as ``vars``."""
    own = workflow.variables.filter(is_secret=False).values_list("name", "value")
    shared = _shared(workflow).filter(is_secret=False).values_list("name", "value")
    return {name: orjson.loads(value) for name, value in own.union(shared, all=True)}


def secrets_of(workflow: Workflow, names: Collection[str]) -> dict[str, Secret]:
    """Return secrets that a workflow sees in clear, as far as there are any of these names. Only for the door to the outside.

    One that cannot be read has a ``problem`` for a value.
    """
    found: Iterable[AnyVariable] = (
        *workflow.variables.filter(is_secret=True, name__in=names),
        *_shared(workflow).filter(is_secret=True, name__in=names),
    )
    return {variable.name: _opened(variable) for variable in found}


def _opened(variable: AnyVariable) -> Secret:
    hosts = tuple(variable.allowed_hosts)
    try:
        return Secret(variable.name, ENVELOPES[type(variable)].open(variable), hosts)
    except SecretUnreadable as error:
        return Secret(variable.name, "", hosts, problem=" ".join(filter(None, (error.message, error.hint))))


def _shared(workflow: Workflow) -> QuerySet[ProjectVariable]:
    """Return the variables of a workflow's project that none of its own hides."""
    own = WorkflowVariable.objects.filter(workflow=workflow, name=OuterRef("name"))
    shared = ProjectVariable.objects.filter(~Exists(own), project_id=workflow.project_id)
    return shared.select_related("project")
