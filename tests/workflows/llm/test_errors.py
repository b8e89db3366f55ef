"""What a provider refuses, and what breaks on the way, as errors of a node."""

from __future__ import annotations

import pytest

from projects.masking import MASK
from tests.providers import fails, says
from tests.workflows.http.servers import Answering, response
from tests.workflows.llm.asking import KEY, PROTOCOLS, ask, ask_in_pieces, request, url_of
from workflows.llm import call
from workflows.nodes.base import NodeError

both = pytest.mark.parametrize("protocol", PROTOCOLS)
EVENTS = "text/event-stream"


@both
@pytest.mark.parametrize("asking", [ask, ask_in_pieces], ids=["whole", "stream"])
class TestStatus:
    @pytest.mark.parametrize(
        ("status", "code", "retryable", "was_sent"),
        [
            (400, "model_refused_request", False, False),
            (401, "model_auth", False, False),
            (402, "model_quota", False, False),
            (403, "model_auth", False, False),
            (404, "model_unknown", False, False),
            (408, "model_timeout", True, True),
            (413, "model_refused_request", False, False),
            (429, "model_rate_limited", True, False),
            (500, "model_overloaded", True, False),
            (502, "model_overloaded", True, True),
            (503, "model_overloaded", True, False),
            (504, "model_overloaded", True, True),
            (529, "model_overloaded", True, False),
        ],
    )
    def test_becomes_an_error(self, provider, protocol, asking, status, code, retryable, was_sent):
        provider.play({"answers": [fails(status, message="Not today.")]})

        with pytest.raises(NodeError, match=r"Not today\.") as caught:
            asking(provider, protocol)

        error = caught.value
        assert (error.code, error.retryable, error.details["was_sent"]) == (code, retryable, was_sent)
        assert (error.details["status"], error.details["provider_says"]) == (status, "Not today.")
        assert error.retry_after is None

    @pytest.mark.parametrize("status", [429, 503])
    def test_says_how_long_to_wait(self, provider, protocol, asking, status):
        provider.play({"answers": [fails(status, retry_after=7)]})

        with pytest.raises(NodeError) as caught:
            asking(provider, protocol)

        assert caught.value.retry_after == 7

    def test_repeats_no_secret(self, provider, protocol, asking):
        provider.play({"answers": [fails(400, message=f"You sent {KEY} and team-secret. " + "x" * 5000)]})

        with pytest.raises(NodeError) as caught:
            asking(provider, protocol, headers={"X-Team": "team-secret"})

        assert caught.value.details["provider_says"].startswith(f"You sent {MASK} and {MASK}.")
        assert len(caught.value.message) < 1500
        assert KEY not in str(caught.value)


class TestWords:
    @pytest.mark.parametrize(
        ("protocol", "words"),
        [
            ("anthropic", "prompt is too long: 210000 tokens > 200000 maximum"),
            ("openai", "This model's maximum context length is 8192 tokens."),
        ],
    )
    def test_say_that_the_conversation_is_too_long(self, provider, protocol, words):
        provider.play({"answers": [fails(400, message=words)]})

        with pytest.raises(NodeError) as caught:
            ask(provider, protocol)

        assert caught.value.code == "model_context_too_long"


class TestOpenAI:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (429, "insufficient_quota", "model_quota"),
            (400, "content_filter", "model_filtered"),
            (400, "context_length_exceeded", "model_context_too_long"),
        ],
    )
    def test_says_more_in_its_code(self, status, code, expected):
        body = b'{"error": {"message": "No.", "type": "x", "param": null, "code": "%s"}}' % code.encode()
        with (
            Answering(response(status, body, content_type="application/json")) as server,
            pytest.raises(NodeError) as caught,
        ):
            call(request("openai", server.url("")), seconds=20)

        assert (caught.value.code, caught.value.retryable) == (expected, False)


@both
class TestBrokenAnswers:
    @pytest.mark.parametrize("asking", [ask, ask_in_pieces], ids=["whole", "stream"])
    def test_that_are_cut_off(self, provider, protocol, asking):
        provider.play({"answers": [says("word " * 50, cut_after_chunks=5)]})

        with pytest.raises(NodeError) as caught:
            asking(provider, protocol)

        assert (caught.value.code, caught.value.retryable) == ("connection_lost", True)
        assert caught.value.details["was_sent"] is True

    @pytest.mark.parametrize("asking", [ask, ask_in_pieces], ids=["whole", "stream"])
    def test_that_are_no_json(self, provider, protocol, asking):
        provider.play({"answers": [says("word", invalid_json=True)]})

        with pytest.raises(NodeError) as caught:
            asking(provider, protocol)

        assert (caught.value.code, caught.value.retryable) == ("model_answer_broken", True)
        assert caught.value.details["was_sent"] is True

    def test_that_end_in_an_error(self, provider, protocol):
        provider.play({"answers": [says("word " * 50, error=fails(503)["error"], error_after_chunks=5)]})
        pieces: list[str] = []

        with pytest.raises(NodeError) as caught:
            call(request(protocol, url_of(provider, protocol)), seconds=20, on_text=pieces.append)

        assert pieces
        assert caught.value.code in ("model_overloaded", "model_answer_broken")
        assert caught.value.details["was_sent"] is True

    @pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"{}", b"[]", b""])
    def test_that_are_something_else(self, protocol, body):
        with (
            Answering(response(200, body, content_type="application/json")) as server,
            pytest.raises(NodeError) as caught,
        ):
            call(request(protocol, server.url("")), seconds=20)

        assert caught.value.code == "model_answer_broken"

    def test_that_no_model_sends(self, protocol):
        page = response(200, b"<html>Welcome</html>", content_type="text/html; charset=utf-8")
        with Answering(page) as server, pytest.raises(NodeError) as caught:
            call(request(protocol, server.url("")), seconds=20)

        assert caught.value.code == "model_answer_broken"
        assert "what answers at 127.0.0.1:" in caught.value.message
        assert "sends text/html, which no model does. Check `base_url`." in caught.value.message

    def test_that_are_not_understood_are_not_laid_into_the_providers_mouth(self, protocol):
        body = response(200, b"{", content_type="application/json")
        with Answering(body) as server, pytest.raises(NodeError) as caught:
            call(request(protocol, server.url("")), seconds=20)

        assert "provider_says" not in caught.value.details

    def test_that_are_too_large(self, protocol):
        with (
            Answering(response(200, b" " * (21 * 1024 * 1024), content_type="application/json")) as server,
            pytest.raises(NodeError) as caught,
        ):
            call(request(protocol, server.url("")), seconds=20)

        assert caught.value.code == "too_large"

    def test_whose_stream_ends_early_without_a_sign_from_http(self, protocol):
        """A gateway that loses its provider may still end its own answer as if that were all."""
        begun = (
            b'data: {"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
            b'"delta":{"role":"assistant","content":"Half an"},"finish_reason":null}]}\n\n'
            if protocol == "openai"
            else b'event: message_start\ndata: {"type":"message_start","message":{"id":"1","type":"message",'
            b'"role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,'
            b'"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":"content_block_start","index":0,'
            b'"content_block":{"type":"text","text":""}}\n\nevent: content_block_delta\ndata: '
            b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Half an"}}\n\n'
        )
        pieces: list[str] = []
        with Answering(response(200, begun, content_type=EVENTS)) as server, pytest.raises(NodeError) as caught:
            call(request(protocol, server.url("")), seconds=20, on_text=pieces.append)

        assert pieces == ["Half an"]
        assert (caught.value.code, caught.value.details["was_sent"]) == ("model_answer_broken", True)

    def test_that_the_filter_holds_back(self, provider, protocol):
        provider.play({"answers": [says("", finish="content_filter")]})

        with pytest.raises(NodeError) as caught:
            ask(provider, protocol)

        assert (caught.value.code, caught.value.retryable) == ("model_filtered", False)


@both
class TestUnreached:
    @pytest.mark.parametrize(
        ("base_url", "told"),
        [
            (
                "http://127.0.0.1:1/v1",
                "at 127.0.0.1:1: The host did not accept a connection. Check `base_url`, and whether",
            ),
            ("localhost/v1", ": The URL must start with http:// or https://. Check `base_url`."),
        ],
    )
    def test_says_where_and_what_to_check(self, protocol, base_url, told):
        with pytest.raises(NodeError) as caught:
            call(request(protocol, base_url), seconds=20)

        assert told in caught.value.message

    def test_says_that_https_may_be_too_much(self, provider, protocol):
        base_url = url_of(provider, protocol).replace("http://", "https://")
        with pytest.raises(NodeError, match=r"a server without TLS wants http:// in it") as caught:
            call(request(protocol, base_url), seconds=20)

        assert caught.value.code == "tls"
