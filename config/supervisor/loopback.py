"""HTTP from this machine to itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

# No proxy from the environment: it would be asked for its own loopback.
_opener = build_opener(ProxyHandler({}))


class NoAnswer(Exception):
    """Nobody answered, or not within the time, or not in HTTP."""


@dataclass(frozen=True)
class Answer:
    """``body`` is the parsed JSON, or None when there is none."""

    status: int
    body: Any


def ask(
    method: str, url: str, *, body: Any = None, headers: dict[str, str] | None = None, timeout_seconds: float = 10
) -> Answer:
    """Send a request with a JSON body, if one is given. Every status is an answer.

    :raises NoAnswer: if there is none.
    """
    data = None if body is None else json.dumps(body).encode()
    request = Request(  # noqa: S310 - the supervisor's own address
        url, data=data, method=method, headers={"Content-Type": "application/json", **(headers or {})}
    )
    try:
        with _opener.open(request, timeout=timeout_seconds) as response:
            return Answer(response.status, _json(response.read()))
    except HTTPError as error:
        with error:
            return Answer(error.code, _json(error.read()))
    except (HTTPException, OSError) as error:
        raise NoAnswer(f"{method} {url}: {error}") from error


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
