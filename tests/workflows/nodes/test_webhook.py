"""What a workflow says to the caller who waits."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import outcome
from workflows.nodes.base import Answer, NodeError


def respond(**config):
    return {"action": "respond", **config}


class TestRespond:
    def test_is_its_input_unless_it_says_otherwise(self):
        assert outcome("webhook", respond(), {"a": 1}) == Answer({"a": 1}, 200, {})

    def test_says_value_status_and_headers(self):
        config = respond(
            value={"id": "{{ input.id }}"}, status="{{ input.status }}", headers={"X-Id": "{{ input.id }}!"}
        )

        assert outcome("webhook", config, {"id": 7, "status": 202}) == Answer({"id": 7}, 202, {"X-Id": "7!"})

    def test_says_what_its_text_is(self):
        config = respond(value="a,b", content_type="text/csv")

        assert outcome("webhook", config, {}) == Answer("a,b", 200, {"Content-Type": "text/csv"})

    @pytest.mark.parametrize("value", ["200", 199, 600])
    def test_answers_only_with_what_http_allows(self, value):
        with pytest.raises(NodeError) as caught:
            outcome("webhook", respond(status="{{ input }}"), value)

        assert caught.value.code == "invalid_config"


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            (respond(), []),
            ({}, [("missing_key", "/nodes/1/config/action")]),
            (respond(status=99), [("out_of_range", "/nodes/1/config/status")]),
            (respond(headers={"Set-Cookie": "a"}), [("reserved_header", "/nodes/1/config/headers/Set-Cookie")]),
            (respond(url="http://a"), [("unknown_key", "/nodes/1/config/url")]),
            ({"action": "anwser"}, [("invalid_choice", "/nodes/1/config/action")]),
        ],
    )
    def test_is_checked_before_it_runs(self, config, expected):
        assert found(definition("start > end", end=node("webhook", config))) == expected
