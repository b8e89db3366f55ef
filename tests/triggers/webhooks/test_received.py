"""How a request is read before anything is believed (S-WH-6)."""

from __future__ import annotations

import io

import pytest
from django.http import UnreadablePostError
from django.test import RequestFactory

from tests.clock import NOON
from triggers.webhooks.received import MAX_HEADER_BYTES, MAX_HEADERS, check_headers, read_body, without_body
from triggers.webhooks.refusal import Refused

LIMIT = 1000


@pytest.fixture(autouse=True)
def small_limit(settings):
    settings.WEBHOOK_MAX_BODY_BYTES = LIMIT


def request_with(body: bytes, **environ):
    """Return a request as a WSGI server hands it in; a value of None takes something out."""
    request = RequestFactory().post("/webhooks/x?a=1", data=body, content_type="text/plain")
    environ = {"wsgi.input": io.BytesIO(body)} | environ
    request = type(request)({**request.environ, **environ})
    for key, value in environ.items():
        if value is None:
            del request.environ[key]
    return request


class TestReadBody:
    @pytest.mark.parametrize("size", [0, 1, LIMIT])
    def test_reads_up_to_the_limit(self, size):
        assert read_body(request_with(b"x" * size)) == b"x" * size

    def test_refuses_one_byte_more(self):
        with pytest.raises(Refused) as refused:
            read_body(request_with(b"x" * (LIMIT + 1)))

        assert (refused.value.status, refused.value.code) == (413, "body_too_large")

    def test_refuses_a_length_beyond_the_limit_without_reading(self):
        class Unread(io.BytesIO):
            def read(self, *_):
                raise AssertionError("The body was read.")

        with pytest.raises(Refused) as refused:
            read_body(request_with(b"", CONTENT_LENGTH="30000000", **{"wsgi.input": Unread()}))

        assert refused.value.status == 413

    def test_reads_no_further_than_the_length_says(self):
        assert read_body(request_with(b"x" * 50, CONTENT_LENGTH="10")) == b"x" * 10

    def test_refuses_a_body_that_ends_too_early(self):
        with pytest.raises(Refused) as refused:
            read_body(request_with(b"x" * 10, CONTENT_LENGTH="50"))

        assert (refused.value.status, refused.value.code) == (400, "body_incomplete")

    @pytest.mark.parametrize("length", ["-1", "abc", "1.5", "٣", "1" * 40, "0x10", "+5"])
    def test_refuses_a_length_that_is_none(self, length):
        with pytest.raises(Refused) as refused:
            read_body(request_with(b"x" * 50, CONTENT_LENGTH=length))

        assert (refused.value.status, refused.value.code) == (400, "content_length_malformed")

    def chunked(self, body: bytes):
        return request_with(
            body, CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked", **{"wsgi.input_terminated": True}
        )

    def test_reads_chunks_that_the_server_has_taken_apart(self):
        assert read_body(self.chunked(b"x" * LIMIT)) == b"x" * LIMIT

    def test_refuses_chunks_beyond_the_limit_as_soon_as_it_is_passed(self):
        with pytest.raises(Refused) as refused:
            read_body(self.chunked(b"x" * (LIMIT + 1)))

        assert refused.value.status == 413

    def test_refuses_chunks_where_the_server_does_not_know_them(self):
        with pytest.raises(Refused) as refused:
            read_body(request_with(b"x", CONTENT_LENGTH=None, HTTP_TRANSFER_ENCODING="chunked"))

        assert refused.value.status == 411

    def test_takes_a_request_without_any_length_as_one_without_a_body(self):
        assert read_body(request_with(b"", CONTENT_LENGTH=None)) == b""

    @pytest.mark.parametrize("error", [UnreadablePostError("gone"), ConnectionResetError("gone"), OSError("bad chunk")])
    def test_refuses_when_the_connection_breaks(self, error):
        class Broken(io.BytesIO):
            def read(self, *_):
                raise error

        with pytest.raises(Refused) as refused:
            read_body(request_with(b"", CONTENT_LENGTH="10", **{"wsgi.input": Broken()}))

        assert refused.value.code == "body_incomplete"


class TestHeaders:
    def test_are_known_by_their_lower_cased_names(self):
        request = RequestFactory().post(
            "/webhooks/x?a=1&b=%20", data=b"x", content_type="text/plain", headers={"X-Kind": "Order"}
        )

        received = without_body(request, NOON)

        assert (received.method, received.path, received.query_string) == ("POST", "/webhooks/x", "a=1&b=%20")
        assert received.headers["x-kind"] == "Order"
        assert received.headers["content-type"] == "text/plain"
        assert received.headers["content-length"] == "1"

    def test_hold_nothing_that_the_database_cannot(self):
        request = RequestFactory().get("/webhooks/x", headers={"X-Kind": "a\x00b\ud800"})
        request.META["QUERY_STRING"] = "a=\x00"

        received = without_body(request, NOON)

        assert received.headers["x-kind"] == "a\\u0000b\\ud800"
        assert received.query_string == "a=\\u0000"

    def test_may_be_a_hundred(self):
        headers = {f"x-{number}": "1" for number in range(MAX_HEADERS)}

        check_headers(headers)
        with pytest.raises(Refused) as refused:
            check_headers(headers | {"x-more": "1"})

        assert (refused.value.status, refused.value.code) == (431, "headers_too_large")

    def test_may_be_sixteen_kibibytes_together(self):
        filler = "x" * (MAX_HEADER_BYTES - len("x-long: \r\n"))

        check_headers({"x-long": filler})
        with pytest.raises(Refused):
            check_headers({"x-long": filler + "x"})
