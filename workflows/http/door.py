"""The door."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakSet

import httpcore2
from django.utils import timezone

from workflows.http import asks, urls
from workflows.http.addresses import parse_ranges
from workflows.http.asks import Ask
from workflows.http.calls import Call, Cancel
from workflows.http.decoding import Enough, decoded, until
from workflows.http.errors import (
    ConnectionLost,
    DoorError,
    HostNotAllowed,
    ProtocolBroken,
    TooLarge,
    TooManyRedirects,
)
from workflows.http.gates import Gate, Postponed, current_gate
from workflows.http.network import CheckedBackend, Resolver, system_resolver
from workflows.http.replies import Reply, Streamed, read_headers
from workflows.http.retry_after import asked_to_wait
from workflows.http.secrets import check_host

TIMEOUT_SECONDS = 30.0
MAX_TIMEOUT_SECONDS = 300.0
MAX_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
IDLE_CONNECTIONS = 20
IDLE_SECONDS = 30.0


class Door:
    """The only way to the outside. One for a process is enough: threads share it, and it survives a fork.

    :param allowed_ranges: ranges, such as ``10.1.0.0/16``, that may be called although they are not public.
    :param resolver: turns a host's name into its addresses.
    :param ssl_context: whom to trust; the system's authorities (or ``SSL_CERT_FILE``) when none is given.
    :raises ValueError: if a range is none.
    """

    def __init__(
        self,
        *,
        allowed_ranges: Iterable[str] = (),
        resolver: Resolver = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._backend = CheckedBackend(resolver, parse_ranges(allowed_ranges))
        self._ssl_context = ssl_context or httpcore2.default_ssl_context()
        self._pool = self._new_pool()
        _doors.add(self)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = TIMEOUT_SECONDS,
        follow_redirects: bool = True,
        max_bytes: int = MAX_BYTES,
        allowed_hosts: Iterable[str] | None = None,
        cancel: Cancel | None = None,
        is_enough: Enough | None = None,
    ) -> Reply:
        """Make a call and return the answer, whatever its status.

        :param timeout: seconds for everything together: look-up, connecting, redirects, the last byte of the answer.
        :param max_bytes: how large the decoded body may be.
        :param allowed_hosts: the only hosts that may be called, redirects included: names, or ``*.name`` for all below.
            The hosts of secrets that were filled in (:mod:`workflows.http.secrets`) hold in any case.
        :param cancel: lets other threads abandon the call; without one, that of :func:`abandonable` holds.
        :param is_enough: is told each piece of the body; once it says so, the rest is not waited for.
        :raises DoorError: if there is no complete answer.
        :raises Cancelled: if the call was abandoned.
        :raises Postponed: if the gate that this thread calls through says so.
        """
        with self.stream(
            method,
            url,
            headers=headers,
            content=content,
            timeout=timeout,
            follow_redirects=follow_redirects,
            max_bytes=max_bytes,
            allowed_hosts=allowed_hosts,
            cancel=cancel,
        ) as streamed:
            pieces = streamed.pieces if is_enough is None else until(is_enough, streamed.pieces)
            return Reply(streamed.status, streamed.headers, b"".join(pieces), streamed.url)

    @contextlib.contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float = TIMEOUT_SECONDS,
        follow_redirects: bool = True,
        max_bytes: int = MAX_BYTES,
        allowed_hosts: Iterable[str] | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[Streamed]:
        """Make a call and hand its answer to the block as it comes: its status and headers first, then piece by piece.

        Everything is as :meth:`request` has it, and the limits hold until the block is done with the body. What the block
        leaves unread is not waited for. The block may be left in another context than it was entered in, and so fits below
        an event loop.

        :raises DoorError: also out of :attr:`Streamed.pieces`.
        :raises Cancelled: likewise.
        :raises Postponed: if the gate that this thread calls through says so.
        """
        if not 0 < timeout <= MAX_TIMEOUT_SECONDS:
            raise ValueError(f"timeout is {timeout:g}; it must be above 0 and at most {MAX_TIMEOUT_SECONDS:g} seconds.")
        ask = asks.build(method, url, headers or {}, content)
        hosts = None if allowed_hosts is None else tuple(allowed_hosts)
        call, may_be_repeated = Call(timeout, cancel), True
        for _ in range(MAX_REDIRECTS + 1):
            _check_host(ask, hosts)
            host, gate = urls.ascii_host(ask.url), current_gate()
            with _passing(gate, host, call, is_put_off=may_be_repeated), self._answer(ask, call) as response:
                answer_headers = read_headers(response)
                if wait := asked_to_wait(response.status, answer_headers, now=timezone.now()):
                    gate.asked_to_wait(host, seconds=wait)
                if not (follow_redirects and asks.is_redirect(response.status, answer_headers)):
                    body = decoded(
                        response.iter_stream(), answer_headers.get("content-encoding", ""), max_bytes=max_bytes
                    )
                    yield Streamed(response.status, answer_headers, _pieces(body, call), str(ask.url))
                    return
                may_be_repeated = may_be_repeated and ask.method in asks.IDEMPOTENT
                ask = asks.redirected(ask, response.status, answer_headers["location"])
        raise TooManyRedirects(f"The answers redirect more than {MAX_REDIRECTS} times.")

    def addresses(self, host: str, port: int, *, timeout: float = TIMEOUT_SECONDS) -> Sequence[str]:
        """Return the addresses at which a client of another protocol may dial a host: looked up once, and checked.

        It must dial these and not look the name up again. How its waits end is for :func:`workflows.http.waits.bounded`.

        :raises DoorError: if there is none, or if one of them is refused, or if a secret that was filled in may not go there.
        :raises Cancelled: if the call was abandoned.
        """
        check_host(urls.one_form(host))
        return self._backend.addresses(host, port, Call(timeout, None))

    def close(self) -> None:
        """Close all connections. Calls under way fail; later ones connect anew."""
        self._pool.close()

    @contextlib.contextmanager
    def _answer(self, ask: Ask, call: Call) -> Iterator[httpcore2.Response]:
        """Send a request; the block reads its answer, after which the connection is kept or closed."""
        with _in_own_words(call), call.under_way():
            response = self._send(ask, call)
        try:
            yield response
        finally:
            with _in_own_words(call), call.under_way():
                _drop_what_is_left(response)
                response.close()

    def _send(self, ask: Ask, call: Call) -> httpcore2.Response:
        while True:
            call.begin_request()
            call.remaining()
            try:
                return self._pool.handle_request(ask.to_httpcore())
            except (httpcore2.NetworkError, httpcore2.RemoteProtocolError):
                # A kept connection that the other side closed just now. It is out of the pool; each turn has one less.
                was_stale = not call.has_connected and not call.has_received
                if not was_stale or ask.method not in asks.IDEMPOTENT:
                    raise

    def _new_pool(self) -> httpcore2.ConnectionPool:
        return httpcore2.ConnectionPool(
            ssl_context=self._ssl_context,
            # Callers are bounded by their threads; a call must never wait for another one's connection.
            max_connections=None,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._backend,
        )

    def _start_afresh(self) -> None:
        """In a forked child: let go of the parent's connections, without a word to the servers."""
        # Not ``pool.close()``: its lock may have been held by a thread that does not exist here.
        for connection in self._pool.connections:
            connection.close()
        self._pool = self._new_pool()


def _check_host(ask: Ask, allowed_hosts: tuple[str, ...] | None) -> None:
    host = urls.ascii_host(ask.url)
    if allowed_hosts is not None and not any(urls.host_matches(host, pattern) for pattern in allowed_hosts):
        raise HostNotAllowed(f"This call may only go to {', '.join(allowed_hosts) or 'no host at all'}.")
    check_host(host)


@contextlib.contextmanager
def _passing(gate: Gate, host: str, call: Call, *, is_put_off: bool) -> Iterator[None]:
    """Let one request of a call out when its turn comes.

    :param is_put_off: whether the call may be put off, and so be made again from its beginning. One that may have changed something
        already waits for its turn here, as long as it may take.
    """
    with contextlib.ExitStack() as passed:
        while True:
            try:
                passed.enter_context(gate.passing(host, seconds=call.remaining()))
                break
            except Postponed as later:
                if is_put_off:
                    raise
                call.wait(later.seconds)
        yield


def _drop_what_is_left(response: httpcore2.Response) -> None:
    """Close a connection on which more came than the answer: it would be taken for the beginning of the next one's.

    Servers send it where there is no body, as after HEAD, or one that is longer than they said.
    """
    stream: Any = response.stream
    # What the parser has and nobody will read; the library shows it nowhere.
    left, _ = stream._stream._connection._h11_state.trailing_data
    if left:
        response.extensions["network_stream"].close()


def _pieces(body: Iterator[bytes], call: Call) -> Iterator[bytes]:
    """Yield a body. What makes it the thread's call holds only while a piece is waited for: between them the thread is free."""
    while True:
        with _in_own_words(call), call.under_way():
            piece = next(body, None)
        if piece is None:
            return
        yield piece


@contextlib.contextmanager
def _in_own_words(call: Call) -> Iterator[None]:
    """Raise what goes wrong below in the door's own words; a library's words may quote what must not be shown."""
    try:
        yield
    except (httpcore2.NetworkError, httpcore2.ProtocolError) as error:
        call.remaining()
        raise _door_error(error, call) from error


def _door_error(error: Exception, call: Call) -> DoorError:
    # The parser below (h11) marks endless headers with the status that a server would answer.
    if any(getattr(cause, "error_status_hint", None) == 431 for cause in error.args):
        return TooLarge("The answer's headers are too large.")
    if call.was_closed or isinstance(error, httpcore2.NetworkError):
        return ConnectionLost("The host closed the connection before its answer was complete.")
    return ProtocolBroken("The host's answer is not valid HTTP.")


_doors: WeakSet[Door] = WeakSet()


def _start_all_afresh() -> None:
    for door in _doors:
        door._start_afresh()


os.register_at_fork(after_in_child=_start_all_afresh)
