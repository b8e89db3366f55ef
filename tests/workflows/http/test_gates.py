from __future__ import annotations

import pytest

from tests.workflows.http.gates import Book
from tests.workflows.http.servers import Answering, response
from workflows.http import Postponed, through
from workflows.http.errors import TimedOut


class TestGate:
    def test_every_request_passes_and_is_back_when_its_answer_is(self, door):
        book = Book()
        with Answering(response(200, b"ok")) as server, through(book):
            door.request("GET", server.url())

        assert book.events == [("out", "127.0.0.1"), ("back", "127.0.0.1")]

    def test_redirects_too_each_by_its_own_host(self, door):
        book = Book(closed=("localhost",))

        def answer(_):
            return response(302, location=server.url("/", host="localhost"))

        with Answering(answer) as server, through(book), pytest.raises(Postponed):
            door.request("GET", server.url())

        assert book.events == [("out", "127.0.0.1"), ("back", "127.0.0.1")]

    @pytest.mark.parametrize("method", ["POST", "PATCH"])
    def test_a_call_that_may_have_changed_something_waits_where_it_leads(self, door, method):
        """Put off, it would be made again from its beginning."""

        def answer(received):
            return (
                response(303, location=server.url("/", host="localhost")) if received.method == method else response()
            )

        with Answering(answer) as server, through(Book(closed=("localhost",), opens_after=2, seconds=0.1)):
            reply = door.request(method, server.url())

        assert reply.status == 200
        assert [received.method for received in server.received] == [method, "GET"]

    def test_it_waits_no_longer_than_it_may_take(self, door):
        def answer(_):
            return response(303, location=server.url("/", host="localhost"))

        with Answering(answer) as server, through(Book(closed=("localhost",), seconds=31)), pytest.raises(TimedOut):
            door.request("POST", server.url(), timeout=30)

        assert len(server.received) == 1

    def test_nothing_is_sent_while_it_is_closed(self, door):
        with Answering() as server, through(Book(closed=("127.0.0.1",))), pytest.raises(Postponed):
            door.request("GET", server.url())

        assert server.connections == 0

    def test_one_that_fails_is_back_too(self, door):
        book = Book()
        with Answering(b"nonsense\r\n\r\n") as server, through(book), pytest.raises(Exception, match="not valid HTTP"):
            door.request("GET", server.url())

        assert book.events[-1] == ("back", "127.0.0.1")

    @pytest.mark.parametrize(
        ("status", "headers", "seconds"),
        [(429, {"retry_after": "7"}, 7.0), (503, {"retry_after": "7"}, 7.0), (429, {"retry_after": "99999"}, 3600.0)],
    )
    def test_hears_that_a_host_wants_no_calls(self, door, status, headers, seconds):
        book = Book()
        with Answering(response(status, **headers)) as server, through(book):
            door.request("GET", server.url())

        assert ("wait", "127.0.0.1", seconds) in book.events

    @pytest.mark.parametrize(
        ("status", "headers"),
        [(429, {}), (429, {"retry_after": "soon"}), (429, {"retry_after": "0"}), (301, {"retry_after": "7"})],
    )
    def test_hears_nothing_where_nothing_is_said(self, door, status, headers):
        book = Book()
        with Answering(response(status, **headers)) as server, through(book):
            door.request("GET", server.url())

        assert [event[0] for event in book.events] == ["out", "back"]

    def test_holds_for_its_thread_and_its_block_alone(self, door):
        book = Book()
        with through(book):
            pass
        with Answering() as server:
            door.request("GET", server.url())

        assert book.events == []
