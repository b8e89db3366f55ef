"""The protocol of OpenAI, as OpenAI's own client sees it."""

from __future__ import annotations

import json

import openai
import pytest

from tests.providers import FakeProvider, calls, fails, says
from tests.workflows.fake_provider.asking import CHAT, ask, openai_client, user

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "size": {"type": "integer"}},
    "required": ["city", "size"],
    "additionalProperties": False,
}


class TestAnswers:
    def test_echo_without_a_script(self):
        with FakeProvider() as provider:
            answer = openai_client(provider).chat.completions.create(model="any", messages=[user("Hello")])

        assert answer.choices[0].message.content == "Hello"
        assert answer.choices[0].finish_reason == "stop"
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0

    def test_are_those_of_the_script(self):
        with FakeProvider({"answers": [says("One."), says("Two.")]}) as provider:
            client = openai_client(provider)
            answers = [
                client.chat.completions.create(model="any", messages=[user("Count")]).choices[0].message.content
                for _ in range(3)
            ]

        assert answers == ["One.", "Two.", "Count"]

    def test_call_tools_and_go_on_from_their_results(self):
        script = {
            "rules": [
                {"when": {"tool_results": 0}, "answer": calls("add", a=1)},
                {"when": {"tool_results": 1}, "answer": says("It is {{ result }}.")},
            ]
        }
        with FakeProvider(script) as provider:
            client = openai_client(provider)
            asked = client.chat.completions.create(model="any", messages=[user("Add")], tools=[ADD])
            call = asked.choices[0].message.tool_calls[0]
            told = client.chat.completions.create(
                model="any",
                tools=[ADD],
                messages=[
                    user("Add"),
                    {"role": "assistant", "tool_calls": [call.model_dump()]},
                    {"role": "tool", "tool_call_id": call.id, "content": "2"},
                ],
            )

        assert (call.function.name, json.loads(call.function.arguments)) == ("add", {"a": 1})
        assert asked.choices[0].finish_reason == "tool_calls"
        assert asked.choices[0].message.content is None
        assert told.choices[0].message.content == "It is 2."

    def test_fit_the_schema_that_was_asked_for(self):
        wanted = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}
        with FakeProvider() as provider:
            answer = openai_client(provider).chat.completions.create(
                model="any", messages=[user("Berlin")], response_format=wanted
            )

        assert json.loads(answer.choices[0].message.content) == {"city": "Berlin", "size": 0}

    def test_tell_what_was_used_as_the_script_says(self):
        usage = {
            **{"input_tokens": 100, "output_tokens": 50},
            **{"cached_input_tokens": 40, "cache_write_tokens": 10, "reasoning_tokens": 20},
        }
        with FakeProvider({"answers": [says("Yes.", usage=usage)]}) as provider:
            used = openai_client(provider).chat.completions.create(model="any", messages=[user("?")]).usage

        assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (100, 50, 150)
        assert used.prompt_tokens_details.cached_tokens == 40
        assert used.prompt_tokens_details.cache_write_tokens == 10
        assert used.completion_tokens_details.reasoning_tokens == 20

    def test_list_the_models(self):
        with FakeProvider({"models": ["large", "small"]}) as provider:
            client = openai_client(provider)

            assert [model.id for model in client.models.list()] == ["large", "small"]
            with pytest.raises(openai.NotFoundError, match="`tiny` does not exist"):
                client.chat.completions.create(model="tiny", messages=[user("?")])


class TestStreams:
    def test_bring_text_in_pieces_and_the_usage_at_the_end(self):
        with FakeProvider({"answers": [says("One two three.", chunk_chars=4)]}) as provider:
            chunks = list(
                openai_client(provider).chat.completions.create(
                    model="any", messages=[user("?")], stream=True, stream_options={"include_usage": True}
                )
            )

        pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
        assert pieces == ["", "One ", "two ", "thre", "e.", None]
        assert [chunk.usage is None for chunk in chunks] == [True] * 6 + [False]

    def test_say_nothing_of_usage_that_nobody_asked_for(self):
        with FakeProvider() as provider:
            text = ask(provider, CHAT, {"model": "any", "messages": [user("?")], "stream": True}).text

        assert "usage" not in text
        assert text.endswith("data: [DONE]\n\n")

    def test_bring_thoughts_and_the_arguments_of_several_calls_in_pieces(self):
        two = {"tool_calls": [*calls("add", a=1)["tool_calls"], *calls("add", a=2)["tool_calls"]]}
        with (
            FakeProvider({"answers": [{**two, "thinking": "Let me see.", "chunk_chars": 3}]}) as provider,
            openai_client(provider).chat.completions.stream(model="any", messages=[user("?")], tools=[ADD]) as stream,
        ):
            events = list(stream)
            message = stream.get_final_completion().choices[0].message

        assert [json.loads(call.function.arguments) for call in message.tool_calls] == [{"a": 1}, {"a": 2}]
        assert len({call.id for call in message.tool_calls}) == 2
        assert message.reasoning_content == "Let me see."
        assert sum(event.type == "tool_calls.function.arguments.delta" for event in events) > 4


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "error", "code"),
        [
            (400, openai.BadRequestError, None),
            (401, openai.AuthenticationError, "invalid_api_key"),
            (429, openai.RateLimitError, "rate_limit_exceeded"),
            (500, openai.InternalServerError, None),
        ],
    )
    def test_are_those_of_the_protocol(self, status, error, code):
        with FakeProvider({"answers": [fails(status, message="No.")]}) as provider, pytest.raises(error) as caught:
            openai_client(provider).chat.completions.create(model="any", messages=[user("?")])

        assert caught.value.body["message"] == "No."
        assert caught.value.code == code

    def test_say_when_to_come_back(self):
        with FakeProvider({"answers": [fails(429, retry_after=0.01), says("Now.")]}) as provider:
            answer = openai_client(provider, retries=1).chat.completions.create(model="any", messages=[user("?")])

            assert answer.choices[0].message.content == "Now."
            assert [request.status for request in provider.requests] == [429, 200]

    def test_come_within_a_stream(self):
        broken = says("One two three four.", chunk_chars=4, error={"status": 500}, error_after_chunks=3)
        with FakeProvider({"answers": [broken]}) as provider:
            stream = openai_client(provider).chat.completions.create(model="any", messages=[user("?")], stream=True)
            with pytest.raises(openai.APIError, match="had an error"):
                list(stream)
