"""MCP over HTTP, through the door: each message is a POST; its answer is JSON, or a stream of events that holds one."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from django.utils import timezone

from workflows.http import DoorError, Postponed, Reply
from workflows.http.configured import configured_door
from workflows.http.retry_after import retry_after_seconds
from workflows.nodes.base import NodeError
from workflows.tools.mcp.messages import MAX_BYTES, Answer, EventStream, answer_in, read

RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
# With these a server says that it knows no such message: it may be of the other era.
STATUSES_OF_ANSWERS = frozenset({*range(200, 300), 400, 404, 405, 406, 415, 422})
# What it says to who names a session that it does not have, or has no more: a new one is to be begun.
NO_SUCH_SESSION = 404
LEAVING_SECONDS = 2.0
_HEADER_SAFE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")
_SESSION = re.compile(r"[\x21-\x7e]{1,1000}")


class HttpTransport:
    """One server at a URL.

    :param headers: go with every message.
    :param left: how many seconds there still are.
    """

    speaks_http = True

    def __init__(self, url: str, headers: Mapping[str, str], *, left: Callable[[], float]) -> None:
        self._url = url
        self._headers = {
            **headers,
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
        }
        self._left = left
        self._session: dict[str, str] = {}
        self._version: dict[str, str] = {}

    def ask(self, message: Mapping[str, Any], headers: Mapping[str, str], *, seconds: float | None = None) -> Answer:
        """Send a request and return its answer.

        :raises NodeError: ``http_status`` if the server refuses the call itself; ``mcp_broken``; ``connection_lost`` if a stream ends
            without an answer, or the server has ended the session; else the door's own code.
        """
        awaited: int = message["id"]
        stream = EventStream()
        events: list[Any] = []

        def is_enough(piece: bytes) -> bool:
            # The stream may stay open after the answer. In a body that is JSON there are no events.
            came = [read(data) for data in stream.feed(piece) if data]
            events.extend(came)
            return answer_in(came, awaited, status=200, headers={}) is not None

        reply = self._post(message, headers, is_enough=is_enough)
        if reply.status == NO_SUCH_SESSION and self._session:
            raise NodeError("connection_lost", "The MCP server has ended the session.", retryable=True)
        if reply.status not in STATUSES_OF_ANSWERS:
            raise _status_error(reply)
        is_stream = reply.headers.get("content-type", "").lower().startswith("text/event-stream")
        answer = answer_in(
            events if is_stream else _messages(reply), awaited, status=reply.status, headers=reply.headers
        )
        if answer is None and is_stream and reply.status < 300:
            raise NodeError("connection_lost", "The MCP server ended its stream without an answer.", retryable=True)
        return answer or Answer(status=reply.status, headers=reply.headers)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a notification.

        :raises NodeError: ``http_status`` if the server does not take it; else the door's own code.
        """
        reply = self._post(message, {})
        if not 200 <= reply.status < 300:
            raise _status_error(reply)

    def settle(self, version: str, first: Answer) -> None:
        """Keep what a handshake has settled: the version, and the session, if the server has given one."""
        self._version = {"MCP-Protocol-Version": version}
        session = first.headers.get("mcp-session-id", "")
        if session and not _SESSION.fullmatch(session):
            raise NodeError("mcp_broken", "The MCP server's session id holds what no header may.")
        self._session = {"Mcp-Session-Id": session} if session else {}

    def close(self) -> None:
        """End the session, if there is one. The server need not allow that."""
        if self._session:
            # Nor need it have a turn for that: put off, the call would be made again for it.
            with contextlib.suppress(DoorError, NodeError, Postponed):
                headers = {**self._headers, **self._version, **self._session}
                configured_door().request(
                    "DELETE", self._url, headers=headers, timeout=min(LEAVING_SECONDS, self._left())
                )

    def _post(
        self,
        message: Mapping[str, Any],
        headers: Mapping[str, str],
        *,
        is_enough: Callable[[bytes], bool] | None = None,
    ) -> Reply:
        try:
            return configured_door().request(
                "POST",
                self._url,
                headers={**self._headers, **self._version, **self._session, **headers},
                content=orjson.dumps(message),
                timeout=self._left(),
                max_bytes=MAX_BYTES,
                is_enough=is_enough,
            )
        except DoorError as error:
            raise NodeError(error.code, f"The MCP server: {error.message}", retryable=error.retryable) from error


def header_value(value: str) -> str:
    """Return a text as it may stand in a header of the protocol's own: in base64, if it could not stand there as it is."""
    if _HEADER_SAFE.fullmatch(value) and not (value.startswith("=?base64?") and value.endswith("?=")):
        return value
    return f"=?base64?{base64.b64encode(value.encode(errors='replace')).decode('ascii')}?="


def _messages(reply: Reply) -> list[Any]:
    if not reply.body.strip():
        return []
    try:
        message = read(reply.body)
    except NodeError:
        if reply.status < 300:
            raise
        return []  # A page that says that something is wrong.
    return message if isinstance(message, list) else [message]


def _status_error(reply: Reply) -> NodeError:
    hint = " Look at the token and the headers." if reply.status in (401, 403) else ""
    return NodeError(
        "http_status",
        f"The MCP server answered with status {reply.status}.{hint}",
        retryable=reply.status in RETRYABLE_STATUSES,
        retry_after=retry_after_seconds(reply.headers.get("retry-after", ""), now=timezone.now()),
        details={"status": reply.status},
    )
