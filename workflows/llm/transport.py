"""The wire below the providers' client libraries: our own door, and nothing else of theirs.

The libraries write bodies and read answers. Which headers go out, where to, how long it may take and how it ends is decided
here; so what they find in the environment (keys, addresses, proxies, headers) has no effect, whatever they make of it.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import NoReturn, Self

import httpx2

from workflows.http import MAX_TIMEOUT_SECONDS, Cancelled, DoorError, Postponed, Streamed
from workflows.http.configured import configured_door
from workflows.http.errors import TimedOut
from workflows.llm.requests import ModelRequest

MAX_ANSWER_BYTES = 20 * 1024 * 1024

# What a library says of its body and its protocol. Everything else it adds tells of this machine, or comes from its environment.
_CARRIED = frozenset({"accept", "content-type", "anthropic-version"})
_BETA = "anthropic-beta"
# The body comes decoded, in pieces; and nobody keeps cookies.
_OF_THE_WIRE = frozenset(
    {"connection", "content-encoding", "content-length", "keep-alive", "set-cookie", "transfer-encoding"}
)
_TAIL_BYTES = 64
_SAYING_NOTHING = frozenset({"application/octet-stream", "text/plain"})


class DoorTransport(httpx2.AsyncBaseTransport):
    """Carries the requests of one model call. As a context, it lets go of the connection at its end.

    It waits in the thread that calls, without giving the event loop a turn: the loop is that call's own, and has nothing else
    to do. So the contexts of that thread hold, and a cancel ends a wait at once.

    :ivar failure: why no answer came, or no whole one; the library's error is made of this.
    :ivar status: of the answer, as soon as there is one; 0 before.
    """

    def __init__(self, request: ModelRequest, *, seconds: float) -> None:
        self.failure: Exception | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self._request = request
        self._until = time.monotonic() + min(seconds, MAX_TIMEOUT_SECONDS)
        self._seconds = seconds
        self._tail = b""
        self._asked = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream of events, which may end early without a sign from HTTP."""
        return self.content_type == "text/event-stream"

    @property
    def is_understandable(self) -> bool:
        """Whether the answer says that it is what models answer with, or does not say what it is."""
        kind = self.content_type
        return not kind or self.is_stream or kind in _SAYING_NOTHING or kind.endswith(("/json", "+json", "ndjson"))

    @property
    def content_type(self) -> str:
        """What the answer says it is, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def ends_as_done(self) -> bool:
        """Whether the last that came is the mark with which OpenAI's protocol ends a stream."""
        return self._tail.rstrip().endswith(b"[DONE]")

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send what a library wrote, and return the beginning of the answer.

        :raises TransportError: if there is none; :attr:`failure` says why.
        """
        self._open.close()
        self._asked += 1
        content = await request.aread()
        try:
            left = self._until - time.monotonic()
            if left <= 0:
                raise TimedOut(f"No complete answer came within {self._seconds:g} seconds.")
            streamed = self._open.enter_context(
                configured_door().stream(
                    request.method,
                    str(request.url),
                    headers=self._headers(request),
                    content=content,
                    timeout=left,
                    # The body would go to a place that nobody named.
                    follow_redirects=False,
                    max_bytes=MAX_ANSWER_BYTES,
                )
            )
        except (DoorError, Cancelled, Postponed) as error:
            self._fail(error)
        self.status, self.headers = streamed.status, dict(streamed.headers)
        headers = [(name, value) for name, value in self.headers.items() if name not in _OF_THE_WIRE]
        return httpx2.Response(streamed.status, headers=headers, stream=_Body(self._pieces(streamed)))

    def _headers(self, request: httpx2.Request) -> dict[str, str]:
        ours = self._request
        headers = {name: value for name, value in request.headers.items() if name in _CARRIED}
        if ours.api_key and ours.provider == "anthropic":
            headers["x-api-key"] = ours.api_key
        elif ours.api_key:
            headers["authorization"] = f"Bearer {ours.api_key}"
        if ours.idempotency_key:
            # A library that asks once more does so with another body: under the same key, that would be a conflict.
            again = f":{self._asked}" if self._asked > 1 else ""
            headers["idempotency-key"] = f"{ours.idempotency_key}{again}"
        given = {name.lower(): value for name, value in ours.headers.items()}
        if betas := ", ".join(filter(None, (request.headers.get(_BETA), given.pop(_BETA, "")))):
            headers[_BETA] = betas
        return {**headers, **given}

    def _pieces(self, streamed: Streamed) -> Iterator[bytes]:
        try:
            for piece in streamed.pieces:
                self._tail = (self._tail + piece)[-_TAIL_BYTES:]
                yield piece
        except (DoorError, Cancelled, Postponed) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> NoReturn:
        """Raise an error in a kind that the libraries know; they wrap others in ways of their own."""
        self.failure = error
        raise httpx2.TransportError("There is no answer.") from error


class _Body(httpx2.AsyncByteStream):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


def client(transport: DoorTransport) -> httpx2.AsyncClient:
    """Return a client for a provider's library that has no other way out than this."""
    return httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=False, timeout=None)
