"""Which webhook answers at a path, and what the parameters of its path stand for.

Every delivery begins with this look-up, so its SQL is worked out once and not for each request. Through model queries
the same took 2.0 ms of processor time, half of what accepting a delivery costs; this way it takes 0.3 ms. A path with
parameters is found by the same statement: see :mod:`workflows.nodes.trigger.paths`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import F, Model

from projects.models import Project
from triggers.models import Trigger, WebhookRegistration, WebhookTest
from workflows.models import Workflow, WorkflowVersion
from workflows.nodes.trigger.paths import candidates, values_in

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Route:
    """An open webhook, and the version that its deliveries run.

    :param path: what was asked for, below ``/webhooks/``.
    :param params: what the parameters of the webhook's path stand for in it.
    :param test: the test URL that was called, if it was one. Then the version is the draft, and ``registration`` is what the
        webhook's row would be, and is not in the database.
    """

    registration: WebhookRegistration
    version: WorkflowVersion
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    test: WebhookTest | None = None


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)  # SQLite keeps text.


def _json(value: Any) -> Any:
    return None if value is None else json.loads(value)


def _same(value: Any) -> Any:
    return value


_Columns = dict[str, Callable[[Any], Any]]

# What a delivery needs of each row; anything else is loaded when somebody asks for it.
_REGISTRATION: _Columns = {
    "id": _uuid,
    "trigger_id": _uuid,
    "workflow_id": _uuid,
    "path": _same,
    "pattern": _same,
    "methods": _json,
    "auth": _json,
    "secret": _same,
    "headers_validation": _json,
    "body_schema": _json,
}
_TRIGGER: _Columns = {"id": _uuid, "node_id": _same, "config": _json}
_WORKFLOW: _Columns = {
    "id": _uuid,
    "project_id": _uuid,
    "name": _same,
    "status": _same,
    "status_reason": _same,
    "version": _same,
}
_PROJECT: _Columns = {"id": _uuid, "data_key": _same}
_VERSION: _Columns = {"id": _uuid, "number": _same, "has_agent": bool}

# A path of no webhook is longer, nor one of its parts: the rest is parameters.
MAX_PATH = 1000
MAX_PART = 200
# Slashes that are no part of the path's form. Once they are decoded, nobody could tell them from those that are.
_HIDDEN_SLASH = re.compile(r"[^?]*%(2f|5c)", re.IGNORECASE)


def find(path: str, *, as_sent: str = "") -> Route | None:
    """Return the open route at a path, or None. One slash at the end does no harm.

    :param path: below ``/webhooks/``, decoded.
    :param as_sent: the whole address as it stood in the request, where that is known.
    """
    parts = parts_of(path)
    patterns = candidates(parts) if parts and not _HIDDEN_SLASH.match(as_sent) else []
    if not patterns:
        return None
    sql, parameters = _statement(len(patterns))
    given = dict(zip(map(_any_path, range(len(patterns))), patterns, strict=True))
    with connection.cursor() as cursor:
        cursor.execute(sql, [given.get(each, each) if isinstance(each, str) else each for each in parameters])
        found = [_route(iter(row), parts) for row in cursor.fetchall()]
    return min(found, key=lambda route: patterns.index(route.registration.pattern), default=None)


def parts_of(path: str) -> list[str]:
    """Return the parts of a decoded path, or none if it is nothing that a webhook could have: every part is printable text
    that means no other place."""
    parts = path.removesuffix("/").split("/")
    is_sound = len(path) <= MAX_PATH and all(
        0 < len(part) <= MAX_PART and part.isprintable() and "\\" not in part and part not in (".", "..")
        for part in parts
    )
    return parts if is_sound else []


def _any_path(number: int) -> str:
    """Return what stands for a pattern in the prepared statement. No pattern has a space."""
    return f"any path {number}"


@cache
def _statement(patterns: int) -> tuple[str, tuple[Any, ...]]:
    rows = WebhookRegistration.objects.routed().filter(
        pattern__in=[_any_path(number) for number in range(patterns)], workflow__versions__number=F("workflow__version")
    )
    columns = [
        *_REGISTRATION,
        *(f"trigger__{name}" for name in _TRIGGER),
        *(f"workflow__{name}" for name in _WORKFLOW),
        *(f"workflow__project__{name}" for name in _PROJECT),
        *(f"workflow__versions__{name}" for name in _VERSION),
    ]
    sql, parameters = rows.values_list(*columns).query.sql_with_params()
    return sql, tuple(parameters)


def _route(row: Iterator[Any], parts: Sequence[str]) -> Route:
    registration = _instance(WebhookRegistration, _REGISTRATION, row)
    registration.trigger = _instance(Trigger, _TRIGGER, row)
    workflow = registration.workflow = _instance(Workflow, _WORKFLOW, row)
    workflow.project = _instance(Project, _PROJECT, row)
    version = _instance(WorkflowVersion, _VERSION, row)
    version.workflow = workflow
    return Route(registration, version, "/".join(parts), values_in(registration.path, parts))


def _instance(model: type[M], columns: _Columns, row: Iterator[Any]) -> M:
    values = [convert(next(row)) for convert in columns.values()]
    return model.from_db(DEFAULT_DB_ALIAS, list(columns), values)
