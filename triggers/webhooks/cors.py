"""Calls from web pages (CORS, as in the Fetch standard). What a page may do is in the trigger node; credentials never are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.http import HttpResponse

from workflows.nodes.trigger.webhook import Cors

ANY = "*"
# How long a browser may remember what it was told: short enough that a new version counts soon.
MAX_AGE_SECONDS = 600
# What a page may read of an answer besides what every page may.
READABLE = "Retry-After"


def open_to(response: HttpResponse, cors: Cors, origin: str | None) -> None:
    """Let the page that asked read an answer, if its origin is one that may call."""
    _vary(response, cors)
    if (allowed := _allowed(cors, origin)) is not None:
        response["Access-Control-Allow-Origin"] = allowed
        response["Access-Control-Expose-Headers"] = READABLE


def answer_preflight(response: HttpResponse, cors: Cors, methods: Sequence[str], headers: Mapping[str, str]) -> None:
    """Say in the answer to OPTIONS what a page may send, if it asks and its origin is one that may call."""
    _vary(response, cors)
    allowed = _allowed(cors, headers.get("origin"))
    if allowed is None or "access-control-request-method" not in headers:
        return
    response["Access-Control-Allow-Origin"] = allowed
    response["Access-Control-Allow-Methods"] = ", ".join(methods)
    response["Access-Control-Max-Age"] = str(MAX_AGE_SECONDS)
    if cors.headers:
        response["Access-Control-Allow-Headers"] = ", ".join(cors.headers)


def _allowed(cors: Cors, origin: str | None) -> str | None:
    if origin is None:
        return None
    if ANY in cors.origins:
        return ANY
    return origin if origin in cors.origins else None


def _vary(response: HttpResponse, cors: Cors) -> None:
    if ANY not in cors.origins:
        response["Vary"] = "Origin"
