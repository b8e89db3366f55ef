"""A request to a webhook as a value, and how it is read: with limits, before anything is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from projects.clients import client_address, client_user_agent
from projects.payloads import storable_text
from triggers.webhooks.refusal import Refused

MAX_HEADERS = 100
MAX_HEADER_BYTES = 16 * 1024
READ_BYTES = 64 * 1024


@dataclass(frozen=True)
class Received:
    """What came in. ``headers`` by lower-cased name; ``body`` is exactly what was sent."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    ip_address: str | None = None
    user_agent: str = ""
    is_body_complete: bool = True


def without_body(request: HttpRequest, now: datetime) -> Received:
    """Return what a request says before its body."""
    return Received(
        method=request.method or "",
        path=storable_text(request.path),
        query_string=storable_text(request.META.get("QUERY_STRING", "")),
        headers=_headers(request.META),
        body=b"",
        received_at=now,
        ip_address=client_address(request),
        user_agent=client_user_agent(request),
        is_body_complete=False,
    )


def _headers(meta: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers of a WSGI environment, by lower-cased name."""
    headers = {key[5:]: value for key, value in meta.items() if key.startswith("HTTP_")}
    headers |= {key: meta[key] for key in ("CONTENT_TYPE", "CONTENT_LENGTH") if meta.get(key)}
    return {storable_text(key.replace("_", "-").lower()): storable_text(str(value)) for key, value in headers.items()}


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that are too many or too long.

    :raises Refused: with 431.
    """
    size = sum(len(name) + len(value) + len(": \r\n") for name, value in headers.items())
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "headers_too_large",
            f"The headers are more than {MAX_HEADERS}, or longer than {MAX_HEADER_BYTES} bytes together.",
        )


def read_body(request: HttpRequest, *, own_limit: int | None = None) -> bytes:
    """Return the request's body, of which never more than the limit is held.

    :param own_limit: the webhook's, in bytes. ``WEBHOOK_MAX_BODY_BYTES`` holds beside it.
    :raises Refused: with 413 if it is longer, whatever its length was said to be; with 400 or 411 if its end can't be told.
    """
    limit = min(own_limit or settings.WEBHOOK_MAX_BODY_BYTES, settings.WEBHOOK_MAX_BODY_BYTES)
    expected = _content_length(request)
    if expected is not None and expected > limit:
        raise _too_large(limit)
    stream = request if expected is not None else _stream_without_length(request)
    body = bytearray()
    while stream is not None and (chunk := _read(stream, min(READ_BYTES, limit + 1 - len(body)))):
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    if expected is not None and len(body) < expected:
        raise _incomplete()
    return bytes(body)


def _read(stream: Any, size: int) -> bytes:
    try:
        chunk: bytes = stream.read(size)
    except Exception:  # Each server has its own for a broken chunk and for a connection that is gone.
        raise _incomplete() from None
    return chunk


def _content_length(request: HttpRequest) -> int | None:
    text = request.META.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise Refused(HTTPStatus.BAD_REQUEST, "content_length_malformed", "Content-Length is not a whole number.")
    return int(text)


def _stream_without_length(request: HttpRequest) -> Any:
    """Return what to read a body from that has no Content-Length, or None if there is no body."""
    if "HTTP_TRANSFER_ENCODING" not in request.META:
        return None
    # Django reads nothing without a length. The server has taken the chunks apart if it says so (as gunicorn does).
    if not request.META.get("wsgi.input_terminated"):
        raise Refused(HTTPStatus.LENGTH_REQUIRED, "length_required", "Send a Content-Length.")
    return request.META["wsgi.input"]


def _too_large(limit: int) -> Refused:
    return Refused(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", f"The body is longer than {limit} bytes, the limit here."
    )


def _incomplete() -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "body_incomplete", "The body is broken, or ended before it was complete.")
