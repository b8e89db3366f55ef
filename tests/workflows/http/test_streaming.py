"""An answer that is read while it comes."""

from __future__ import annotations

import contextvars
import gzip
import threading
import time
from contextlib import contextmanager

import pytest

from tests.workflows.http.servers import Answering, Server, read_request, response
from workflows.http import Cancel, Cancelled, through
from workflows.http.errors import (
    AddressRefused,
    ConnectionLost,
    HostNotAllowed,
    ProtocolBroken,
    SecretNotAllowed,
    TimedOut,
    TooLarge,
)
from workflows.http.secrets import FilledIn, Secret, bound_by

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Slow(Server):
    """Sends the head of an answer and its first piece, and the rest when it is told to."""

    def __init__(self, rest: bytes = b"") -> None:
        self.go_on = threading.Event()
        self.was_left = threading.Event()
        self._rest = rest
        super().__init__(self._serve_slowly)

    def _serve_slowly(self, connection, _):
        read_request(connection)
        connection.sendall(CHUNKED + chunk(b"first"))
        if self.go_on.wait(10):
            connection.sendall(self._rest)
        if not connection.recv(1):
            self.was_left.set()


class TestStream:
    def test_gives_each_piece_as_soon_as_it_is_there(self, door):
        with (
            Slow(rest=chunk(b"second") + chunk(b"")) as server,
            door.stream("GET", server.url()) as streamed,
        ):
            assert (streamed.status, streamed.headers["content-type"]) == (200, "text/event-stream")
            assert next(streamed.pieces) == b"first"
            server.go_on.set()
            assert list(streamed.pieces) == [b"second"]

    def test_gives_what_request_gives(self, door):
        with Answering(response(404, gzip.compress(b"Nobody here."), content_encoding="gzip", x_a="1")) as server:
            whole = door.request("GET", server.url())
            with door.stream("GET", server.url()) as streamed:
                body = b"".join(streamed.pieces)

        assert (streamed.status, streamed.headers, streamed.url, body) == (
            whole.status,
            whole.headers,
            whole.url,
            whole.body,
        )
        assert body == b"Nobody here."

    def test_does_not_wait_for_what_nobody_reads(self, door):
        with Slow() as server:
            with door.stream("GET", server.url()) as streamed:
                next(streamed.pieces)
            server.go_on.set()

            assert server.was_left.wait(10)

    def test_keeps_the_connection_of_an_answer_that_was_read_to_its_end(self, door):
        with Answering(response(200, b"ok")) as server:
            for _ in range(2):
                with door.stream("GET", server.url()) as streamed:
                    assert list(streamed.pieces) == [b"ok"]

        assert [received.connection for received in server.received] == [1, 1]

    def test_leaves_the_thread_free_for_other_calls_between_its_pieces(self, door):
        with (
            Slow(rest=chunk(b"second") + chunk(b"")) as slow,
            Answering(response(200, b"other")) as server,
            door.stream("GET", slow.url()) as streamed,
        ):
            next(streamed.pieces)
            assert door.request("GET", server.url()).body == b"other"
            slow.go_on.set()
            assert list(streamed.pieces) == [b"second"]

    def test_may_be_read_and_left_in_another_context(self, door):
        """So an event loop may have it whose tasks each have their own."""
        with Answering(response(200, b"ok")) as server:
            call = door.stream("GET", server.url())
            streamed = contextvars.copy_context().run(call.__enter__)
            assert contextvars.copy_context().run(list, streamed.pieces) == [b"ok"]
            contextvars.copy_context().run(call.__exit__, None, None, None)

    def test_follows_redirects_unless_told_not_to(self, door):
        def answer(received):
            return response(200, b"there") if received.target == "/b" else response(302, location="/b")

        with Answering(answer) as server:
            with door.stream("GET", server.url("/a")) as streamed:
                assert (streamed.url, list(streamed.pieces)) == (server.url("/b"), [b"there"])
            with door.stream("GET", server.url("/a"), follow_redirects=False) as streamed:
                assert streamed.status == 302

    def test_stands_in_the_gate_until_it_is_left(self, door):
        events: list[str] = []

        class Book:
            @contextmanager
            def passing(self, host: str, *, seconds: float):
                events.append("out")
                yield
                events.append("back")

            def asked_to_wait(self, host: str, *, seconds: float) -> None: ...

        with (
            Answering(response(200, b"ok")) as server,
            through(Book()),
            door.stream("GET", server.url()) as streamed,
        ):
            list(streamed.pieces)
            events.append("read")

        assert events == ["out", "read", "back"]


class TestChecks:
    def test_are_those_of_every_call(self, strict_door, door):
        filled_in = FilledIn()
        filled_in.note(Secret("TOKEN", "t0ken-of-alice", ("api.example.com",)))
        with Answering() as server:
            with pytest.raises(AddressRefused), strict_door.stream("GET", server.url()):
                pass
            with pytest.raises(HostNotAllowed), door.stream("GET", server.url(), allowed_hosts=["api.example.com"]):
                pass
            with bound_by(filled_in), pytest.raises(SecretNotAllowed), door.stream("GET", server.url()):
                pass
            with pytest.raises(ValueError, match="timeout"), door.stream("GET", server.url(), timeout=301):
                pass

        assert server.connections == 0


class TestLimits:
    def test_hold_for_the_size_of_the_decoded_body(self, door):
        large = response(200, gzip.compress(b"x" * 100_000), content_encoding="gzip")
        with (
            Answering(large) as server,
            door.stream("GET", server.url(), max_bytes=99_999) as streamed,
            pytest.raises(TooLarge),
        ):
            list(streamed.pieces)

    def test_hold_for_the_time_of_the_whole(self, door):
        with Slow() as server, door.stream("GET", server.url(), timeout=0.5) as streamed:
            next(streamed.pieces)
            with pytest.raises(TimedOut, match=r"0\.5 seconds"):
                next(streamed.pieces)

    def test_hold_for_the_time_that_the_block_takes_for_itself(self, door):
        with Slow(rest=chunk(b"second")) as server, door.stream("GET", server.url(), timeout=0.3) as streamed:
            next(streamed.pieces)
            server.go_on.set()
            time.sleep(0.4)
            with pytest.raises(TimedOut):
                next(streamed.pieces)


class TestBrokenServers:
    @pytest.mark.parametrize(
        ("rest", "error"),
        [(chunk(b"second")[:-4], ConnectionLost), (b"nonsense\r\n", ProtocolBroken)],
        ids=["cut", "no HTTP"],
    )
    def test_are_told_by_the_piece_that_does_not_come(self, door, rest, error):
        def handle(connection, _):
            read_request(connection)
            connection.sendall(CHUNKED + chunk(b"first") + rest)

        with Server(handle) as server, door.stream("GET", server.url()) as streamed, pytest.raises(error):
            list(streamed.pieces)


class TestCancel:
    def test_ends_the_wait_for_a_piece(self, door):
        cancel = Cancel()
        with Slow() as server, door.stream("GET", server.url(), timeout=60, cancel=cancel) as streamed:
            next(streamed.pieces)
            threading.Timer(0.1, cancel.cancel).start()
            with pytest.raises(Cancelled):
                next(streamed.pieces)

    def test_between_two_pieces_ends_the_next(self, door):
        cancel = Cancel()
        with Slow(rest=chunk(b"second")) as server, door.stream("GET", server.url(), cancel=cancel) as streamed:
            next(streamed.pieces)
            server.go_on.set()
            cancel.cancel()
            with pytest.raises(Cancelled):
                next(streamed.pieces)
