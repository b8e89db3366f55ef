"""How errors look to callers of the API: one table of statuses, one JSON shape.

``{"code", "message"}`` always; ``path`` (a JSON Pointer into the body, or ``?name`` for a query parameter), ``hint`` and
``problems`` (a list of the same shape, when a request was checked as a whole) where they help.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from typing import Any

from django.core import exceptions as django_errors
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import Http404, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions as api_errors
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from projects import statement_time
from projects.exceptions import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    PreconditionFailed,
    SegueError,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unprocessable,
)
from projects.payloads import pointer

logger = logging.getLogger(__name__)

STATUS: dict[type[SegueError], HTTPStatus] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    Unauthenticated: HTTPStatus.UNAUTHORIZED,
    Forbidden: HTTPStatus.FORBIDDEN,
    NotFound: HTTPStatus.NOT_FOUND,
    Conflict: HTTPStatus.CONFLICT,
    Gone: HTTPStatus.GONE,
    PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Unprocessable: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooMany: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    SegueError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

# REST framework's words for what Segue calls otherwise.
CODES = {
    "authentication_failed": "unauthenticated",
    "not_authenticated": "unauthenticated",
    "permission_denied": "forbidden",
    "parse_error": "not_json",
    "throttled": "too_many",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer that says what went wrong."""

    status: int
    code: str
    message: str
    path: str | None = None
    hint: str | None = None
    problems: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the body of the answer, without what it has nothing to say about."""
        body = {
            "code": self.code,
            "message": self.message,
            "path": self.path,
            "hint": self.hint,
            "problems": self.problems,
        }
        return {key: value for key, value in body.items() if value not in (None, [])}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer for whatever a view raised; None for what is a mistake of ours and becomes a 500."""
    request = context.get("request")
    in_query = request is not None and request.method in {"GET", "HEAD", "OPTIONS"}
    problem = describe(error, in_query=in_query)
    if problem is None:
        return None
    set_rollback()
    return Response(problem.as_json(), status=problem.status, headers=problem.headers)


def describe(error: Exception, *, in_query: bool = False) -> Problem | None:
    """Say what an exception means to a caller, or None if it is none of the caller's business.

    :param in_query: whether what was wrong stood in the query string and not in the body.
    """
    if isinstance(error, SegueError):
        return _segue_problem(error)
    if isinstance(error, api_errors.ValidationError):
        return _validation_problem(error.detail, in_query=in_query)
    if isinstance(error, django_errors.ValidationError):
        detail = error.message_dict if hasattr(error, "error_dict") else error.messages
        return _validation_problem(detail, in_query=in_query)
    if isinstance(error, api_errors.APIException):
        return _api_problem(error)
    translated = _translated(error)
    return _segue_problem(translated) if translated else None


def _segue_problem(error: SegueError) -> Problem:
    status = next(STATUS[family] for family in type(error).__mro__ if family in STATUS)
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("A request failed for a reason that its caller cannot mend", exc_info=error)
    retry_after = getattr(error, "retry_after", None)
    return Problem(
        status=status,
        code=error.code,
        message=error.message,
        path=error.path,
        hint=error.hint,
        problems=error.problems if isinstance(error, Invalid) else [],
        headers={} if retry_after is None else {"Retry-After": str(ceil(retry_after))},
    )


def _validation_problem(detail: Any, *, in_query: bool) -> Problem:
    problems = list(_flattened(detail, (), in_query=in_query))
    if len(problems) == 1:
        message, path = problems[0]["message"], problems[0].get("path")
    else:
        message, path = f"The request has {len(problems)} problems.", None
    return Problem(HTTPStatus.BAD_REQUEST, "invalid", message, path=path, problems=problems)


def _flattened(detail: Any, steps: tuple[str | int, ...], *, in_query: bool) -> Iterator[dict[str, Any]]:
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            is_whole = key in (api_settings.NON_FIELD_ERRORS_KEY, django_errors.NON_FIELD_ERRORS)
            yield from _flattened(inner, steps if is_whole else (*steps, key), in_query=in_query)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            # A list of texts speaks about one value; a list of objects about its items.
            is_item = isinstance(inner, (Mapping, list))
            yield from _flattened(inner, (*steps, index) if is_item else steps, in_query=in_query)
    else:
        path = f"?{steps[0]}" if in_query and steps else pointer(*steps)
        yield {"code": getattr(detail, "code", "invalid"), "message": str(detail), "path": path}


def _api_problem(error: api_errors.APIException) -> Problem:
    headers = {}
    if auth_header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = auth_header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(ceil(wait))
    code = str(error.get_codes())
    is_type = isinstance(error, api_errors.UnsupportedMediaType)
    return Problem(
        status=error.status_code,
        code=CODES.get(code, code),
        message=str(error.detail),
        hint="Send JSON, with Content-Type: application/json." if is_type else None,
        headers=headers,
    )


def _unavailable(error: Exception) -> Unavailable:
    logger.error("The database did not do what a request needed", exc_info=error)
    if statement_time.ran_out(error):
        return TooSlow(
            "The database took too long for this, and was stopped.",
            hint="Ask for less: a shorter time, a filter, a smaller page. If it was a change, try it again.",
            retry_after=5,
        )
    return Unavailable("The database does not answer right now. Try again.", retry_after=1)


def _taken(error: Exception) -> Conflict | None:
    cause = error.__cause__
    is_unique = getattr(cause, "sqlstate", None) == "23505" or "UNIQUE constraint failed" in str(cause)
    return Conflict("Something with this name or key exists already.") if is_unique else None


# What Django and the drivers raise, and what it means. The first that fits counts.
TRANSLATIONS: tuple[tuple[type[Exception], Callable[[Exception], SegueError | None]], ...] = (
    (Http404, lambda _: NotFound("There is no such thing, or none that you may see.")),
    (django_errors.ObjectDoesNotExist, lambda _: NotFound("There is no such thing, or none that you may see.")),
    (django_errors.PermissionDenied, lambda error: Forbidden(str(error) or "You may not do this.")),
    (django_errors.RequestDataTooBig, lambda _: TooLarge("The body is larger than allowed.")),
    (django_errors.BadRequest, lambda _: Invalid("The request is malformed.")),
    (django_errors.SuspiciousOperation, lambda _: Invalid("The request is malformed.")),
    (MultiPartParserError, lambda _: Invalid("The multipart body is malformed.")),
    (UnreadablePostError, lambda _: Invalid("The body ended before it was complete.")),
    (ProtectedError, lambda _: Conflict("Other things still refer to this; remove them first.")),
    (RestrictedError, lambda _: Conflict("Other things still refer to this; remove them first.")),
    (DataError, lambda _: Invalid("A value is too long, too large, or holds characters that cannot be stored.")),
    (IntegrityError, _taken),
    (OperationalError, _unavailable),
    (InterfaceError, _unavailable),
)


def _translated(error: Exception) -> SegueError | None:
    for kind, translate in TRANSLATIONS:
        if isinstance(error, kind):
            return translate(error)
    return None
