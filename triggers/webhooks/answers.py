"""What the sender of a delivery gets to read. Never internals (S-WH-11)."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from executions.models import ExecutionStatus, WorkflowExecution
from triggers.webhooks.refusal import Refused
from workflows.http.media import charset_of
from workflows.nodes.headers import ANSWER_TYPES

RETRY_AFTER_SECONDS = 5

# How an execution that did not complete looks from outside: status, code, sentence.
_ENDS = {
    ExecutionStatus.FAILED: (HTTPStatus.BAD_GATEWAY, "execution_failed", "The workflow has failed."),
    ExecutionStatus.CANCELLED: (HTTPStatus.BAD_GATEWAY, "execution_cancelled", "The execution was cancelled."),
    ExecutionStatus.TIMEOUT: (HTTPStatus.GATEWAY_TIMEOUT, "execution_timeout", "The workflow took too long."),
}
# Those that the workflow's limit on concurrency ended, by their error's code.
_NO_ROOM = {
    "concurrency_skipped": (HTTPStatus.TOO_MANY_REQUESTS, "The workflow is busy, and skips what comes meanwhile."),
    "concurrency_replaced": (HTTPStatus.CONFLICT, "A newer request has taken the place of this one."),
}

# Headers that belong to the connection, to the site as a whole, or to the browser's session with it.
_REFUSED_HEADERS = re.compile(
    r"connection|keep-alive|te|trailer|transfer-encoding|upgrade|date|server|host|content-(length|encoding|type)"
    r"|(www|proxy)-auth.*|authentication-info|set-cookie2?|clear-site-data|alt-svc|refresh|service-worker-allowed"
    r"|strict-transport-security|content-security-policy.*|cross-origin-.*|permissions-policy|referrer-policy"
    r"|x-frame-options|x-content-type-options|x-xss-protection|x-permitted-cross-domain-policies"
    r"|access-control-allow-credentials"
    r"|x-accel-.*|x-sendfile|x-lighttpd-send-file|report-to|reporting-endpoints|nel|sourcemap|x-sourcemap",
    re.IGNORECASE,
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,4000}")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}( *;[\x20-\x7e]{0,200})?", re.IGNORECASE)
_WITHOUT_BODY = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)


def accepted(execution_id: UUID) -> HttpResponse:
    """Say that an execution has been accepted, and where its progress can be read."""
    return _json(HTTPStatus.ACCEPTED, _links(execution_id))


def still_running(execution_id: UUID) -> HttpResponse:
    """Say to somebody who wanted the result that there is none yet."""
    response = accepted(execution_id)
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def duplicate(execution_id: UUID | None) -> HttpResponse:
    """Say that the delivery was here before, and which execution it started."""
    return _json(HTTPStatus.OK, _links(execution_id) | {"duplicate": True})


def filtered() -> HttpResponse:
    """Say that the delivery was taken, and that the webhook's filter wants no execution of it."""
    return _json(HTTPStatus.OK, {"filtered": True})


def finished(execution: WorkflowExecution, answer: Mapping[str, Any] | None) -> HttpResponse:
    """Hand out the result of an execution that has ended.

    :param answer: the output node's ``value``, ``status`` and ``headers``, if one ran.
    """
    status = ExecutionStatus(execution.status)
    if status in _ENDS:
        http_status, code, message = _ENDS[status]
        error_code = (execution.error or {}).get("code")
        if status is ExecutionStatus.CANCELLED and error_code in _NO_ROOM:
            (http_status, message), code = _NO_ROOM[error_code], error_code
        return _json(http_status, {"code": code, "message": message} | _links(execution.pk))
    if answer is None:
        return _json(HTTPStatus.OK, execution.result)
    return _result(answer)


def given(answer: Mapping[str, Any]) -> HttpResponse:
    """Hand out what a node has answered while its execution goes on: ``value``, ``status`` and ``headers``."""
    return _result(answer)


def refused(refusal: Refused) -> HttpResponse:
    """Say why a delivery is not accepted."""
    body: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.problems:
        body["problems"] = refusal.problems
    response = _json(refusal.status, body)
    for name, value in refusal.headers.items():
        response[name] = value
    if refusal.retry_after is not None:
        response["Retry-After"] = str(refusal.retry_after)
    return response


def not_found() -> HttpResponse:
    """Say that there is no webhook: the same for one that never was and one that is switched off (S-WH-10)."""
    return _json(HTTPStatus.NOT_FOUND, {"code": "not_found", "message": "There is no webhook at this address."})


def options(methods: Sequence[str]) -> HttpResponse:
    """Say which methods a webhook answers to."""
    response = _sealed(HttpResponse(status=HTTPStatus.NO_CONTENT))
    response["Allow"] = allow(methods)
    return response


def challenge(text: str) -> HttpResponse:
    """Give back the challenge of a handshake, as text and nothing else."""
    return _sealed(HttpResponse(text, content_type="text/plain; charset=utf-8"))


def unavailable(message: str) -> HttpResponse:
    """Say that nothing was accepted, and that it is worth trying again."""
    response = _json(HTTPStatus.SERVICE_UNAVAILABLE, {"code": "unavailable", "message": message})
    response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def allow(methods: Sequence[str]) -> str:
    """Return the value of the Allow header."""
    return ", ".join([*methods, "OPTIONS"])


def _links(execution_id: UUID | None) -> dict[str, Any]:
    if execution_id is None:
        return {"execution_id": None, "status_url": None}
    return {
        "execution_id": str(execution_id),
        "status_url": f"{settings.WEBHOOK_BASE_URL}/api/executions/{execution_id}/",
    }


def _result(answer: Mapping[str, Any]) -> HttpResponse:
    status = int(answer.get("status") or HTTPStatus.OK)
    headers: Mapping[str, str] = answer.get("headers") or {}
    data = None
    if status in _WITHOUT_BODY:
        response = HttpResponse(status=status)
        del response["Content-Type"]  # Of nothing.
    elif (data := _bytes(answer)) is not None:
        response = HttpResponse(data, content_type=_media_type(headers), status=status)
    else:
        response = _body(answer.get("value"), _content_type(headers), status)
    for name, value in headers.items():
        if _is_allowed(name, value):
            response[name] = value
    if data is not None and not response.get("Content-Disposition", "").lower().startswith("attachment"):
        response["Content-Disposition"] = "attachment"  # Whatever these bytes are, no browser shows them on our site.
    return _sealed(response)


def _bytes(answer: Mapping[str, Any]) -> bytes | None:
    """Return what an answer consists of, if that is bytes. Masked ones are none any more."""
    if answer.get("encoded") != "base64":
        return None
    try:
        return base64.b64decode(answer["value"], validate=True)
    except ValueError:
        return None


def _media_type(headers: Mapping[str, str]) -> str:
    given = _given_type(headers)
    return given if _MEDIA_TYPE.fullmatch(given) else "application/octet-stream"


def _body(value: Any, content_type: str | None, status: int) -> HttpResponse:
    if isinstance(value, str) and content_type:
        data, told = _encoded(value, content_type)
        return HttpResponse(data, content_type=told, status=status)
    response = JsonResponse(value, safe=False, status=status)
    kind = _kind(content_type or "")
    if kind.endswith("json"):
        response["Content-Type"] = kind  # Such as application/problem+json. It is ASCII, whatever it says besides.
    return response


def _encoded(text: str, content_type: str) -> tuple[bytes, str]:
    """Return a text in the character set that its content type names; in UTF-8, and saying so, where that is not possible."""
    charset = charset_of(content_type)
    with contextlib.suppress(UnicodeEncodeError):
        if charset is not None:
            return text.encode(charset), content_type
    told = f"{_kind(content_type)}; charset=utf-8" if "charset" in content_type.lower() else content_type
    return text.encode(), told


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _content_type(headers: Mapping[str, str]) -> str | None:
    """Return what a text is to be sent as, if the workflow says so and a browser would not run it (S-UI-2)."""
    given = _given_type(headers)
    return given if ANSWER_TYPES.fullmatch(given) and _HEADER_VALUE.fullmatch(given) else None


def _given_type(headers: Mapping[str, Any]) -> str:
    given = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return given if isinstance(given, str) else ""


def _is_allowed(name: str, value: Any) -> bool:
    if not isinstance(value, str) or not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        return False
    if name.lower() == "location":
        return re.match(r"https?://|/(?!/)", value, re.IGNORECASE) is not None
    return _REFUSED_HEADERS.fullmatch(name) is None


def _json(status: HTTPStatus, body: Any) -> HttpResponse:
    return _sealed(JsonResponse(body, safe=False, status=status))


def _sealed(response: HttpResponse) -> HttpResponse:
    """Take from an answer whatever a browser could do with it on our own site."""
    response["Content-Security-Policy"] = "default-src 'none'; sandbox; frame-ancestors 'none'"
    response["X-Content-Type-Options"] = "nosniff"
    response.setdefault("Cache-Control", "no-store")
    return response
