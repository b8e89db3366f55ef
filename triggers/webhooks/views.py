"""The public endpoint, ``/webhooks/<path>``: a plain Django view, no session, no CSRF, no REST framework.

The order of things: address, method, size of the headers, hops, rate, body, proof, content, then one commit, then the
answer. A 2xx says that the commit happened; whatever goes wrong before it is a 4xx, or a 503 that says "again".
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from django.db import Error as AnyDatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from projects.exceptions import Unavailable
from triggers import services
from triggers.models import WebhookRegistration
from triggers.webhooks import answers, checks, handshakes, rate_limit, routes
from triggers.webhooks.received import Received, check_headers, read_body, without_body
from triggers.webhooks.refusal import Refused
from triggers.webhooks.routes import Route
from triggers.webhooks.waiting import end_of, end_within
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.nodes.trigger.webhook_handshake import HubHandshake

logger = logging.getLogger(__name__)

# What a path can be (as the trigger node has it); everything else is nowhere. One slash more at the end does no harm.
_PATH = re.compile(r"(?P<path>[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)/?")


@csrf_exempt
def receive(request: HttpRequest, path: str) -> HttpResponse:
    """Receive one delivery."""
    try:
        found = _PATH.fullmatch(path)
        route = routes.find(found["path"]) if found else None
        if route is None:
            return answers.not_found()
        if request.method == "OPTIONS":
            return answers.options(route.registration.methods)
        return _receive(request, route)
    except AnyDatabaseError:
        # Also when the reply to COMMIT is lost: if it did happen, the sender's next try is a duplicate.
        logger.exception("A delivery could not be accepted.", extra={"path": path})
        return answers.unavailable("The delivery could not be stored. Send it again.")
    except Unavailable as error:
        logger.exception("A delivery could not be verified.", extra={"path": path})
        return answers.unavailable(error.message)


def _receive(request: HttpRequest, route: Route) -> HttpResponse:
    now, registration = timezone.now(), route.registration
    options = cast(WebhookTrigger, read_trigger(registration.trigger.config))
    received = without_body(request, now)
    hub = options.handshake if handshakes.is_asked_for(options.handshake, received) else None
    if hub is not None:
        return _shake_hands(registration, hub, received)
    try:
        _check_before_reading(registration, received)
        received = replace(received, body=read_body(request), is_body_complete=True)
        receipt = services.receive_delivery(route, options, received, now=now)
    except Refused as refused:
        if request.method != "HEAD":  # A probe, no delivery.
            services.keep_refused(registration, received, refused)
        return answers.refused(refused)
    if receipt.challenge is not None:
        return answers.challenge(receipt.challenge)
    if receipt.is_duplicate or receipt.execution_id is None:
        return answers.duplicate(receipt.execution_id)
    if options.respond == "accepted":
        return answers.accepted(receipt.execution_id)
    if receipt.execution is not None:
        end = end_of(receipt.execution)
    else:
        end = end_within(receipt.execution_id, options.response_timeout_seconds)
    return answers.finished(end.execution, end.answer) if end else answers.still_running(receipt.execution_id)


def _shake_hands(registration: WebhookRegistration, hub: HubHandshake, received: Received) -> HttpResponse:
    kept = replace(received, query_string=handshakes.without_token(received.query_string), is_body_complete=True)
    try:
        _check_load(registration, received)
        return answers.challenge(services.answer_hub(registration, hub, received, kept=kept))
    except Refused as refused:
        services.keep_refused(registration, kept, refused)
        return answers.refused(refused)


def _check_before_reading(registration: WebhookRegistration, received: Received) -> None:
    if received.method not in registration.methods:
        raise Refused(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"This webhook answers to {', '.join(registration.methods)}.",
            headers={"Allow": answers.allow(registration.methods)},
        )
    _check_load(registration, received)


def _check_load(registration: WebhookRegistration, received: Received) -> None:
    check_headers(received.headers)
    checks.check_hops(received.headers)
    seconds = rate_limit.wait_needed(registration.pk, received.received_at)
    if seconds is not None:
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many",
            f"This webhook is called too often. Try again in {seconds} seconds.",
            retry_after=seconds,
        )
