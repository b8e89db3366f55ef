from __future__ import annotations

import base64
import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from pydantic import ValidationError

from projects.masking import MASK
from tests.workflows.http.servers import Answering, response
from tests.workflows.tools.calling import TOKEN, World, answer_json, call
from workflows.http import Cancel, Cancelled, abandonable
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.fields import Template
from workflows.tools import base
from workflows.tools.http_request import HttpRequest
from workflows.tools.http_request.arguments import RequestArguments


@pytest.fixture(autouse=True)
def _loopback_is_allowed(settings):
    settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = ["127.0.0.0/8"]


class TestCatalogue:
    def test_the_tool_is_found_by_its_name(self):
        assert isinstance(base.catalogue()["http.request"], HttpRequest)

    def test_its_example_is_valid(self):
        raw = json.loads(json.dumps(HttpRequest.example))

        RequestArguments.model_validate(raw)

    def test_every_argument_is_described_for_forms(self):
        schema = RequestArguments.model_json_schema()

        assert all(argument.get("description") for argument in schema["properties"].values())
        assert set(schema["properties"]) == {
            *("method", "url", "query", "headers", "json", "form", "text", "base64", "multipart"),
            *("auth", "timeout_seconds", "follow_redirects", "ok_statuses", "response", "pagination"),
        }


class TestEffect:
    @pytest.mark.parametrize(
        ("method", "effect"),
        [
            ("GET", Effect.READ),
            ("HEAD", Effect.READ),
            ("OPTIONS", Effect.READ),
            ("POST", Effect.WRITE),
            ("DELETE", Effect.WRITE),
            ("{{ input.method }}", Effect.WRITE),
            (Template("{{ input.method }}"), Effect.WRITE),
            (["GET"], Effect.WRITE),
            (None, Effect.WRITE),
        ],
    )
    def test_follows_the_method_and_counts_the_unknown_as_writing(self, method, effect):
        assert HttpRequest().effect({"method": method}) is effect

    def test_a_call_without_a_method_reads(self):
        assert HttpRequest().effect({}) is Effect.READ


class TestArguments:
    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            ({}, "url"),
            ({"url": ""}, "at least 1 character"),
            ({"url": 5}, "valid string"),
            ({"url": "http://h", "method": "get"}, "'GET'"),
            ({"url": "http://h", "verb": "GET"}, "not permitted"),
            ({"url": "http://h", "json": 1, "text": "x"}, "one body; this one has json and text"),
            ({"url": "http://h", "json": None, "form": {}}, "one body; this one has json and form"),
            ({"url": "http://h", "headers": {"A\r\nB": "x"}}, "right form"),
            ({"url": "http://h", "headers": {"A": "x", "a": "y"}}, "given twice: a"),
            ({"url": "http://h", "headers": {"A": ["x"]}}, "headers"),
            (
                {"url": "http://h", "headers": {"authorization": "x"}, "auth": {"type": "bearer", "token": "t"}},
                "sets the header Authorization",
            ),
            ({"url": "http://h", "auth": {"type": "header", "name": "X Y", "value": "v"}}, "right form"),
            ({"url": "http://h", "auth": {"type": "digest"}}, "'basic', 'bearer', 'header', 'query', 'oauth2'"),
            (
                {"url": "http://h", "multipart": [{"name": "a", "text": ""}], "headers": {"Content-Type": "x"}},
                "sets the header Content-Type",
            ),
            ({"url": "http://h", "multipart": []}, "at least 1 item"),
            ({"url": "http://h", "multipart": [{"name": "a"}]}, "either text or base64"),
            ({"url": "http://h", "multipart": [{"name": "a", "text": "", "base64": ""}]}, "either text or base64"),
            ({"url": "http://h", "timeout_seconds": 0}, "greater than 0"),
            ({"url": "http://h", "timeout_seconds": 300.5}, "less than or equal to 300"),
            ({"url": "http://h", "timeout_seconds": "30"}, "valid number"),
            ({"url": "http://h", "ok_statuses": [99]}, "greater than or equal to 100"),
            ({"url": "http://h", "ok_statuses": ["2xx"]}, "right form"),
            ({"url": "http://h", "response": "xml"}, "'auto'"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, arguments, reason):
        with pytest.raises(ValidationError, match=reason):
            RequestArguments.model_validate(arguments)

    def test_a_draft_may_hold_expressions(self):
        RequestArguments.model_validate(
            {
                "method": Template("{{ input.method }}"),
                "url": Template("https://h/{{ input.id }}"),
                "headers": Template("{{ input.headers }}"),
                "query": {"id": [Template("{{ input.a }}"), 7], "page": Template("{{ input.page }}")},
                "form": None,
                "json": {"a": [Template("{{ input.a }}")]},
                "auth": {"type": "bearer", "token": Template("{{ secret('TOKEN') }}")},
                "timeout_seconds": Template("{{ vars.SECONDS }}"),
                "multipart": None,
            }
        )


class TestRequest:
    def test_query_values_are_added_encoded(self):
        """S-SSRF-5: a value cannot become another parameter."""
        with Answering() as server:
            call(
                url=server.url("/find?fixed=1#top"),
                query={"q": "a&b=c d", "n": 5, "x": 2.0, "y": 2.5, "t": True, "list": ["a", 1, False], "none": None},
            )

        assert parse_qsl(urlsplit(server.received[0].target).query) == [
            ("fixed", "1"),
            ("q", "a&b=c d"),
            ("n", "5"),
            ("x", "2"),
            ("y", "2.5"),
            ("t", "true"),
            ("list", "a"),
            ("list", "1"),
            ("list", "false"),
        ]

    def test_headers_are_sent_and_null_leaves_one_out(self):
        with Answering() as server:
            call(url=server.url(), headers={"X-Count": 3, "X-Flag": True, "X-None": None, "Accept": "text/csv"})

        headers = server.received[0].headers
        assert (headers["x-count"], headers["x-flag"], headers["accept"]) == ("3", "true", "text/csv")
        assert "x-none" not in headers

    @pytest.mark.parametrize(
        ("body", "data", "content_type"),
        [
            ({"json": {"a": [1, "ü"]}}, b'{"a":[1,"\\u00fc"]}', "application/json"),
            ({"json": None}, b"null", "application/json"),
            ({"form": {"a": ["x y", 1], "b": None}}, b"a=x%20y&a=1", "application/x-www-form-urlencoded"),
            ({"text": "ü"}, "ü".encode(), "text/plain; charset=utf-8"),
            ({"base64": "AP8="}, b"\x00\xff", "application/octet-stream"),
        ],
    )
    def test_a_body_is_sent_with_its_content_type(self, body, data, content_type):
        with Answering() as server:
            call(method="POST", url=server.url(), **body)

        assert server.received[0].body == data
        assert server.received[0].headers["content-type"] == content_type

    def test_the_author_may_call_a_body_something_else(self):
        with Answering() as server:
            call(method="POST", url=server.url(), text="a,b", headers={"content-type": "text/csv"})

        assert server.received[0].headers["content-type"] == "text/csv"

    def test_files_are_uploaded_as_parts(self):
        with Answering() as server:
            call(
                method="POST",
                url=server.url(),
                multipart=[
                    {"name": "note", "text": "hello"},
                    {"name": "file", "base64": "AP8=", "filename": "a.png", "content_type": "image/png"},
                ],
            )

        (received,) = server.received
        assert received.headers["content-type"].startswith("multipart/form-data; boundary=")
        assert b'name="note"\r\n\r\nhello\r\n' in received.body
        assert b'name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n\x00\xff\r\n' in received.body

    def test_a_read_has_no_body_and_no_content_type(self):
        with Answering() as server:
            call(url=server.url())

        assert not {"content-type", "content-length", "idempotency-key"} & set(server.received[0].headers)

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_a_write_carries_the_key_of_the_node_run(self, method):
        """R-11: the same on every attempt."""
        with Answering() as server:
            call(method=method, url=server.url())
            call(method=method, url=server.url(), headers={"idempotency-key": "mine"})

        assert [received.headers["idempotency-key"] for received in server.received] == ["key-of-this-node-run", "mine"]

    def test_redirects_are_followed_unless_the_author_says_no(self):
        def answer(received):
            return response(302, location="/b") if received.target == "/a" else response(200, b"there")

        with Answering(answer) as server:
            assert call(url=server.url("/a"))["body"] == "there"
            output = call(url=server.url("/a"), follow_redirects=False, ok_statuses=[302])

        assert output["headers"]["location"] == "/b"


class TestSecrets:
    """S-SEC-4: filled in at the last moment, and nowhere to be seen afterwards."""

    @pytest.mark.parametrize(
        ("auth", "header", "value"),
        [
            ({"type": "bearer", "token": "⟦TOKEN⟧"}, "authorization", f"Bearer {TOKEN}"),
            (
                {"type": "basic", "username": "alice", "password": "⟦TOKEN⟧"},
                "authorization",
                "Basic " + base64.b64encode(f"alice:{TOKEN}".encode()).decode(),
            ),
            ({"type": "header", "name": "X-Api-Key", "value": "⟦TOKEN⟧"}, "x-api-key", TOKEN),
        ],
    )
    def test_authentication_by_header(self, auth, header, value):
        with Answering() as server:
            call(url=server.url(), auth=auth)

        assert server.received[0].headers[header] == value

    def test_authentication_by_query(self):
        with Answering() as server:
            call(url=server.url("/x?a=b"), auth={"type": "query", "name": "api_key", "value": "⟦TOKEN⟧"})

        assert server.received[0].target == f"/x?a=b&api_key={TOKEN}"

    def test_are_filled_in_everywhere(self):
        arguments = {"url": "/⟦TOKEN⟧", "query": {"q": "⟦TOKEN⟧"}, "headers": {"X-A": "a ⟦TOKEN⟧ b"}}
        parts = [{"name": "a", "base64": "", "filename": "⟦TOKEN⟧"}, {"name": "b", "text": "b"}]
        with Answering() as server:
            url = server.url(arguments.pop("url"))
            for body in (
                {"json": {"k": ["⟦TOKEN⟧"]}},
                {"form": {"k": "⟦TOKEN⟧"}},
                {"text": "⟦TOKEN⟧"},
                {"multipart": [{"name": "a", "text": "⟦TOKEN⟧"}]},
                {"multipart": parts},
            ):
                call(method="POST", url=url, **arguments, **body)

        for received in server.received:
            assert received.target == f"/{TOKEN}?q={TOKEN}"
            assert received.headers["x-a"] == f"a {TOKEN} b"
            assert TOKEN.encode() in received.body

    @pytest.mark.parametrize("status", [200, 400, 500])
    @pytest.mark.parametrize("padding", [0, 1990, 1999])
    def test_do_not_come_back_when_the_server_repeats_them(self, status, padding):
        """Masked before the body is cut: half a secret is still a secret."""

        def echo(received):
            basic = received.headers["authorization"]
            body = "x" * padding + f"{received.target} {basic} {received.headers['x-key']}"
            return response(status, body.encode(), content_type="text/plain", x_echo=basic)

        with Answering(echo) as server:
            try:
                result = call(
                    url=server.url("/⟦TOKEN⟧?q=⟦TOKEN⟧"),
                    auth={"type": "basic", "username": "alice", "password": "⟦TOKEN⟧"},
                    headers={"X-Key": "⟦TOKEN⟧"},
                )
            except NodeError as error:
                result = [error.message, error.details]

        told = json.dumps(result)
        assert TOKEN not in told
        assert TOKEN[:6] not in told
        assert base64.b64encode(f"alice:{TOKEN}".encode()).decode()[:12] not in told

    @pytest.mark.parametrize(
        "arguments",
        [
            {"url": "http://⟦TOKEN⟧.invalid:22/⟦TOKEN⟧"},
            {"url": "http://⟦TOKEN⟧:x@h/"},
            {"url": "⟦TOKEN⟧"},
            {"url": "http://[⟦TOKEN⟧/"},
            {"url": "http://10.0.0.1/⟦TOKEN⟧?⟦TOKEN⟧"},
            {"url": "http://127.0.0.1:1/", "headers": {"X-A": "⟦TOKEN⟧\n"}},
            {"url": "http://127.0.0.1:1/", "query": {"a": "⟦TOKEN⟧"}},
        ],
    )
    def test_are_not_in_the_errors_of_the_door(self, arguments):
        with pytest.raises(NodeError) as caught:
            call(**arguments)

        assert TOKEN not in json.dumps([caught.value.message, caught.value.details])

    def test_stay_behind_when_a_redirect_leads_elsewhere(self):
        """S-SSRF-2"""
        auth = {"type": "header", "name": "X-Api-Key", "value": "⟦TOKEN⟧"}
        with Answering() as other, Answering(response(302, location=other.url())) as server:
            call(url=server.url(), auth=auth)

        assert "x-api-key" not in other.received[0].headers


class TestOutput:
    def test_always_has_the_same_shape(self):
        with Answering(answer_json({"id": 7}, x_note="a")) as server:
            output = call(url=server.url())

        assert output == {
            "status": 200,
            "headers": {"content-type": "application/json", "content-length": "9", "x-note": "a"},
            "body": {"id": 7},
            "body_format": "json",
        }

    @pytest.mark.parametrize(
        ("answer", "read_as", "body", "body_format"),
        [
            (response(200, b"hi", content_type="text/plain"), "auto", "hi", "text"),
            (response(200, b"\xff", content_type="image/png"), "auto", "/w==", "base64"),
            (response(204), "auto", None, "empty"),
            (answer_json([1]), "text", "[1]", "text"),
            (answer_json([1]), "bytes", "WzFd", "base64"),
            (response(200, b"[1]", content_type="text/plain"), "json", [1], "json"),
        ],
    )
    def test_says_what_the_body_is(self, answer, read_as, body, body_format):
        with Answering(answer) as server:
            output = call(url=server.url(), response=read_as)

        assert (output["body"], output["body_format"]) == (body, body_format)

    def test_what_should_be_json_and_is_not_fails_the_node(self):
        with (
            Answering(response(200, b"<html>", content_type="application/json")) as server,
            pytest.raises(NodeError, match="set `response` to text") as caught,
        ):
            call(url=server.url("/x?y=z"))

        assert caught.value.code == "invalid_json"
        assert caught.value.retryable is False
        assert caught.value.details == {"method": "GET", "url": server.url("/x"), "status": 200, "body": "<html>"}


class TestFailures:
    @pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 409, 410, 422, 451, 501, 505])
    def test_a_status_that_will_not_change_is_not_retried(self, status):
        with Answering(response(status)) as server, pytest.raises(NodeError) as caught:
            call(url=server.url())

        assert (caught.value.code, caught.value.retryable) == ("http_status", False)

    def test_what_a_service_says_in_json_is_there_to_be_used(self):
        said = {"message": "Validation Failed for s3cret-s3cret", "errors": [{"field": "sku"}]}
        with Answering(answer_json(said, 422)) as server, pytest.raises(NodeError) as caught:
            call(World(secrets={"KEY": "s3cret-s3cret"}), url=server.url(), headers={"X-Key": "⟦KEY⟧"})

        assert caught.value.details["json"] == {**said, "message": f"Validation Failed for {MASK}"}

    @pytest.mark.parametrize(
        "answer",
        [
            answer_json(["x" * 3000], 422),
            response(422, b"Not JSON", content_type="application/json"),
            response(422, b"{}", content_type="text/plain"),
            response(422),
        ],
        ids=["long", "broken", "text", "nothing"],
    )
    def test_what_is_no_short_json_is_text_alone(self, answer):
        with Answering(answer) as server, pytest.raises(NodeError) as caught:
            call(url=server.url())

        assert "json" not in caught.value.details

    @pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
    def test_a_status_that_says_later_is_retried(self, status):
        with Answering(response(status)) as server, pytest.raises(NodeError) as caught:
            call(url=server.url())

        assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == ("http_status", True, None)

    @pytest.mark.parametrize(("value", "seconds"), [("17", 17), ("99999", 3600), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)])
    def test_the_server_is_not_asked_again_before_it_wants_to(self, value, seconds):
        with Answering(response(429, retry_after=value)) as server, pytest.raises(NodeError) as caught:
            call(url=server.url())

        assert caught.value.retry_after == seconds

    def test_tells_what_the_server_said(self):
        answer = answer_json({"error": "no such order"}, 404)
        with Answering(answer) as server, pytest.raises(NodeError) as caught:
            call(method="POST", url=server.url("/orders/7?key=x#y"))

        assert caught.value.message == f"POST {server.url('/orders/7')} answered with status 404."
        assert caught.value.details == {
            "method": "POST",
            "url": server.url("/orders/7"),
            "status": 404,
            "body": '{"error": "no such order"}',
            "json": {"error": "no such order"},
        }

    @pytest.mark.parametrize(
        ("body", "content_type", "excerpt"),
        [
            (b"x" * 2000, "text/plain", "x" * 2000),
            (b"x" * 2001, "text/plain", "x" * 2000 + "…"),
            (b"\xff" * 2001, "image/png", "2,001 bytes that are no text"),
        ],
    )
    def test_tells_no_more_than_a_little(self, body, content_type, excerpt):
        with Answering(response(500, body, content_type=content_type)) as server, pytest.raises(NodeError) as caught:
            call(url=server.url())

        assert caught.value.details["body"] == excerpt

    @pytest.mark.parametrize("ok_statuses", [[404], ["400-404"], [200, "404-404"]])
    def test_the_author_decides_what_is_a_success(self, ok_statuses):
        with Answering(response(404)) as server:
            assert call(url=server.url(), ok_statuses=ok_statuses)["status"] == 404

    @pytest.mark.parametrize(("status", "ok_statuses"), [(200, [404]), (405, ["400-404"]), (200, [])])
    def test_and_what_is_none(self, status, ok_statuses):
        with Answering(response(status)) as server, pytest.raises(NodeError, match=f"status {status}"):
            call(url=server.url(), ok_statuses=ok_statuses)

    @pytest.mark.parametrize(
        ("arguments", "code", "retryable"),
        [
            ({"url": "ftp://example.com/"}, "bad_url", False),
            ({"url": "https://example.com/a/../b"}, "bad_url", False),
            ({"url": "http://10.0.0.1/"}, "address_refused", False),
            ({"url": "http://127.0.0.1:1/"}, "connect", True),
            ({"url": "http://127.0.0.1/", "headers": {"X": "a\r\nb"}}, "bad_request", False),
            ({"url": "http://127.0.0.1/", "headers": {"Host": "x"}}, "bad_request", False),
            ({"url": "http://127.0.0.1/", "base64": "?"}, "invalid_arguments", False),
            ({"url": "http://127.0.0.1/", "json": [float("nan")]}, "invalid_arguments", False),
            (
                {
                    "url": "http://127.0.0.1/",
                    "multipart": [{"name": "a", "text": "", "filename": "b", "content_type": "\r"}],
                },
                "invalid_arguments",
                False,
            ),
        ],
    )
    def test_other_failures_say_whether_a_retry_can_help(self, arguments, code, retryable):
        with pytest.raises(NodeError) as caught:
            call(**arguments)

        assert (caught.value.code, caught.value.retryable) == (code, retryable)
        assert caught.value.message.startswith(f"GET {arguments['url']}: ")

    def test_names_the_setting_that_allows_an_address(self):
        """S-SSRF-1"""
        with pytest.raises(NodeError, match="SEGUE_ALLOWED_PRIVATE_NETWORKS"):
            call(url="http://169.254.169.254/latest/meta-data/")


class TestTime:
    def test_ends_with_its_timeout(self):
        with Answering(lambda _: b"HTTP/1.1 200 OK\r\n") as server, pytest.raises(NodeError) as caught:
            call(url=server.url(), timeout_seconds=0.2)

        assert (caught.value.code, caught.value.retryable) == ("timeout", True)

    def test_ends_with_its_node(self):
        context = World(seconds_left=0.5)

        with Answering(lambda _: b"HTTP/1.1 200 OK\r\n") as server, pytest.raises(NodeError) as caught:
            call(context, url=server.url(), timeout_seconds=300)

        assert caught.value.code == "timeout"

    def test_does_not_begin_after_its_node(self):
        context = World(seconds_left=-1.0)

        with Answering() as server, pytest.raises(NodeError, match="over before the call") as caught:
            call(context, url=server.url())

        assert caught.value.code == "timeout"
        assert server.connections == 0

    def test_can_be_abandoned_by_the_engine(self):
        """Not an error of the node: it has no result at all."""
        cancel = Cancel()

        def answer(_):
            cancel.cancel()
            return b"HTTP/1.1 200 OK\r\n"

        with Answering(answer) as server, abandonable(cancel), pytest.raises(Cancelled):
            call(url=server.url())
