"""What operators do about calls to the outside: set limits, and let a host be called again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from executions.exceptions import InvalidOutgoingLimit, OutgoingLimitExists
from executions.models import OutgoingHold, OutgoingLimit
from projects import audit
from projects.access import Actor
from projects.locking import locked
from projects.models import Project
from workflows.http import urls
from workflows.http.errors import BadUrl
from workflows.variables import VARIABLE_NAME

MOST_PER_MINUTE = 1_000_000
MOST_AT_ONCE = 10_000
# Each call looks at all of them.
MOST_LIMITS = 200

_NUMBERS = {"per_minute": MOST_PER_MINUTE, "burst": MOST_PER_MINUTE, "at_once": MOST_AT_ONCE}


@transaction.atomic
def create_limit(project: Project, *, by: Actor | None, now: datetime, **values: Any) -> OutgoingLimit:
    """Limit a project's calls to a host (``host``), or with a secret (``secret_name``).

    :param values: the columns of :class:`OutgoingLimit`.
    :raises InvalidOutgoingLimit: with everything that is wrong.
    :raises OutgoingLimitExists: if there is one for the same calls.
    """
    limit = OutgoingLimit(project=project, created_at=now, **values)
    check(limit)
    if OutgoingLimit.objects.filter(project=project).count() >= MOST_LIMITS:
        raise InvalidOutgoingLimit(
            f"A project has at most {MOST_LIMITS} limits.", hint="Write `*.name` for many hosts."
        )
    _save(limit)
    audit.record("outgoing_limit.created", limit, project=project, by=by, details=_described(limit))
    return limit


@transaction.atomic
def change_limit(limit: OutgoingLimit, *, by: Actor | None, **values: Any) -> OutgoingLimit:
    """Change how much a limit allows. What waits already keeps the turn that it has.

    :raises InvalidOutgoingLimit: with everything that is wrong.
    :raises OutgoingLimitExists: if there is another one for the same calls.
    :raises NotFound: if somebody has deleted it meanwhile.
    """
    limit = locked(limit)
    for column, value in values.items():
        setattr(limit, column, value)
    check(limit)
    limit.paced_until_us = 0  # What was spoken for was so at the former pace.
    _save(limit)
    audit.record("outgoing_limit.changed", limit, project=limit.project, by=by, details=_described(limit))
    return limit


@transaction.atomic
def delete_limit(limit: OutgoingLimit, *, by: Actor | None) -> None:
    """Remove a limit.

    :raises NotFound: if somebody was faster.
    """
    limit = locked(limit)
    audit.record("outgoing_limit.deleted", limit, project=limit.project, by=by, details=_described(limit))
    limit.delete()


@transaction.atomic
def lift_hold(hold: OutgoingHold, *, by: Actor | None) -> None:
    """Let a host be called again although it has asked for more time. What sleeps because of it sleeps on.

    :raises NotFound: if it is over, or somebody was faster.
    """
    hold = locked(hold)
    audit.record("outgoing_hold.lifted", hold, project=hold.project, by=by, details={"host": hold.host})
    hold.delete()


def _save(limit: OutgoingLimit) -> None:
    try:
        with transaction.atomic():
            limit.save()
    except IntegrityError as error:
        raise OutgoingLimitExists(
            f"The project has a limit for {limit} already.", path="/secret_name" if limit.secret_name else "/host"
        ) from error


def check(limit: OutgoingLimit) -> None:
    """Bring a limit into its one form.

    :raises InvalidOutgoingLimit: with everything that is wrong.
    """
    problems = [*_target_problems(limit), *_number_problems(limit)]
    if problems:
        raise InvalidOutgoingLimit(problems[0]["message"], problems=problems, path=problems[0]["path"])


def _target_problems(limit: OutgoingLimit) -> list[dict[str, Any]]:
    limit.host = limit.host.strip()
    if bool(limit.host) == bool(limit.secret_name):
        return [_problem("/host", "A limit is for a host or for a secret.", "Give one of `host` and `secret_name`.")]
    if limit.host:
        try:
            limit.host = urls.host_pattern(limit.host)
        except BadUrl:
            return [_problem("/host", "This is no host.", "Write api.example.com, or *.example.com for all below it.")]
    if limit.secret_name and not VARIABLE_NAME.fullmatch(limit.secret_name):
        return [_problem("/secret_name", "This is no name of a secret.", "Write it as in the expression: API_TOKEN.")]
    return []


def _number_problems(limit: OutgoingLimit) -> list[dict[str, Any]]:
    problems = []
    for column, most in _NUMBERS.items():
        value = getattr(limit, column)
        if value is not None and not 1 <= value <= most:
            problems.append(_problem(f"/{column}", f"It must be from 1 to {most:,}.", ""))
    if limit.per_minute is None and limit.at_once is None:
        problems.append(_problem("/per_minute", "This limits nothing.", "Give `per_minute`, `at_once`, or both."))
    if limit.burst is not None and limit.per_minute is None:
        problems.append(_problem("/burst", "A burst is part of a rate.", "Give `per_minute` too."))
    return problems


def _problem(path: str, message: str, hint: str) -> dict[str, Any]:
    return {"code": InvalidOutgoingLimit.code, "path": path, "message": message, "hint": hint}


def _described(limit: OutgoingLimit) -> dict[str, Any]:
    return {column: getattr(limit, column) for column in ("host", "secret_name", *_NUMBERS)}
