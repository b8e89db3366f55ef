"""From the arguments of ``http.request`` to a call through the door: here the secrets are filled in, and nowhere else."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.utils import timezone

from workflows.http import DoorError, Reply, bodies, pointers
from workflows.http.asks import harmless
from workflows.http.configured import configured_door
from workflows.http.grants import HIDDEN, Grant
from workflows.http.hops import HOPS_HEADER
from workflows.http.oauth import MAX_REPLY_BYTES, Token, TokenRefused, read_token, shared_cache
from workflows.http.retry_after import retry_after_seconds
from workflows.http.secrets import Secrets
from workflows.nodes.base import Context, NodeError
from workflows.tools.http_request.arguments import (
    READING_METHODS,
    Auth,
    BasicAuth,
    BearerAuth,
    HeaderAuth,
    Part,
    QueryAuth,
    RequestArguments,
    Scalar,
    TokenAuth,
    Values,
)
from workflows.tools.http_request.granting import granted

# The server says "later" or is not well; everything else will be answered the same way again.
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
UNAUTHORIZED = 401
MAX_REFUSAL_CHARS = 500


@dataclass(frozen=True)
class Place:
    """Which page of a list to ask for.

    :param number: from 1.
    :param url: where an answer said that it is; not with what the arguments say of the query.
    :param mark: what ``pagination.parameter`` is to be; nothing, if it is ``None``.
    :param is_trusted: whether it is asked for at the origin that the author named, so that credentials may go along.
    """

    number: int = 1
    url: str | None = None
    mark: Any = None
    is_trusted: bool = True


ONLY = Place()


def send(arguments: RequestArguments, secrets: Secrets, context: Context, place: Place = ONLY) -> Reply:
    """Make the call.

    :raises DoorError: if there is no answer.
    :raises NodeError: if the call cannot be made from these arguments, or not in time.
    """
    auth = arguments.auth
    if not isinstance(auth, TokenAuth) or not place.is_trusted:
        return _call(arguments, secrets, context, place, _auth_headers(auth, secrets) if place.is_trusted else {})
    grant = granted(auth, arguments, secrets)
    token, was_there = _token(grant, arguments, secrets, context)
    reply = _call(arguments, secrets, context, place, {"Authorization": f"Bearer {token}"})
    if reply.status != UNAUTHORIZED or not was_there:
        return reply
    # It may have been revoked, or been good for less than was said.
    token, _ = _token(grant, arguments, secrets, context, instead_of=token)
    return _call(arguments, secrets, context, place, {"Authorization": f"Bearer {token}"})


def _call(
    arguments: RequestArguments, secrets: Secrets, context: Context, place: Place, auth: Mapping[str, str]
) -> Reply:
    headers = {name: secrets.fill(_text(value)) for name, value in arguments.headers.items() if value is not None}
    headers = {name: value for name, value in {**headers, **auth}.items() if name.lower() != HOPS_HEADER}
    given = {name.lower() for name in headers}
    if arguments.method not in READING_METHODS and "idempotency-key" not in given:
        # Each page is a call of its own: with one key for all, the second would be answered as the first.
        page = f":page-{place.number}" if place.number > 1 else ""
        headers["Idempotency-Key"] = f"{context.idempotency_key}{page}"
    content = _content(arguments, secrets, place)
    if content and "content-type" not in given:
        headers["Content-Type"] = content.media_type
    if not place.is_trusted:
        headers = harmless(headers)
    headers[HOPS_HEADER] = str(context.hops + 1)
    return configured_door().request(
        arguments.method,
        _url(arguments, secrets, place),
        headers=headers,
        content=content.data if content else b"",
        timeout=_seconds(arguments, context),
        follow_redirects=arguments.follow_redirects,
    )


def first_url(arguments: RequestArguments, secrets: Secrets) -> str:
    """Return the URL that the author named, with secrets filled in: for the door, and to compare with."""
    url: str = secrets.fill(arguments.url)
    return url


def without_key(arguments: RequestArguments, place: Place) -> Place:
    """Return a page's place without the key that is put into its URL with each request anyway."""
    if place.url is None or not place.is_trusted or not isinstance(arguments.auth, QueryAuth):
        return place
    return replace(place, url=bodies.with_query(place.url, [], replacing=[arguments.auth.name]))


def _url(arguments: RequestArguments, secrets: Secrets, place: Place) -> str:
    auth = arguments.auth
    own = [(auth.name, secrets.fill(auth.value))] if isinstance(auth, QueryAuth) else []
    if place.url is not None:
        # Whether the answer repeats the key or leaves it out, it is there once.
        return bodies.with_query(place.url, own, replacing=[name for name, _ in own]) if place.is_trusted else place.url
    pairs = [*_pairs(secrets.fill(arguments.query)), *own]
    name = getattr(arguments.pagination, "parameter", None)
    if name is None or place.mark is None or getattr(arguments.pagination, "send_in", "") != "query":
        return bodies.with_query(first_url(arguments, secrets), pairs)
    pairs = [pair for pair in pairs if pair[0] != name]
    return bodies.with_query(first_url(arguments, secrets), [*pairs, (name, _text(place.mark))], replacing=[name])


def _auth_headers(auth: Auth | None, secrets: Secrets) -> dict[str, str]:
    match auth:
        case BasicAuth():
            pair = f"{secrets.fill(auth.username)}:{secrets.fill(auth.password)}"
            token = base64.b64encode(pair.encode(errors="replace")).decode("ascii")
            return {"Authorization": f"Basic {token}"}
        case BearerAuth():
            return {"Authorization": f"Bearer {secrets.fill(auth.token)}"}
        case HeaderAuth():
            return {auth.name: secrets.fill(auth.value)}
    return {}


# --- OAuth 2.0 ----------------------------------------------------------------------------------------------------------


def _token(
    grant: Grant, arguments: RequestArguments, secrets: Secrets, context: Context, *, instead_of: str = ""
) -> tuple[str, bool]:
    """Return an access token, and whether it was there already.

    :raises NodeError: if none is to be had.
    """
    seconds = _seconds(arguments, context)
    try:
        token, was_there = shared_cache().get(
            grant.key(context.project_id),
            lambda: _fetched(grant, arguments, secrets, seconds),
            instead_of=instead_of,
            timeout=seconds,
        )
    except TimeoutError as error:
        message = f"{arguments.described}: another call that fetches the same token took too long."
        raise NodeError("timeout", message, retryable=True) from error
    secrets.remember(token)
    return token, was_there


def _fetched(grant: Grant, arguments: RequestArguments, secrets: Secrets, seconds: float) -> Token:
    reply: Reply | None = None
    try:
        form = grant.form(timezone.now())
        for name, value in form:
            if name in HIDDEN and value:
                secrets.remember(value)
        asked_at = time.monotonic()
        reply = configured_door().request(
            "POST",
            grant.token_url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **grant.headers(),
            },
            content=bodies.form_content(pair for pair in form if pair[1]).data,
            timeout=seconds,
            follow_redirects=False,
            max_bytes=MAX_REPLY_BYTES,
        )
        token = read_token(reply, asked_at=asked_at)
        grant.check(token)
    except DoorError as error:
        message = f"{arguments.described}: no token to be had: {error.message}"
        raise NodeError(error.code, message, retryable=error.retryable) from error
    except TokenRefused as refused:
        status = reply.status if reply else None
        is_later = status in RETRYABLE_STATUSES
        # What did not come from the endpoint says itself what to do; and what passes is no matter of `auth`.
        advice = "" if is_later or status in (None, 200) else f" {grant.advice}"
        raise NodeError(
            "oauth_unavailable" if is_later else "oauth_refused",
            f"{arguments.described}: {secrets.mask(refused.message)[:MAX_REFUSAL_CHARS]}{advice}",
            retryable=is_later,
            retry_after=retry_after_seconds(reply.headers.get("retry-after", ""), now=timezone.now())
            if reply
            else None,
            details={"status": status},
        ) from refused
    return token


# --- Bodies -------------------------------------------------------------------------------------------------------------


def _content(arguments: RequestArguments, secrets: Secrets, place: Place) -> bodies.Content | None:
    """Return the body, if there is one.

    :raises NodeError: if it cannot be made.
    """
    try:
        match arguments.bodies_given():
            case ["json"]:
                return bodies.json_content(_marked(secrets.fill(arguments.json_), arguments, place))
            case ["form"]:
                return bodies.form_content(_pairs(secrets.fill(arguments.form)))
            case ["text"]:
                return bodies.text_content(secrets.fill(arguments.text))
            case ["base64"]:
                return bodies.Content(_bytes(arguments.base64 or ""), "application/octet-stream")
            case ["multipart"]:
                return bodies.multipart_content([_part(part, secrets) for part in arguments.multipart or []])
    except ValueError as error:
        raise NodeError("invalid_arguments", f"{arguments.described}: the body cannot be sent: {error}") from error
    return None


def _marked(value: Any, arguments: RequestArguments, place: Place) -> Any:
    """Return a JSON body with the mark of a page in its place.

    :raises ValueError: if there is no such place.
    """
    if place.mark is None or getattr(arguments.pagination, "send_in", "") != "json":
        return value
    parameter: str = getattr(arguments.pagination, "parameter", "")
    path = pointers.keys(parameter) if parameter.startswith("/") else [parameter]
    try:
        return pointers.placed(value, path, place.mark)
    except ValueError as error:
        raise ValueError(f"`pagination.parameter` is {parameter}, and {error}.") from error


def _part(part: Part, secrets: Secrets) -> bodies.Part:
    data = _bytes(part.base64) if part.base64 is not None else secrets.fill(part.text).encode(errors="replace")
    return bodies.Part(part.name, data, secrets.fill(part.filename), part.content_type)


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("`base64` is not valid base64.") from error


def _pairs(values: Mapping[str, Values]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield name, _text(item)


def _text(value: Scalar) -> str:
    """Return a value as JavaScript would write it, for that is what its author thinks in."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _seconds(arguments: RequestArguments, context: Context) -> float:
    left = context.seconds_left
    if left <= 0:
        raise NodeError("timeout", f"{arguments.described}: the node's time was over before the call.", retryable=True)
    return min(arguments.timeout_seconds, left)
