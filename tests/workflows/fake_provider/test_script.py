"""Which answer comes when."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.providers import FakeProvider, calls, fails, says
from tests.workflows.fake_provider.asking import CHAT, ask, user
from workflows.fake_provider import BrokenScript
from workflows.fake_provider.conversation import Conversation, Tool
from workflows.fake_provider.script import Player, parse_script, read_script

ASKED = Conversation(
    model="large",
    system="You are a Pirate.",
    user="What is the weather?",
    results=(),
    said=("Hello", "What is the weather?"),
    turn=0,
    answers=1,
    tools=(Tool("weather", {"type": "object"}),),
    forced=None,
    schema=None,
    is_stream=False,
    wants_usage=True,
    digest="1",
    input_tokens=10,
)


def said(script: dict, *conversations: Conversation) -> list[str]:
    """Return what a script says to these, one after the other."""
    player = Player(parse_script(script))
    return [player.next(conversation).text for conversation in conversations]


class TestWhen:
    @pytest.mark.parametrize(
        "when",
        [
            {},
            {"model": "large"},
            {"system_contains": "pirate"},
            {"user_contains": "weather"},
            {"ever_contains": "hello"},
            {"tool_results": 0},
            {"turn": 0},
            {"answers": 1},
            {"has_tool": "weather"},
            {"model": "large", "turn": 0},
        ],
    )
    def test_holds_for_what_is_meant(self, when):
        assert said({"rules": [{"when": when, "answer": says("Yes.")}]}, ASKED) == ["Yes."]

    @pytest.mark.parametrize(
        "when",
        [
            {"model": "small"},
            {"system_contains": "parrot"},
            {"user_contains": "hello"},
            {"ever_contains": "goodbye"},
            {"result_contains": "rain"},
            {"tool_results": 1},
            {"turn": 1},
            {"answers": 0},
            {"has_tool": "time"},
            {"model": "large", "turn": 1},
        ],
    )
    def test_does_not_hold_for_anything_else(self, when):
        assert said({"rules": [{"when": when, "answer": says("Yes.")}]}, ASKED) == [ASKED.user]

    def test_looks_at_the_newest_result(self):
        told = replace(ASKED, results=("rain", "sun"))
        script = {"rules": [{"when": {"result_contains": "rain"}, "answer": says("Stay.")}], "default": says("Go.")}

        assert said(script, told, replace(told, results=("sun", "rain"))) == ["Go.", "Stay."]


class TestScript:
    def test_takes_the_list_first_then_the_first_rule_then_the_default(self):
        script = {
            "answers": [says("List.")],
            "rules": [
                {"when": {"model": "large"}, "answer": says("First.")},
                {"when": {"turn": 0}, "answer": says("Second.")},
            ],
            "default": says("Default."),
        }

        assert said(script, ASKED, ASKED, replace(ASKED, model="small"), replace(ASKED, model="small", turn=1)) == [
            *("List.", "First.", "Second.", "Default.")
        ]

    def test_gives_each_turn_its_answer_and_the_same_one_again(self):
        script = {"rules": [{"turns": [says("First."), says("Second.")]}], "default": says("Over.")}
        turns = [replace(ASKED, turn=turn) for turn in (0, 1, 0, 1, 2)]

        assert said(script, *turns) == ["First.", "Second.", "First.", "Second.", "Over."]

    def test_counts_times_for_each_request(self):
        script = {"rules": [{"times": 1, "answer": says("Once.")}], "default": says("Then.")}
        other = replace(ASKED, digest="2")

        assert said(script, ASKED, other, ASKED, other) == ["Once.", "Once.", "Then.", "Then."]

    def test_fills_in_what_the_conversation_says(self):
        told = replace(ASKED, results=("sun",))
        script = {"default": {"text": "{{ user }} {{ result }} {{ model }}", **calls("note", text="{{ system }}")}}
        answer = Player(parse_script(script)).next(told)

        assert answer.text == "What is the weather? sun large"
        assert answer.tool_calls[0].arguments == {"text": "You are a Pirate."}

    def test_puts_json_into_the_tool_that_is_meant_for_it(self):
        output = Tool("final_result", {"type": "object"})
        answer = Player(parse_script({"default": {"json": {"a": 1}}})).next(replace(ASKED, tools=(output,)))

        assert (answer.text, answer.tool_calls[0].name, answer.tool_calls[0].arguments) == (
            "",
            "final_result",
            {"a": 1},
        )

    @pytest.mark.parametrize("value", [None, 0, "", [], {"a": None}])
    def test_tells_any_json_as_text(self, value):
        assert said({"default": {"json": value}}, ASKED) == [json.dumps(value)]


class TestBrokenScripts:
    @pytest.mark.parametrize(
        ("script", "said"),
        [
            ({"answer": []}, "answer: Extra inputs are not permitted"),
            ({"answers": [{"txt": "Hello"}]}, "answers.0.txt: Extra inputs"),
            ({"answers": [{"text": 1}]}, "answers.0.text: Input should be a valid string"),
            ({"answers": [{"error": {"status": 200}}]}, "answers.0.error.status: Input should be greater"),
            ({"answers": [{"tool_calls": [{}]}]}, "answers.0.tool_calls.0.name: Field required"),
            ({"answers": [{"latency_seconds": -1}]}, "answers.0.latency_seconds"),
            ({"answers": [{"chunk_chars": 0}]}, "answers.0.chunk_chars"),
            ({"rules": [{}]}, "rules.0: Value error, a rule has either an answer or turns"),
            ({"rules": [{"answer": {}, "turns": [{}]}]}, "either an answer or turns"),
            ({"rules": [{"when": {"user": "x"}, "answer": {}}]}, "rules.0.when.user"),
            ({"rules": [{"times": 0, "answer": {}}]}, "rules.0.times"),
        ],
    )
    def test_say_where_and_why(self, script, said):
        with pytest.raises(BrokenScript) as caught:
            FakeProvider(script)

        assert said in caught.value.message

    @pytest.mark.parametrize(
        ("text", "said"), [("{", "is not JSON"), ("[]", "is not a JSON object"), (None, "cannot be read")]
    )
    def test_are_told_from_files(self, tmp_path, text, said):
        file = tmp_path / "script.json"
        if text is not None:
            file.write_text(text)

        with pytest.raises(BrokenScript, match=said):
            read_script(file)


class TestManyConversations:
    def test_each_get_their_own_answers(self):
        script = {"rules": [{"turns": [calls("look", what="{{ user }}"), says("{{ user }}: {{ result }}")]}]}
        tools = [{"type": "function", "function": {"name": "look"}}]
        with FakeProvider(script) as provider:

            def converse(number: int) -> tuple[str, str]:
                question = user(f"question {number}")
                first = ask(provider, CHAT, {"model": "any", "messages": [question], "tools": tools}).json
                message = first["choices"][0]["message"]
                call = message["tool_calls"][0]
                result = {"role": "tool", "tool_call_id": call["id"], "content": f"answer {number}"}
                messages = [question, {"role": "assistant", "tool_calls": message["tool_calls"]}, result]
                second = ask(provider, CHAT, {"model": "any", "messages": messages, "tools": tools}).json
                return call["function"]["arguments"], second["choices"][0]["message"]["content"]

            with ThreadPoolExecutor(8) as pool:
                told = list(pool.map(converse, range(24)))
            count = len(provider.requests)

        assert told == [
            (json.dumps({"what": f"question {number}"}), f"question {number}: answer {number}") for number in range(24)
        ]
        assert count == 48

    def test_are_told_the_same_when_they_come_again(self):
        script = {"rules": [{"turns": [calls("look")]}]}
        asked = {"model": "any", "messages": [user("Look")]}
        with FakeProvider(script) as provider:
            answers = [ask(provider, CHAT, asked).json["choices"] for _ in range(2)]

        assert answers[0] == answers[1]


class TestPlay:
    def test_goes_on_with_another_script(self):
        asked = {"model": "any", "messages": [user("?")]}
        with FakeProvider({"default": fails(500)}) as provider:
            first = ask(provider, CHAT, asked).status
            provider.play({"default": says("Well.")})
            second = ask(provider, CHAT, asked).status

        assert (first, second) == (500, 200)
