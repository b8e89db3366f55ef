"""From the arguments of ``http.request`` to a call through the door: here the secrets are filled in, and nowhere else."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping

from workflows.http import Reply, bodies
from workflows.http.configured import configured_door
from workflows.http.hops import HOPS_HEADER
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
    Values,
)


def send(arguments: RequestArguments, secrets: Secrets, context: Context) -> Reply:
    """Make the call.

    :raises DoorError: if there is no answer.
    :raises NodeError: if the call cannot be made from these arguments, or not in time.
    """
    headers = {
        name: secrets.fill(_text(value)) for name, value in arguments.headers.items() if value is not None
    } | _auth_headers(arguments.auth, secrets)
    headers = {name: value for name, value in headers.items() if name.lower() != HOPS_HEADER}
    headers[HOPS_HEADER] = str(context.hops + 1)
    given = {name.lower() for name in headers}
    if arguments.method not in READING_METHODS and "idempotency-key" not in given:
        headers["Idempotency-Key"] = context.idempotency_key
    content = _content(arguments, secrets)
    if content and "content-type" not in given:
        headers["Content-Type"] = content.media_type
    return configured_door().request(
        arguments.method,
        _url(arguments, secrets),
        headers=headers,
        content=content.data if content else b"",
        timeout=_seconds(arguments, context),
        follow_redirects=arguments.follow_redirects,
    )


def _url(arguments: RequestArguments, secrets: Secrets) -> str:
    pairs = list(_pairs(secrets.fill(arguments.query)))
    if isinstance(arguments.auth, QueryAuth):
        pairs.append((arguments.auth.name, secrets.fill(arguments.auth.value)))
    return bodies.with_query(secrets.fill(arguments.url), pairs)


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


def _content(arguments: RequestArguments, secrets: Secrets) -> bodies.Content | None:
    """Return the body, if there is one.

    :raises NodeError: if it cannot be made.
    """
    try:
        match arguments.bodies_given():
            case ["json"]:
                return bodies.json_content(secrets.fill(arguments.json_))
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
