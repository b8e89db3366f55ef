"""What goes wrong on the way, as it goes wrong with real providers."""

from __future__ import annotations

import http.client
import json
import threading
import time

import anthropic
import httpx2
import openai
import pytest

from tests.providers import FakeProvider, says
from tests.workflows.fake_provider.asking import CHAT, MESSAGES, anthropic_client, ask, openai_client, user

ASKED = {"model": "any", "max_tokens": 100, "messages": [user("Hello")]}
BOTH = pytest.mark.parametrize("path", [CHAT, MESSAGES])


def malformed(arguments: str) -> dict:
    return {"tool_calls": [{"name": "add", "malformed": arguments}]}


class TestMalformedArguments:
    def test_come_as_they_stand(self):
        with FakeProvider({"default": malformed('{"a": ')}) as provider:
            answer = openai_client(provider).chat.completions.create(**ASKED)

        assert answer.choices[0].message.tool_calls[0].function.arguments == '{"a": '

    def test_come_in_pieces(self):
        with FakeProvider({"default": {**malformed('{"a": nonsense'), "chunk_chars": 4}}) as provider:
            events = list(anthropic_client(provider).messages.create(**ASKED, stream=True))

        deltas = [event.delta.partial_json for event in events if event.type == "content_block_delta"]
        assert "".join(deltas) == '{"a": nonsense'


class TestCuts:
    @BOTH
    def test_end_a_stream_in_the_middle(self, path):
        script = {"default": says("One two three four five.", chunk_chars=4, cut_after_chunks=4)}
        with FakeProvider(script) as provider:
            with pytest.raises(http.client.IncompleteRead) as caught:
                ask(provider, path, {**ASKED, "stream": True})
            request = provider.requests[0]

        assert caught.value.partial.count(b"data: ") == 4
        assert (request.status, request.is_complete) == (200, False)

    @BOTH
    def test_end_a_body_in_the_middle(self, path):
        with (
            FakeProvider({"default": says("One.", cut_after_chunks=0)}) as provider,
            pytest.raises(http.client.IncompleteRead),
        ):
            ask(provider, path, ASKED)

    def test_are_seen_by_the_real_clients(self):
        with FakeProvider({"default": says("One two three four.", chunk_chars=4, cut_after_chunks=4)}) as provider:
            with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
                list(openai_client(provider).chat.completions.create(**ASKED, stream=True))
            with pytest.raises((anthropic.APIConnectionError, httpx2.RemoteProtocolError)):
                list(anthropic_client(provider).messages.create(**ASKED, stream=True))


class TestInvalidJson:
    @BOTH
    def test_is_half_an_answer(self, path):
        with FakeProvider({"default": says("One.", invalid_json=True)}) as provider:
            answer = ask(provider, path, ASKED)

        assert answer.status == 200
        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.text)

    @BOTH
    def test_is_half_an_event(self, path):
        with FakeProvider({"default": says("One.", invalid_json=True)}) as provider:
            answer = ask(provider, path, {**ASKED, "stream": True})

        with pytest.raises(json.JSONDecodeError):
            json.loads(answer.text.partition("data: ")[2])


class TestHanging:
    def test_is_written_down_and_never_answered(self):
        with FakeProvider({"default": {"hang": True}}) as provider:
            with pytest.raises(TimeoutError):
                ask(provider, CHAT, ASKED, timeout=0.3)
            request = provider.requests[0]

        assert (request.status, request.is_complete) == (None, False)

    def test_ends_when_the_provider_stops(self):
        provider = FakeProvider({"default": {"hang": True}})
        provider.start()
        ended = threading.Event()

        def wait() -> None:
            with pytest.raises((http.client.HTTPException, OSError)):
                ask(provider, CHAT, ASKED, timeout=60)
            ended.set()

        threading.Thread(target=wait, daemon=True).start()
        until = time.monotonic() + 10
        while not provider.requests and time.monotonic() < until:
            time.sleep(0.01)
        provider.stop()

        assert ended.wait(10)


class TestTakingTime:
    def test_comes_before_the_answer(self):
        with FakeProvider({"default": says("One.", latency_seconds=0.3)}) as provider:
            begun = time.monotonic()
            answer = ask(provider, CHAT, ASKED)
            took = time.monotonic() - begun

        assert answer.status == 200
        assert took >= 0.3

    def test_comes_between_the_pieces(self):
        script = {"default": says("12345", chunk_chars=1, chunk_delay_seconds=0.05)}
        with FakeProvider(script) as provider:
            begun = time.monotonic()
            ask(provider, CHAT, {**ASKED, "stream": True})
            took = time.monotonic() - begun

        assert took >= 0.05 * 7  # The head, five pieces, the end; and the mark after it.


class TestFinish:
    @pytest.mark.parametrize(
        ("finish", "openais", "anthropics"),
        [
            ("length", "length", "max_tokens"),
            ("content_filter", "content_filter", "refusal"),
            ("stop", "stop", "end_turn"),
        ],
    )
    def test_is_said_in_each_protocols_words(self, finish, openais, anthropics):
        with FakeProvider({"default": says("One", finish=finish)}) as provider:
            assert ask(provider, CHAT, ASKED).json["choices"][0]["finish_reason"] == openais
            assert ask(provider, MESSAGES, ASKED).json["stop_reason"] == anthropics


class TestBodies:
    def test_that_are_too_large_are_refused(self):
        with FakeProvider() as provider:
            connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
            connection.putrequest("POST", CHAT)
            connection.putheader("Content-Length", str(33 * 1024 * 1024))
            connection.endheaders()
            status = connection.getresponse().status
            connection.close()

        assert status == 413

    def test_without_a_length_are_refused(self):
        with FakeProvider() as provider:
            connection = http.client.HTTPConnection("127.0.0.1", provider.port, timeout=10)
            connection.putrequest("POST", CHAT)
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders()  # Refused already: what came after it might meet a closed door.
            status = connection.getresponse().status
            connection.close()

        assert status == 411
