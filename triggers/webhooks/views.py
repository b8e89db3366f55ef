"""The public endpoint, ``/webhooks/<path>``: a plain Django view, no session, no CSRF, no REST framework.

The order of things: address, caller, method, size of the headers, hops, rate, body, proof, content, then one commit, then the
answer. A 2xx says that the commit happened; whatever goes wrong before it is a 4xx, or a 503 that says "again".
"""

from __future__ import annotations

import logging
from dataclasses import replace
from http import HTTPStatus
from typing import cast

from django.db import Error as AnyDatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from projects.exceptions import Unavailable
from triggers import services
from triggers.webhooks import answers, checks, cors, handshakes, rate_limit, routes
from triggers.webhooks.received import Received, check_headers, read_body, without_body
from triggers.webhooks.refusal import Refused
from triggers.webhooks.routes import Route
from triggers.webhooks.waiting import end_of, end_within
from workflows.nodes.trigger.node import read_trigger
from workflows.nodes.trigger.webhook import WebhookTrigger
from workflows.nodes.trigger.webhook_handshake import HubHandshake

logger = logging.getLogger(__name__)


@csrf_exempt
def receive(request: HttpRequest, path: str) -> HttpResponse:
    """Receive one delivery."""
    try:
        route = routes.find(path, as_sent=request.META.get("RAW_URI", ""))
    except AnyDatabaseError:
        logger.exception("A webhook could not be looked for.", extra={"path": path})
        return answers.unavailable("The delivery could not be stored. Send it again.")
    return answers.not_found() if route is None else _answer(request, route)


@csrf_exempt
def receive_test(request: HttpRequest, token: str, path: str) -> HttpResponse:
    """Receive one delivery to a test URL, which the draft answers."""
    now = timezone.now()
    test = services.find_test(token, now=now)
    if test is None:
        return answers.not_found()
    try:
        route = services.route_of_test(test, path, now=now)
    except Refused as refused:
        if request.method not in ("HEAD", "OPTIONS"):
            services.keep_refused(services.no_route(test), without_body(request, now), refused)
        return answers.refused(refused)
    return _answer(request, route)


def _answer(request: HttpRequest, route: Route) -> HttpResponse:
    options = cast(WebhookTrigger, read_trigger(route.registration.trigger.config))
    if request.method == "OPTIONS":
        return _say_what_may_be_sent(request, route, options)
    response = _receive_or_say_again(request, route, options)
    if options.cors is not None:
        cors.open_to(response, options.cors, request.headers.get("Origin"))
    return response


def _say_what_may_be_sent(request: HttpRequest, route: Route, options: WebhookTrigger) -> HttpResponse:
    response = answers.options(route.registration.methods)
    if options.cors is not None:
        asked = {name.lower(): value for name, value in request.headers.items()}
        cors.answer_preflight(response, options.cors, route.registration.methods, asked)
    return response


def _receive_or_say_again(request: HttpRequest, route: Route, options: WebhookTrigger) -> HttpResponse:
    try:
        return _receive(request, route, options)
    except AnyDatabaseError:
        # Also when the reply to COMMIT is lost: if it did happen, the sender's next try is a duplicate.
        logger.exception("A delivery could not be accepted.", extra={"path": route.path})
        return answers.unavailable("The delivery could not be stored. Send it again.")
    except Unavailable as error:
        logger.exception("A delivery could not be verified.", extra={"path": route.path})
        return answers.unavailable(error.message)


def _receive(request: HttpRequest, route: Route, options: WebhookTrigger) -> HttpResponse:
    now = timezone.now()
    received = without_body(request, now)
    hub = options.handshake if handshakes.is_asked_for(options.handshake, received) else None
    if hub is not None:
        return _shake_hands(route, options, hub, received)
    try:
        _check_before_reading(route, options, received)
        body = read_body(request, own_limit=options.max_body_bytes)
        received = replace(received, body=body, is_body_complete=True)
        receipt = services.receive_delivery(route, options, received, now=now)
    except Refused as refused:
        if request.method != "HEAD":  # A probe, no delivery.
            services.keep_refused(route, received, refused)
        return answers.refused(refused)
    if receipt.challenge is not None:
        return answers.challenge(receipt.challenge)
    if receipt.is_filtered:
        return answers.filtered()
    if receipt.is_duplicate or receipt.execution_id is None:
        return answers.duplicate(receipt.execution_id)
    if options.respond == "accepted":
        return answers.accepted(receipt.execution_id)
    by_node = options.respond == "node"
    end = end_of(receipt.execution, by_node=by_node) if receipt.execution is not None else None
    if end is None:
        end = end_within(receipt.execution_id, options.response_timeout_seconds, by_node=by_node)
    if end is None:
        return answers.still_running(receipt.execution_id)
    if end.is_early:
        return answers.given(end.answer or {})
    return answers.finished(end.execution, end.answer)


def _shake_hands(route: Route, options: WebhookTrigger, hub: HubHandshake, received: Received) -> HttpResponse:
    kept = replace(received, query_string=handshakes.without_token(received.query_string), is_body_complete=True)
    try:
        checks.check_address(options.ip_allow, received.ip_address)
        _check_load(route, options, received)
        return answers.challenge(services.answer_hub(route, hub, received, kept=kept))
    except Refused as refused:
        services.keep_refused(route, kept, refused)
        return answers.refused(refused)


def _check_before_reading(route: Route, options: WebhookTrigger, received: Received) -> None:
    registration = route.registration
    checks.check_address(options.ip_allow, received.ip_address)
    if received.method not in registration.methods:
        raise Refused(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "method_not_allowed",
            f"This webhook answers to {', '.join(registration.methods)}.",
            headers={"Allow": answers.allow(registration.methods)},
        )
    _check_load(route, options, received)


def _check_load(route: Route, options: WebhookTrigger, received: Received) -> None:
    check_headers(received.headers)
    checks.check_hops(received.headers)
    if route.test is not None:
        return  # It has no row that remembers its pace; whoever knows it was told it.
    seconds = rate_limit.wait_needed(route.registration.pk, received.received_at, own=options.rate_limit)
    if seconds is not None:
        raise Refused(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many",
            f"This webhook is called too often. Try again in {seconds} seconds.",
            retry_after=seconds,
        )
