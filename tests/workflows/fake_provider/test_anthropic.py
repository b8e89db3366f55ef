"""The protocol of Anthropic, as Anthropic's own client sees it."""

from __future__ import annotations

import json

import anthropic
import pytest

from tests.providers import FakeProvider, calls, fails, says
from tests.workflows.fake_provider.asking import MESSAGES, anthropic_client, ask, user

ADD = {
    "name": "add",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
}
ASKED = {"model": "any", "max_tokens": 4096, "messages": [user("Hello")]}


class TestAnswers:
    def test_echo_without_a_script(self):
        with FakeProvider() as provider:
            answer = anthropic_client(provider).messages.create(**ASKED)

        assert answer.content[0].text == "Hello"
        assert answer.stop_reason == "end_turn"
        assert answer.usage.input_tokens > 0

    def test_call_tools_and_go_on_from_their_results(self):
        script = {"rules": [{"turns": [calls("add", a=1), says("It is {{ result }}.")]}]}
        with FakeProvider(script) as provider:
            client = anthropic_client(provider)
            asked = client.messages.create(**ASKED, tools=[ADD])
            call = asked.content[0]
            result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "2"}]}
            messages = [
                user("Hello"),
                {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in asked.content]},
                {"role": "user", "content": [result]},
            ]
            told = client.messages.create(**{**ASKED, "messages": messages}, tools=[ADD])

        assert (call.name, call.input) == ("add", {"a": 1})
        assert asked.stop_reason == "tool_use"
        assert told.content[0].text == "It is 2."

    def test_fit_the_schema_that_was_asked_for(self):
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        with FakeProvider() as provider:
            answer = anthropic_client(provider).messages.create(
                **ASKED, output_config={"format": {"type": "json_schema", "schema": schema}}
            )

        assert json.loads(answer.content[0].text) == {"city": "Hello"}

    def test_tell_what_was_used_as_the_script_says(self):
        usage = {"input_tokens": 100, "output_tokens": 50, "cached_input_tokens": 40, "cache_write_tokens": 10}
        with FakeProvider({"answers": [says("Yes.", usage=usage)]}) as provider:
            used = anthropic_client(provider).messages.create(**ASKED).usage

        assert (used.input_tokens, used.cache_read_input_tokens, used.cache_creation_input_tokens) == (50, 40, 10)
        assert used.output_tokens == 50

    def test_list_the_models(self):
        with FakeProvider({"models": ["large", "small"]}) as provider:
            client = anthropic_client(provider)

            assert [model.id for model in client.models.list()] == ["large", "small"]
            with pytest.raises(anthropic.NotFoundError):
                client.messages.create(**{**ASKED, "model": "tiny"})


class TestStreams:
    def test_bring_every_kind_of_event(self):
        said = {**calls("add", a=1), "text": "One.", "thinking": "Let me see.", "chunk_chars": 6}
        with FakeProvider({"answers": [said]}) as provider:
            text = ask(provider, MESSAGES, {**ASKED, "stream": True, "tools": [ADD]}).text

        events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
        kinds = [event.get("delta", {}).get("type") or event["type"] for event in events]
        assert kinds == [
            *("message_start", "content_block_start", "ping"),
            *("thinking_delta", "thinking_delta", "signature_delta", "content_block_stop"),
            *("content_block_start", "text_delta", "content_block_stop"),
            *("content_block_start", "input_json_delta", "input_json_delta", "input_json_delta", "content_block_stop"),
            *("message_delta", "message_stop"),
        ]

    def test_are_put_together_by_the_client(self):
        said = {**calls("add", a=1), "text": "One.", "thinking": "Let me see.", "chunk_chars": 3}
        usage = {"input_tokens": 9, "output_tokens": 8, "reasoning_tokens": 5, "cached_input_tokens": 2}
        with (
            FakeProvider({"answers": [{**said, "usage": usage}]}) as provider,
            anthropic_client(provider).messages.stream(**ASKED, tools=[ADD]) as stream,
        ):
            message = stream.get_final_message()

        thought, text, call = message.content
        assert (thought.thinking, text.text, call.input) == ("Let me see.", "One.", {"a": 1})
        assert thought.signature
        assert message.stop_reason == "tool_use"
        assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 8)
        assert message.usage.output_tokens_details.thinking_tokens == 5

    def test_begin_with_what_came_in_and_end_with_what_went_out(self):
        usage = {"input_tokens": 9, "output_tokens": 8}
        with FakeProvider({"answers": [says("One.", usage=usage)]}) as provider:
            events = list(anthropic_client(provider).messages.create(**ASKED, stream=True))

        assert (events[0].message.usage.input_tokens, events[0].message.usage.output_tokens) == (9, 1)
        assert events[-2].usage.output_tokens == 8


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "error", "kind"),
        [
            (400, anthropic.BadRequestError, "invalid_request_error"),
            (401, anthropic.AuthenticationError, "authentication_error"),
            (429, anthropic.RateLimitError, "rate_limit_error"),
            (500, anthropic.InternalServerError, "api_error"),
            (529, anthropic.OverloadedError, "overloaded_error"),
        ],
    )
    def test_are_those_of_the_protocol(self, status, error, kind):
        with FakeProvider({"answers": [fails(status, message="No.")]}) as provider, pytest.raises(error) as caught:
            anthropic_client(provider).messages.create(**ASKED)

        assert caught.value.body["error"] == {"type": kind, "message": "No."}

    def test_say_when_to_come_back(self):
        with FakeProvider({"answers": [fails(429, retry_after=0.01), says("Now.")]}) as provider:
            answer = anthropic_client(provider, retries=1).messages.create(**ASKED)

            assert answer.content[0].text == "Now."
            assert [request.status for request in provider.requests] == [429, 200]

    def test_come_within_a_stream(self):
        broken = says("One two three four.", chunk_chars=4, error={"status": 529}, error_after_chunks=4)
        with FakeProvider({"answers": [broken]}) as provider:
            stream = anthropic_client(provider).messages.create(**ASKED, stream=True)
            with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
                list(stream)
