"""Calls over real HTTP, to a provider that checks what it is sent as the real ones do."""

from __future__ import annotations

import pytest

from tests.providers import calls, says
from tests.workflows.llm.asking import ADD, CITY, PROTOCOLS, ask, ask_in_pieces
from workflows.llm.messages import (
    assistant_message,
    text_in,
    tool_calls_in,
    tool_message,
    tool_result,
    user_message,
)
from workflows.nodes.base import NodeError

both = pytest.mark.parametrize("protocol", PROTOCOLS)
THINKS = {"thinking": "One and two.", "text": "I add.", "tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}]}


@both
class TestAnswer:
    def test_has_text_usage_and_what_the_provider_calls_it(self, provider, protocol):
        used = {"input_tokens": 120, "output_tokens": 30, "cached_input_tokens": 100, "cache_write_tokens": 10}
        provider.play({"answers": [says("Bern.", usage={**used, "reasoning_tokens": 20})]})

        answer = ask(provider, protocol, "Which city?")

        assert answer.parts == [{"type": "text", "text": "Bern."}]
        assert answer.usage == {**used, "reasoning_tokens": 20}
        assert answer.finish_reason == "stop"
        assert answer.model == provider.requests[0].body["model"]
        assert answer.response_id
        assert answer.to_json()["parts"] == answer.parts

    def test_comes_in_pieces_if_somebody_listens(self, provider, protocol):
        provider.play({"answers": [says("Bern is the one.", thinking="Let me see.", chunk_chars=5)]})

        answer, pieces = ask_in_pieces(provider, protocol)

        assert len(pieces) > 2
        assert "".join(pieces) == text_in(answer.parts) == "Bern is the one."
        assert answer.usage["output_tokens"] > 0

    def test_says_if_it_was_cut_at_the_limit(self, provider, protocol):
        provider.play({"answers": [says("Once upon", finish="length")]})

        assert ask(provider, protocol).finish_reason == "length"

    @pytest.mark.parametrize("nothing", [[], [{"type": "text", "text": ""}], [{"type": "text", "text": " \n"}]])
    def test_that_said_nothing_is_no_turn_of_the_conversation(self, provider, protocol, nothing):
        provider.play({"answers": [says("Yes.")]})

        ask(provider, protocol, user_message("There?"), assistant_message(nothing), user_message("Hello?"))

        assert [each["role"] for each in provider.requests[0].body["messages"]].count("assistant") == 0

    def test_may_be_empty(self, provider, protocol):
        provider.play({"answers": [says("")]})

        assert ask(provider, protocol).parts == []


class TestCallIds:
    def test_of_another_server_become_such_as_anthropic_takes(self, provider):
        provider.play({"answers": [says("Three.")]})
        made = [
            {"type": "tool_call", "id": "functions.add:0", "name": "add", "arguments": {"a": each}} for each in (1, 2)
        ]
        turn = [assistant_message(made), tool_message([tool_result(made[0], "One."), tool_result(made[1], "Two.")])]

        ask(provider, "anthropic", user_message("Add."), *turn, *turn, tools=[ADD])

        blocks = [block for message in provider.requests[0].body["messages"] for block in message["content"]]
        called = {block["id"]: block["input"]["a"] for block in blocks if block["type"] == "tool_use"}
        came = {block["tool_use_id"]: block["content"][0]["text"] for block in blocks if block["type"] == "tool_result"}
        assert list(called) == ["functions_add_0", "functions_add_0_2", "functions_add_0_3", "functions_add_0_4"]
        assert [(called[key], value) for key, value in came.items()] == [(1, "One."), (2, "Two.")] * 2

    def test_stay_as_they_are_for_the_server_that_gave_them(self, provider):
        provider.play({"answers": [says("One.")]})
        call = {"type": "tool_call", "id": "functions.add:0", "name": "add", "arguments": {}}

        ask(
            provider,
            "openai",
            user_message("Add."),
            assistant_message([call]),
            tool_message([tool_result(call, "1")]),
            tools=[ADD],
        )

        assert provider.requests[0].body["messages"][1]["tool_calls"][0]["id"] == "functions.add:0"


class TestCache:
    def marks(self, provider, *said, **more):
        provider.play({"default": says("Yes.")})
        ask(provider, "anthropic", *said, **more)
        blocks = [block for message in provider.requests[-1].body["messages"] for block in message["content"]]
        return [block.get("cache_control") for block in blocks]

    def test_holds_the_conversation_of_an_agent_with_tools_up_to_its_end(self, provider):
        said = [user_message("Add."), assistant_message([{"type": "text", "text": "What?"}]), user_message("Two.")]

        *before, last = self.marks(provider, *said, tools=[ADD])

        assert (before, last["type"]) == ([None, None], "ephemeral")

    def test_holds_nothing_without_tools(self, provider):
        assert self.marks(provider, "Hello.") == [None]


@both
class TestRequest:
    def test_holds_nothing_but_what_was_given(self, provider, protocol):
        ask(provider, protocol, "Hello", instructions="Be kind.", temperature=0.5, idempotency_key="execution:agent:1")

        received = provider.requests[0]
        assert received.idempotency_key == "execution:agent:1"
        assert received.headers["user-agent"] == "Segue"
        assert not [name for name in received.headers if name.startswith("x-stainless")]
        assert received.body["temperature"] == 0.5
        assert received.body["max_tokens"] == 500
        system = received.body["messages"][0]["content"] if protocol == "openai" else received.body["system"][0]["text"]
        assert system == "Be kind."

    def test_takes_further_headers(self, provider, protocol):
        ask(provider, protocol, headers={"X-Team": "blue"})

        assert provider.requests[0].headers["x-team"] == "blue"

    def test_is_made_once(self, provider, protocol):
        provider.play({"answers": [{"error": {"status": 503}}, says("Too late.")]})

        with pytest.raises(NodeError):
            ask(provider, protocol)

        assert len(provider.requests) == 1


@both
class TestTools:
    def test_are_called_and_their_results_go_back(self, provider, protocol):
        provider.play(
            {
                "rules": [
                    {"when": {"tool_results": 0}, "answer": calls("add", a=1, b=2)},
                    {"when": {"tool_results": 1}, "answer": says("It is {{ result }}.")},
                ]
            }
        )
        said = user_message("Add 1 and 2.")

        first = ask(provider, protocol, said, tools=[ADD])
        [call] = tool_calls_in(first.parts)
        second = ask(
            provider,
            protocol,
            said,
            assistant_message(first.parts),
            tool_message([tool_result(call, "3")]),
            tools=[ADD],
        )

        assert (call["name"], call["arguments"], first.finish_reason) == ("add", {"a": 1, "b": 2}, "tool_call")
        assert text_in(second.parts) == "It is 3."

    def test_may_be_called_several_at_once_and_in_a_stream(self, provider, protocol):
        called = [{"name": "add", "arguments": {"a": number, "b": 1}, "id": f"call_{number}"} for number in range(3)]
        provider.play({"answers": [{"text": "Three.", "tool_calls": called, "chunk_chars": 4}]})

        answer, pieces = ask_in_pieces(provider, protocol, tools=[ADD])

        assert "".join(pieces) == "Three."
        assert [(call["id"], call["arguments"]["a"]) for call in tool_calls_in(answer.parts)] == [
            ("call_0", 0),
            ("call_1", 1),
            ("call_2", 2),
        ]

    @pytest.mark.parametrize("malformed", ['{"a": 1,', "[1, 2]", '"a"', '{"a": NaN}'])
    def test_arguments_that_are_no_object_are_told_as_they_came(self, provider, protocol, malformed):
        provider.play({"answers": [{"tool_calls": [{"name": "add", "malformed": malformed}]}, says("Sorry.")]})

        answer, _ = ask_in_pieces(provider, protocol, tools=[ADD])
        [call] = tool_calls_in(answer.parts)
        told = tool_message([tool_result(call, "No JSON object.", is_error=True)])
        ask(provider, protocol, user_message("Add"), assistant_message(answer.parts), told, tools=[ADD])

        assert (call["arguments"], call["malformed"]) == (None, malformed)
        assert "No JSON object." in str(provider.requests[1].body["messages"][-1])

    def test_may_be_in_sight_and_forbidden(self, provider, protocol):
        ask(provider, protocol, tools=[ADD], tool_choice="none")

        body = provider.requests[0].body
        assert len(body["tools"]) == 1
        assert body["tool_choice"] == ("none" if protocol == "openai" else {"type": "none"})


@both
class TestThinking:
    def test_goes_back_to_the_provider_that_it_came_from(self, provider, protocol):
        """The fake provider refuses thoughts whose signature it did not make."""
        provider.play({"answers": [THINKS, says("It is 3.")]})
        said = user_message("Add 1 and 2.")

        answer = ask(provider, protocol, said, tools=[ADD])
        [call] = tool_calls_in(answer.parts)
        told = tool_message([tool_result(call, "3")])
        ask(provider, protocol, said, assistant_message(answer.parts), told, tools=[ADD])

        assert answer.parts[0]["text"] == "One and two."
        assert ("signature" in answer.parts[0]) == (protocol == "anthropic")
        assistant = provider.requests[1].body["messages"][1]
        if protocol == "anthropic":
            thought = {"type": "thinking", "thinking": "One and two.", "signature": answer.parts[0]["signature"]}
            assert assistant["content"][0] == thought
        else:
            assert assistant["reasoning_content"] == "One and two."

    def test_is_the_same_in_a_stream(self, provider, protocol):
        provider.play({"answers": [THINKS, {**THINKS, "chunk_chars": 3}]})

        whole = ask(provider, protocol, tools=[ADD])
        streamed, _ = ask_in_pieces(provider, protocol, tools=[ADD])

        assert streamed.parts[:2] == whole.parts[:2]

    def test_goes_to_no_other_provider(self, provider, protocol):
        other = next(name for name in PROTOCOLS if name != protocol)
        provider.play({"answers": [THINKS, says("It is 3.")]})

        answer = ask(provider, protocol, "Add 1 and 2.", tools=[ADD])
        [call] = tool_calls_in(answer.parts)
        told = tool_message([tool_result(call, "3")])
        ask(provider, other, user_message("Add"), assistant_message(answer.parts), told, tools=[ADD])

        assert "One and two." not in str(provider.requests[1].body)


@both
class TestStructuredOutput:
    def test_is_json_that_fits(self, provider, protocol):
        provider.play({"answers": [{"json": {"city": "Bern", "size": 134}}]})

        answer = ask(provider, protocol, "Which city?", output_schema=CITY)

        assert text_in(answer.parts) == '{"city": "Bern", "size": 134}'
        body = provider.requests[0].body
        native = body["response_format"] if protocol == "openai" else body["output_config"]["format"]
        assert native["type"] == "json_schema"

    def test_goes_together_with_tools(self, provider, protocol):
        provider.play({"answers": [calls("add", a=1, b=2)]})

        answer = ask(provider, protocol, tools=[ADD], output_schema=CITY)

        assert [call["name"] for call in tool_calls_in(answer.parts)] == ["add"]


class TestStructuredOutputOfModelsWithoutIt:
    """Older models of Anthropic, and others behind its protocol."""

    def test_is_the_call_of_a_tool_that_nobody_sees(self, provider):
        provider.play({"answers": [{"json": {"city": "Bern", "size": 134}}]})

        answer, pieces = ask_in_pieces(provider, "anthropic", model="fake-1", tools=[ADD], output_schema=CITY)

        assert answer.parts == [{"type": "text", "text": '{"city":"Bern","size":134}'}]
        assert answer.finish_reason == "stop"
        assert pieces == []
        assert provider.requests[0].body["tool_choice"] == {"type": "any"}

    def test_leaves_tools_of_that_name_alone(self, provider):
        other = type(ADD)("final_result", "Mine.", {"type": "object", "properties": {}})
        provider.play({"answers": [calls("final_result")]})

        answer = ask(provider, "anthropic", model="fake-1", tools=[other], output_schema=CITY)

        assert [call["name"] for call in tool_calls_in(answer.parts)] == ["final_result"]


@both
class TestFiles:
    def test_go_along(self, provider, protocol):
        files = {
            "a.png": ("image/png", b"\x89PNG"),
            "b.pdf": ("application/pdf", b"%PDF-1.4"),
            "c.csv": ("text/csv", b"a,b"),
        }
        said = user_message("What is this?", {name: kind for name, (kind, _) in files.items()})

        ask(provider, protocol, said, files=files)

        content = provider.requests[0].body["messages"][0]["content"]
        image = content[0]["image_url"]["url"] if protocol == "openai" else content[0]["source"]["data"]
        assert image.endswith("iVBORw==")
        assert content[2]["text"] == "File c.csv:\na,b"
        assert content[3]["text"] == "What is this?"

    def test_of_other_types_are_refused_before_anything_is_sent(self, provider, protocol):
        said = user_message("Look", {"a.zip": "application/zip"})

        with pytest.raises(NodeError, match=r"a\.zip .*application/zip") as caught:
            ask(provider, protocol, said, files={"a.zip": ("application/zip", b"PK")})

        assert caught.value.code == "model_refused_request"
        assert caught.value.details["was_sent"] is False
        assert provider.requests == []
