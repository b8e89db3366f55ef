"""``/callbacks/<token>``: the one-time link of a node that waits for a call. A plain Django view, no session, no CSRF.

POST brings the answer. Whatever else opens links (mail scanners, previews, people) changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from http import HTTPStatus

from django.db import Error as AnyDatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from executions.services import links
from projects.exceptions import SegueError
from projects.problems import describe
from triggers.webhooks import answers, bodies
from triggers.webhooks.private_headers import always_private
from triggers.webhooks.received import check_headers, read_body, without_body
from triggers.webhooks.refusal import Refused

logger = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST")
_WORDS = {
    "waiting": "This link waits for one call: POST the answer to it.",
    "taken": "A call has come over this link already.",
    "gone": "Nobody waits for this link any more.",
}


@csrf_exempt
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """Take the call, or say what has become of the link."""
    try:
        response = _receive(request, token)
    except Refused as refused:
        response = answers.refused(refused)
    except SegueError as error:
        problem = describe(error)
        assert problem is not None, "Every error of Segue's own has a description."  # noqa: S101
        response = JsonResponse(problem.as_json(), status=problem.status, headers=problem.headers)
    except AnyDatabaseError:
        logger.exception("A callback could not be taken.")
        response = answers.unavailable("The call could not be stored. Send it again.")
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex"
    return response


def _receive(request: HttpRequest, token: str) -> HttpResponse:
    link = links.find_callback(token)
    if request.method not in METHODS:
        raise Refused(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "POST the answer to this link. GET says whether it still waits.",
            headers={"Allow": ", ".join(METHODS)},
        )
    if request.method != "POST":
        state = links.state_of(link)
        status = HTTPStatus.GONE if state == "gone" else HTTPStatus.OK
        return JsonResponse({"status": state, "message": _WORDS[state]}, status=status)
    received = without_body(request, timezone.now())
    check_headers(received.headers)
    links.refuse_unproven(link, received.headers)
    body = read_body(request)
    call = links.Call(
        method=received.method,
        headers=_public(received.headers, links.private_header(link)),
        query=bodies.form(received.query_string),
        body=bodies.read(body, received.headers.get("content-type", "")),
        digest=hashlib.sha256(received.query_string.encode() + b"\n" + body).hexdigest(),
        received_at=received.received_at,
    )
    is_first = links.take_call(link, call)
    return JsonResponse({"status": "taken", "is_duplicate": not is_first})


def _public(headers: Mapping[str, str], private: str | None) -> dict[str, str]:
    hidden = always_private() | {private}
    return {name: value for name, value in headers.items() if name not in hidden}
