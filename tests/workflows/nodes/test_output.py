"""Say what came out."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import output
from workflows.nodes.base import NodeError


class TestOutput:
    def test_is_its_input_unless_it_says_otherwise(self):
        assert output("output", {}, {"a": 1}) == {"value": {"a": 1}, "status": 200, "headers": {}}

    def test_may_be_null_on_purpose(self):
        assert output("output", {"value": None}, {"a": 1})["value"] is None

    def test_keeps_the_types_of_values(self):
        config = {
            "value": {"total": "{{ input.total }}", "text": "Total: {{ input.total }}"},
            "status": "{{ input.status }}",
        }

        assert output("output", config, {"total": 12.5, "status": 201}) == {
            "value": {"total": 12.5, "text": "Total: 12.5"},
            "status": 201,
            "headers": {},
        }

    def test_sets_headers(self):
        config = {"headers": {"X-Order": "{{ input.id }}-{{ input.id }}"}}

        assert output("output", config, {"id": 7})["headers"] == {"X-Order": "7-7"}

    @pytest.mark.parametrize("content_type", ["text/csv; charset=utf-8", "{{ input.kind }}"])
    def test_says_what_its_text_is(self, content_type):
        done = output("output", {"value": "a,b", "content_type": content_type}, {"kind": "text/csv; charset=utf-8"})

        assert done["headers"] == {"Content-Type": "text/csv; charset=utf-8"}

    def test_says_that_it_is_bytes(self):
        done = output("output", {"value": "{{ input }}", "encoded": "base64"}, "UEs\nDBA")

        assert done == {"value": "UEsDBA==", "status": 200, "headers": {}, "encoded": "base64"}

    @pytest.mark.parametrize("value", [None, 5, {"base64": "UEs="}, "no base64!"])
    def test_fails_where_it_should_be_bytes_and_is_not(self, value):
        with pytest.raises(NodeError) as caught:
            output("output", {"encoded": "base64"}, value)

        assert caught.value.code == "invalid_encoding"

    def test_does_not_say_it_twice(self):
        config = {"content_type": "text/csv", "headers": {"content-type": "text/plain"}}

        assert found(definition("start > it", it=node("output", config))) == [
            ("duplicate_value", "/nodes/1/config/content_type")
        ]

    @pytest.mark.parametrize(
        ("config", "value"),
        [
            ({"status": "{{ input }}"}, "200"),
            ({"status": "{{ input }}"}, 199),
            ({"status": "{{ input }}"}, 600),
            ({"headers": {"X-A": "{{ input }}"}}, 5),
            ({"headers": {"X-A": "{{ input }}"}}, "a\r\nSet-Cookie: b=c"),
            ({"headers": {"X-A": "{{ input }}"}}, "ä"),
            ({"headers": "{{ input }}"}, {"Set-Cookie": "a=b"}),
            ({"headers": "{{ input }}"}, {"a b": "c"}),
            ({"content_type": "{{ input }}"}, "text/html"),
        ],
    )
    def test_s_expr_5_answers_only_with_what_http_allows(self, config, value):
        with pytest.raises(NodeError) as caught:
            output("output", config, value)

        assert caught.value.code == "invalid_config"


class TestConfig:
    @pytest.mark.parametrize(
        ("config", "problem"),
        [
            ({"status": 199}, ("out_of_range", "status")),
            ({"status": 599}, None),
            ({"status": 600}, ("out_of_range", "status")),
            ({"headers": {"Set-Cookie": "a"}}, ("reserved_header", "headers/Set-Cookie")),
            ({"headers": {"content-length": "{{ 1 }}"}}, ("reserved_header", "headers/content-length")),
            ({"headers": {"X-A": "a\nb"}}, ("invalid_format", "headers/X-A")),
            ({"headers": {"Content-Type": "text/plain"}}, None),
            ({"content_type": "application/problem+json"}, None),
            ({"content_type": "text/html"}, ("content_type_refused", "content_type")),
            ({"headers": {"content-type": "image/svg+xml"}}, ("content_type_refused", "headers")),
            ({"content_type": "{{ input.kind }}"}, None),
        ],
    )
    def test_is_checked_before_it_runs(self, config, problem):
        expected = [(problem[0], f"/nodes/1/config/{problem[1]}")] if problem else []

        assert found(definition("start > end", end=node("output", config))) == expected
