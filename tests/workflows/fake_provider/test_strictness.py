"""Requests that a real provider refuses are refused, in its words: so mistakes are found before a real one finds them."""

from __future__ import annotations

import pytest

from tests.providers import FakeProvider, says
from tests.workflows.fake_provider.asking import ANTHROPIC_KEY, CHAT, MESSAGES, OPENAI_KEY, ask, user
from workflows.fake_provider.signatures import sign


def function(**more) -> dict:
    return {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}, **more}}


def call(call_id: str) -> dict:
    return {
        "role": "assistant",
        "tool_calls": [{"id": call_id, "type": "function", "function": {"name": "add", "arguments": "{}"}}],
    }


def result(call_id: str) -> dict:
    return {"role": "tool", "tool_call_id": call_id, "content": "2"}


def wanted(schema: dict, **more) -> dict:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, **more}}}


OPENAI = {"model": "any", "messages": [user("Hello")]}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}


class TestOpenai:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"model": None}, "you must provide a model parameter"),
            ({"messages": None}, "Missing required parameter: 'messages'"),
            ({"messages": []}, "Invalid 'messages': empty array"),
            ({"messages": ["Hello"]}, "Invalid type for 'messages[0]'"),
            ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
            ({"messages": [{"role": "user", "content": None}]}, "expected a string, got null"),
            ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "Invalid value: 'video'"),
            ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
            (
                {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "/a.png"}}]}]},
                "Invalid 'image_url'",
            ),
            ({"messages": [user("?"), result("1")]}, "must be a response to a preceeding message with 'tool_calls'"),
            ({"messages": [user("?"), call("1"), result("2")]}, "must be a response to a preceeding message"),
            ({"messages": [user("?"), call("1"), result("1"), result("1")]}, "must be a response to a preceeding"),
            ({"messages": [user("?"), call("1")]}, "did not have response messages: 1"),
            ({"messages": [user("?"), call("1"), user("Well?")]}, "did not have response messages: 1"),
            ({"messages": [{**user("?"), "tool_calls": []}]}, "Unknown parameter"),
            ({"max_tokens": 0}, "Invalid 'max_tokens'"),
            ({"max_tokens": 5, "max_completion_tokens": 5}, "at the same time is not supported"),
            ({"temperature": 3}, "Invalid 'temperature'"),
            ({"n": 2}, "Invalid 'n'"),
            ({"stream": "yes"}, "Invalid type for 'stream'"),
            ({"stream_options": {"include_usage": True}}, "only allowed when 'stream' is enabled"),
            ({"max_output_tokens": 5}, "Unrecognized request argument supplied: max_output_tokens"),
            ({"tools": []}, "Invalid 'tools': empty array"),
            ({"tools": [{"name": "add"}]}, "Missing required parameter: 'tools[0].function'"),
            ({"tools": [function(name="add two")]}, "string does not match pattern"),
            ({"tools": [function(name="a" * 65)]}, "string does not match pattern"),
            ({"tools": [function(parameters={})]}, "got 'type: \"None\"'"),
            (
                {"tools": [function(parameters={"type": "object", "properties": []})]},
                "Invalid schema for function 'add'",
            ),
            (
                {"tools": [function(parameters={"type": "object", "required": "a"})]},
                "Invalid schema for function 'add'",
            ),
            ({"tools": [function(parameters=LOOSE, strict=True)]}, "'additionalProperties' is required"),
            (
                {"tools": [function(parameters={**LOOSE, "additionalProperties": False}, strict=True)]},
                "Missing 'a'",
            ),
            ({"tool_choice": "auto"}, "only allowed when 'tools' are specified"),
            (
                {"tools": [function()], "tool_choice": {"type": "function", "function": {"name": "sub"}}},
                "no such function",
            ),
            ({"response_format": {"type": "xml"}}, "Invalid value for 'response_format.type'"),
            ({"response_format": {"type": "json_object"}}, "must contain the word 'json'"),
            ({"response_format": {"type": "json_schema"}}, "'response_format.json_schema'"),
            (wanted({"type": "nothing"}), "Invalid schema for response_format 'out'"),
            (wanted(LOOSE, strict=True), "'additionalProperties' is required"),
        ],
    )
    def test_refuses_what_is_wrong(self, openai_provider, changes, said):
        body = {name: value for name, value in {**OPENAI, **changes}.items() if value is not None}
        answer = ask(openai_provider, CHAT, body)

        assert answer.status == 400
        assert set(answer.json["error"]) == {"message", "type", "param", "code"}
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert said in answer.json["error"]["message"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"messages": [{"role": "developer", "content": "Be nice."}, user("a"), user("b")]},
            {"messages": [user("?"), call("1"), result("1"), {"role": "assistant", "content": "Yes."}, user("!")]},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}]}]},
            {"tools": [function()], "tool_choice": "required"},
            {"tools": [function()], "tool_choice": "none"},
            {"response_format": {"type": "text"}},
            {"messages": [user("As JSON.")], "response_format": {"type": "json_object"}},
            {"temperature": 0, "top_p": 1, "seed": 1, "stop": ["x"], "user": "somebody", "max_completion_tokens": 9},
        ],
    )
    def test_takes_what_is_right(self, openai_provider, changes):
        answer = ask(openai_provider, CHAT, {**OPENAI, **changes})

        assert answer.status == 200, answer.text

    @pytest.mark.parametrize("headers", [{}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}])
    def test_wants_a_key(self, openai_provider, headers):
        answer = ask(openai_provider, CHAT, OPENAI, headers=headers)

        assert answer.status == 401
        assert "You didn't provide an API key" in answer.json["error"]["message"]

    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b""])
    def test_wants_json(self, openai_provider, body):
        answer = ask(openai_provider, CHAT, body, headers=OPENAI_KEY)

        assert answer.status == 400
        assert "could not parse the JSON body" in answer.json["error"]["message"]


def tool(**more) -> dict:
    return {"name": "add", "input_schema": {"type": "object"}, **more}


def blocks(role: str, *content: dict) -> dict:
    return {"role": role, "content": list(content)}


def text(said: str) -> dict:
    return {"type": "text", "text": said}


def use(call_id: str) -> dict:
    return {"type": "tool_use", "id": call_id, "name": "add", "input": {}}


def tool_result(call_id: str, **more) -> dict:
    return {"type": "tool_result", "tool_use_id": call_id, "content": "2", **more}


def thought(signature: str) -> dict:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}


ASSISTANT = {"role": "assistant", "content": "Yes."}
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000}
ANTHROPIC = {"model": "any", "max_tokens": 100, "messages": [user("Hello")]}


class TestAnthropic:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"model": None}, "model: Field required"),
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"max_tokens": 0}, "max_tokens: Input should be greater"),
            ({"messages": None}, "messages: Field required"),
            ({"messages": []}, "messages: at least one message is required"),
            ({"messages": [{"role": "system", "content": "x"}]}, 'Unexpected role "system"'),
            (
                {"messages": [{"role": "tool", "content": "x"}]},
                "messages.0.role: Input should be 'user' or 'assistant'",
            ),
            ({"messages": [ASSISTANT]}, 'first message must use the "user" role'),
            ({"messages": [user("a"), user("b")]}, "roles must alternate"),
            ({"messages": [user("")]}, "must have non-empty content"),
            ({"messages": [blocks("user")]}, "must have non-empty content"),
            ({"messages": [blocks("user", text("a"), text(""))]}, "text content blocks must be non-empty"),
            ({"messages": [user("  ")]}, "must contain non-whitespace text"),
            ({"messages": [{**user("a"), "name": "b"}]}, "messages.0.name: Extra inputs are not permitted"),
            ({"messages": [blocks("user", use("1"))]}, "messages.0.content.0: Input tag 'tool_use'"),
            ({"messages": [blocks("user", {"type": "image"})]}, "messages.0.content.0.image.source"),
            ({"messages": [user("a"), {**ASSISTANT, "content": "Yes. "}]}, "cannot end with trailing whitespace"),
            ({"messages": [blocks("user", tool_result("1"))]}, "messages.0.content.0: unexpected `tool_use_id`"),
            (
                {"messages": [user("a"), blocks("assistant", use("1")), blocks("user", tool_result("2"))]},
                "messages.2.content.0: unexpected `tool_use_id` found in `tool_result` blocks: 2",
            ),
            (
                {"messages": [user("a"), blocks("assistant", use("1")), user("b")]},
                "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: 1",
            ),
            (
                {"messages": [user("a"), blocks("assistant", use("1")), blocks("user", text("b"), tool_result("1"))]},
                "without `tool_result` blocks immediately after: 1",
            ),
            ({"messages": [user("a"), blocks("assistant", use("1"))]}, "without `tool_result` blocks"),
            (
                {
                    "messages": [
                        *(user("a"), blocks("assistant", use("1"))),
                        blocks("user", tool_result("1"), tool_result("1")),
                    ]
                },
                "must have a single result",
            ),
            ({"messages": [user("a"), blocks("assistant", use("1"), use("1"))]}, "ids must be unique"),
            ({"messages": [user("a"), blocks("assistant", use("add:1"))]}, "tool_use.id: String should match pattern"),
            ({"messages": [user("a"), blocks("assistant", thought("forged"))]}, "Invalid `signature` in `thinking`"),
            ({"tools": [tool(name="add two")]}, "tools.0.custom.name: String should match pattern"),
            ({"tools": [tool(), tool()]}, "Tool names must be unique"),
            ({"tools": [{"name": "add"}]}, "tools.0.custom.input_schema: Field required"),
            ({"tools": [tool(input_schema={})]}, "tools.0.custom.input_schema.type: Field required"),
            ({"tools": [tool(input_schema={"type": "string"})]}, "input_schema.type: Input should be 'object'"),
            ({"tools": [tool(input_schema={"type": "object", "required": 1})]}, "JSON schema is invalid"),
            ({"tool_choice": {"type": "auto"}}, "only be specified while providing tools"),
            ({"tools": [tool()], "tool_choice": {"type": "tool", "name": "sub"}}, "Tool 'sub' not found"),
            ({"tools": [tool()], "tool_choice": "any"}, "tool_choice: Input tag"),
            ({"system": [{"type": "image"}]}, "system.0.type: Input should be 'text'"),
            ({"temperature": 1.5}, "temperature: range: 0..1"),
            ({"stream": 1}, "stream: Input should be a valid boolean"),
            ({"response_format": {"type": "text"}}, "response_format: Extra inputs are not permitted"),
            ({"output_config": {"format": {"type": "text"}}}, "Input should be 'json_schema'"),
            ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "greater than or equal to 1024"),
            ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "`max_tokens` must be greater"),
            ({**THINKING, "temperature": 0}, "may only be set to 1 when thinking"),
            ({**THINKING, "tools": [tool()], "tool_choice": {"type": "any"}}, "Thinking may not be enabled when"),
            (
                {
                    **THINKING,
                    "messages": [user("a"), blocks("assistant", use("1")), blocks("user", tool_result("1"))],
                },
                "Expected `thinking` or `redacted_thinking`, but found `tool_use`",
            ),
        ],
    )
    def test_refuses_what_is_wrong(self, anthropic_provider, changes, said):
        body = {name: value for name, value in {**ANTHROPIC, **changes}.items() if value is not None}
        answer = ask(anthropic_provider, MESSAGES, body)

        assert answer.status == 400
        assert answer.json["type"] == "error"
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert said in answer.json["error"]["message"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"messages": [user("a"), ASSISTANT, user("b")]},
            {"messages": [user("a"), ASSISTANT]},
            {
                "messages": [
                    *(user("a"), blocks("assistant", use("1"), use("2"))),
                    blocks("user", tool_result("2"), tool_result("1", is_error=True), text("Well?")),
                ]
            },
            {
                **THINKING,
                "messages": [
                    *(user("a"), blocks("assistant", thought(sign("Hm.")), use("1"))),
                    blocks("user", tool_result("1")),
                ],
            },
            {"tools": [tool()], "tool_choice": {"type": "any"}},
            {"system": [text("Be nice.")], "stop_sequences": ["x"], "metadata": {"user_id": "1"}, "temperature": 1},
        ],
    )
    def test_takes_what_is_right(self, anthropic_provider, changes):
        answer = ask(anthropic_provider, MESSAGES, {**ANTHROPIC, **changes})

        assert answer.status == 200, answer.text

    def test_wants_a_key(self, anthropic_provider):
        answer = ask(anthropic_provider, MESSAGES, ANTHROPIC, headers={"anthropic-version": "2023-06-01"})

        assert answer.status == 401
        assert answer.json["error"] == {"type": "authentication_error", "message": "x-api-key header is required"}

    def test_wants_a_version(self, anthropic_provider):
        headers = {name: value for name, value in ANTHROPIC_KEY.items() if name == "x-api-key"}
        answer = ask(anthropic_provider, MESSAGES, ANTHROPIC, headers=headers)

        assert answer.status == 400
        assert "anthropic-version: header is required" in answer.json["error"]["message"]


@pytest.fixture(scope="module")
def openai_provider():
    with FakeProvider({"default": says("Fine.")}) as provider:
        yield provider


@pytest.fixture(scope="module")
def anthropic_provider():
    with FakeProvider({"default": says("Fine.")}) as provider:
        yield provider
