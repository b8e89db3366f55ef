"""The wire below the libraries: the door's rules hold, and whatever stands in the environment has no effect."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager

import pytest

from tests.providers import says
from tests.workflows.http.servers import Answering, Server, read_request, response
from tests.workflows.llm.asking import ADD, KEY, PROTOCOLS, ask, ask_in_pieces, request, url_of
from workflows.http import Cancel, Cancelled, Postponed, abandonable, through
from workflows.http.secrets import FilledIn, Secret, bound_by
from workflows.llm import call
from workflows.llm.messages import text_in
from workflows.nodes.base import NodeError

both = pytest.mark.parametrize("protocol", PROTOCOLS)
in_either_way = pytest.mark.parametrize("on_text", [None, lambda _: None], ids=["whole", "stream"])


def whole(protocol: str, text: str = "Hello") -> bytes:
    """Return an answer as a provider gives it."""
    body = (
        {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text, "refusal": None},
                }
            ],
        }
        if protocol == "openai"
        else {
            "id": "1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    return response(200, json.dumps(body).encode(), content_type="application/json")


@both
class TestHeaders:
    def test_carry_the_key_in_the_protocols_own_way(self, protocol):
        with Answering(whole(protocol)) as server:
            call(request(protocol, server.url("")), seconds=20)

        [received] = server.received
        expected = ("authorization", f"Bearer {KEY}") if protocol == "openai" else ("x-api-key", KEY)
        assert expected in received.headers.items()
        assert KEY not in received.body.decode()

    def test_carry_no_key_where_there_is_none(self, protocol):
        with Answering(whole(protocol)) as server:
            call(request(protocol, server.url(""), api_key=""), seconds=20)

        assert {"authorization", "x-api-key"}.isdisjoint(server.received[0].headers)

    def test_of_the_request_come_first(self, protocol):
        headers = {"Authorization": "Bearer other", "api-key": "azure"}
        with Answering(whole(protocol)) as server:
            call(request(protocol, server.url(""), headers=headers), seconds=20)

        received = server.received[0].headers
        assert (received["authorization"], received["api-key"]) == ("Bearer other", "azure")


@both
class TestEnvironment:
    NAMES = (
        *("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_WEBHOOK_SECRET"),
        *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_WEBHOOK_SIGNING_KEY"),
    )

    def test_gives_no_keys_addresses_and_headers(self, protocol, monkeypatch):
        with Answering(whole(protocol)) as server, Answering(response(500)) as elsewhere:
            for name in self.NAMES:
                monkeypatch.setenv(name, "from-the-environment")
            for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
                monkeypatch.setenv(name, elsewhere.url())
            for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
                monkeypatch.setenv(name, "X-Own: from-the-environment\nAnthropic-Beta: from-the-environment")
            call(request(protocol, server.url("")), seconds=20)
            call(request(protocol, server.url(""), api_key=""), seconds=20)

        assert elsewhere.connections == 0
        assert "from-the-environment" not in str(server.received)

    def test_gives_no_proxies(self, protocol, monkeypatch):
        with Answering(whole(protocol)) as server, Answering(response(200, b"proxy")) as proxy:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url())
            monkeypatch.delenv("no_proxy", raising=False)
            call(request(protocol, server.url("")), seconds=20)

        assert proxy.connections == 0


@both
class TestDoor:
    def test_refuses_private_addresses(self, provider, protocol, settings):
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []

        with pytest.raises(NodeError, match="not public") as caught:
            ask(provider, protocol)

        assert caught.value.code == "address_refused"
        assert caught.value.details["was_sent"] is False
        assert provider.requests == []

    def test_holds_secrets_to_their_hosts(self, provider, protocol):
        filled_in = FilledIn()
        filled_in.note(Secret("MODEL_KEY", KEY, ("api.example.com",)))

        with bound_by(filled_in), pytest.raises(NodeError, match="MODEL_KEY") as caught:
            ask(provider, protocol)

        assert caught.value.code == "secret_not_allowed"
        assert caught.value.details["was_sent"] is False
        assert provider.requests == []

    @in_either_way
    def test_does_not_follow_redirects(self, protocol, on_text):
        with (
            Answering(whole(protocol)) as target,
            Answering(response(307, location=target.url())) as server,
            pytest.raises(NodeError) as caught,
        ):
            call(request(protocol, server.url("")), seconds=20, on_text=on_text)

        assert caught.value.code == "bad_redirect"
        assert caught.value.details == {"model": request(protocol, "").model, "was_sent": False, "status": 307}
        assert target.connections == 0

    def test_passes_on_that_a_call_is_put_off(self, provider, protocol):
        class Closed:
            @contextmanager
            def passing(self, host: str, *, seconds: float):
                raise Postponed(5, "for a test")
                yield

        with through(Closed()), pytest.raises(Postponed, match="for a test"):
            ask(provider, protocol)

        assert provider.requests == []

    def test_calls_through_the_gate_until_the_last_piece_is_there(self, provider, protocol):
        events: list[str] = []

        class Book:
            @contextmanager
            def passing(self, host: str, *, seconds: float):
                events.append("out")
                yield
                events.append("back")

            def asked_to_wait(self, host: str, *, seconds: float) -> None: ...

        with through(Book()):
            url = url_of(provider, protocol)
            call(request(protocol, url), seconds=20, on_text=lambda _: events.append("text"))

        assert (events[0], events[-1]) == ("out", "back")
        assert "text" in events

    @pytest.mark.parametrize("base_url", ["models", "ftp://models.example.com", "https://user:pw@models.example.com"])
    def test_refuses_what_is_no_address(self, protocol, base_url):
        with pytest.raises(NodeError) as caught:
            call(request(protocol, base_url), seconds=20)

        assert (caught.value.code, caught.value.details["was_sent"]) == ("bad_url", False)

    def test_refuses_a_key_that_could_end_its_header(self, provider, protocol):
        with pytest.raises(NodeError) as caught:
            ask(provider, protocol, api_key="one\r\nX-Two: 2")

        assert caught.value.code == "bad_request"
        assert provider.requests == []

    def test_says_when_nobody_is_there(self, protocol):
        with Server(lambda *_: None) as server:
            url = server.url("")

        with pytest.raises(NodeError) as caught:
            call(request(protocol, url), seconds=20)

        assert (caught.value.code, caught.value.retryable) == ("connect", True)
        assert caught.value.details["was_sent"] is False


@both
class TestCancel:
    @in_either_way
    def test_ends_a_call_at_once(self, protocol, on_text):
        cancel = Cancel()

        def handle(connection, _):
            read_request(connection)
            threading.Timer(0.1, cancel.cancel).start()
            connection.recv(1)

        with Server(handle) as server, abandonable(cancel), pytest.raises(Cancelled):
            call(request(protocol, server.url("")), seconds=60, on_text=on_text)

    def test_ends_a_stream_at_once(self, provider, protocol):
        provider.play({"answers": [says("word " * 1000, chunk_chars=5, chunk_delay_seconds=0.05)]})
        cancel, pieces = Cancel(), []

        def listen(piece: str) -> None:
            pieces.append(piece)
            if len(pieces) == 3:
                # From another thread, while this one waits for the next piece.
                threading.Timer(0.01, cancel.cancel).start()

        started = time.monotonic()
        with abandonable(cancel), pytest.raises(Cancelled):
            call(request(protocol, url_of(provider, protocol)), seconds=60, on_text=listen)

        assert len(pieces) < 20
        assert time.monotonic() - started < 20

    def test_leaves_the_next_call_alone(self, provider, protocol):
        self.test_ends_a_stream_at_once(provider, protocol)

        provider.play({"answers": [says("Here.")]})
        assert ask(provider, protocol).finish_reason == "stop"


@both
class TestTime:
    @in_either_way
    def test_is_limited(self, provider, protocol, on_text):
        provider.play({"answers": [{"hang": True}]})

        with pytest.raises(NodeError, match="in time") as caught:
            call(request(protocol, url_of(provider, protocol)), seconds=0.3, on_text=on_text)

        assert (caught.value.code, caught.value.retryable) == ("model_timeout", True)
        assert caught.value.details["was_sent"] is True

    def test_is_limited_for_a_stream_that_drips(self, provider, protocol):
        provider.play({"answers": [says("word " * 1000, chunk_delay_seconds=0.02)]})

        with pytest.raises(NodeError) as caught:
            call(request(protocol, url_of(provider, protocol)), seconds=0.5, on_text=lambda _: None)

        assert caught.value.code == "model_timeout"

    def test_that_is_over_sends_nothing(self, provider, protocol):
        with pytest.raises(NodeError) as caught:
            call(request(protocol, url_of(provider, protocol)), seconds=-1)

        assert (caught.value.code, caught.value.details["was_sent"]) == ("model_timeout", False)
        assert provider.requests == []

    def test_beyond_the_doors_own_limit_is_that_limit(self, provider, protocol):
        assert call(request(protocol, url_of(provider, protocol)), seconds=86400).parts


class TestListener:
    @both
    def test_that_fails_ends_the_call(self, provider, protocol):
        def listen(_: str) -> None:
            raise RuntimeError("Nobody wants it any more.")

        with pytest.raises(RuntimeError, match="any more"):
            call(request(protocol, url_of(provider, protocol)), seconds=20, on_text=listen)

    @both
    def test_is_not_needed_to_call_tools(self, provider, protocol):
        provider.play({"answers": [{"tool_calls": [{"name": "add", "arguments": {}}]}]})

        answer, pieces = ask_in_pieces(provider, protocol, tools=[ADD])

        assert answer.parts[0]["arguments"] == {}
        assert pieces == []


class TestThreads:
    def test_call_at_once_without_mixing_answers(self, provider):
        answers: dict[str, str] = {}

        def talk(protocol: str, number: int) -> None:
            text = f"{protocol} {number} " * 20
            answer, pieces = ask_in_pieces(provider, protocol, text)
            assert "".join(pieces) == text
            answers[text] = text_in(answer.parts)

        threads = [threading.Thread(target=talk, args=(protocol, n)) for protocol in PROTOCOLS for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert len(answers) == 12
        assert all(text == answer for text, answer in answers.items())

    @both
    def test_are_not_left_behind(self, provider, protocol):
        ask(provider, protocol)
        before = {thread for thread in threading.enumerate() if "provider" not in thread.name}

        ask_in_pieces(provider, protocol)

        started = {thread.name for thread in set(threading.enumerate()) - before}
        assert not [name for name in started if "AnyIO" in name or "asyncio" in name]
