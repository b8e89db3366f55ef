"""Whether expressions can be read, and mention only what there will be."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found, problems
from workflows.expressions.errors import ExpressionError
from workflows.expressions.references import Finding

VARIABLES = {"LIMIT": False, "API_KEY": True}


def output(expression: str):
    return node("output", {"value": expression})


def tool(url: str):
    return node("tool", {"tool": "http.request", "with": {"url": url}})


def transform(**step):
    return node("transform", {"steps": [step]})


class TestExpressions:
    @pytest.mark.parametrize(
        "expression",
        [
            "{{ input.a + trigger.b }}",
            "{{ nodes.start.output.id }}",
            "{{ nodes.middle.output?.id ?? vars.LIMIT }}",
            "Order {{ input.id }} of {{ workflow.name }} in {{ execution.id }} at {{ now() }}",
            "{{ [1, 2].map(item => item * 2) }}",
            "no expression at all",
        ],
    )
    def test_that_mention_what_there_is_are_fine(self, expression):
        raw = definition("start > middle > end", end=output(expression))

        assert found(raw, variables=VARIABLES) == []

    @pytest.mark.parametrize(
        ("expression", "code"),
        [
            ("{{ 1 + }}", "expression_syntax"),
            ("{{ }}", "expression_syntax"),
            ("{{ input", "expression_syntax"),
            ("{{ let a = 1 }}", "expression_syntax"),
            ("{{ inputs.a }}", "unknown_name"),
            ("{{ process.env }}", "unknown_name"),
            ("{{ nodes.midle.output }}", "unknown_node"),
            ("{{ nodes.end.output }}", "not_before"),
            ("{{ nodes.beside?.output }}", "not_before"),
            ("{{ nodes[input.name] }}", "dynamic_reference"),
            ("{{ Object.keys(nodes) }}", "dynamic_reference"),
            ("{{ vars.LIMITS }}", "unknown_variable"),
            ("{{ vars.API_KEY }}", "variable_is_secret"),
            ("{{ secret('API_KEY') }}", "not_available_here"),
            ("{{ item.id }}", "not_available_here"),
            ("{{ index }}", "not_available_here"),
        ],
    )
    def test_that_mention_anything_else_are_not(self, expression, code):
        raw = definition("start > middle > end", "start > beside", end=output(expression))

        assert found(raw, variables=VARIABLES) == [(code, "/nodes/2/config/value")]

    @pytest.mark.parametrize(
        ("expression", "code"),
        [
            ("https://a.example/{{ secret('API_KEY') }}", None),
            ("{{ secret('LIMIT') }}", "variable_not_secret"),
            ("{{ secret('API_KEYS') }}", "unknown_variable"),
            ("{{ secret(input.name) }}", "secret_name"),
        ],
    )
    def test_may_use_secrets_in_tools(self, expression, code):
        raw = definition("start > end", end=tool(expression))

        expected = [(code, "/nodes/1/config/with/url")] if code else []
        assert found(raw, variables=VARIABLES) == expected

    def test_hint_at_the_way_to_a_secret(self):
        (problem,) = problems(definition("start > end", end=tool("{{ vars.API_KEY }}")), variables=VARIABLES)

        assert "secret('API_KEY')" in problem.hint

    @pytest.mark.parametrize(
        ("step", "is_fine"),
        [
            ({"operation": "filter", "where": "{{ item.a > index }}"}, True),
            ({"operation": "map", "to": {"b": ["{{ item.a }}"]}}, True),
            ({"operation": "set", "fields": {"a": "{{ item.b }}"}}, True),
            ({"operation": "merge", "how": "append", "with": "{{ item.others }}"}, False),
        ],
    )
    def test_see_items_only_where_there_are_items(self, step, is_fine):
        codes = [code for code, _ in found(definition("start > end", end=transform(**step)))]

        assert codes == ([] if is_fine else ["not_available_here"])

    def test_are_all_looked_at_and_placed(self):
        raw = definition(
            "start > end", end=node("output", {"value": {"a/b": ["{{ x }} {{ y }}"]}, "status": "{{ z }}"})
        )

        assert found(raw) == [
            ("unknown_name", "/nodes/1/config/value/a~1b/0"),
            ("unknown_name", "/nodes/1/config/value/a~1b/0"),
            ("unknown_name", "/nodes/1/config/status"),
        ]

    def test_within_a_literal_are_text(self):
        assert found(definition("start > end", end=node("output", {"value": {"$literal": "{{ 1 + }}"}}))) == []

    def test_of_nodes_in_a_cycle_are_not_blamed_for_it(self):
        raw = definition("start > a > b > a", a=output("{{ nodes.b.output }}"))

        assert [code for code, _ in found(raw)] == ["cycle"]

    def test_are_shown_to_the_engine_in_one_go(self):
        asked = []

        def compile(sources):
            asked.append(list(sources))
            return [Finding("syntax", "No.", 1, 2) if "2" in source else None for source in sources]

        raw = definition("start > end", end=node("output", {"value": ["{{ 1 }}", "{{ 2 }}", "{{ 3 + }}"]}))

        assert found(raw, compile=compile) == [
            ("expression_syntax", "/nodes/1/config/value/2"),
            ("expression_syntax", "/nodes/1/config/value/1"),
        ]
        assert [[source.strip() for source in sources] for sources in asked] == [["1", "2"]]

    def test_that_the_engine_could_not_check_are_said_to_be_unchecked(self):
        def compile(sources):
            raise ExpressionError("crashed", "The compiler broke down.")

        raw = definition("start > end", end=output("{{ 1 }}"))

        assert found(raw, compile=compile) == [("expressions_unchecked", "")]

    @pytest.mark.parametrize(
        ("text", "place"),
        [
            ("{{ a }}", "line 1, column 4"),
            ("Hello {{ input.name }} and {{ a }}", "line 1, column 31"),
            ("Hello\n  {{ a }}", "line 2, column 6"),
            ("{{ input.b +\n a }}", "line 2, column 2"),
        ],
    )
    def test_are_wrong_at_a_place_in_the_whole_text(self, text, place):
        (problem,) = problems(definition("start > end", end=output(text)))

        assert f"({place})" in problem.message


class TestEdgeTransforms:
    @staticmethod
    def raw(transform):
        raw = definition("start > a > b", "start > c")
        raw["edges"][1] |= {"type": "processed_data", "transform": transform}
        return raw

    @pytest.mark.parametrize("transform", ["{{ input.total }}", "{{ trigger.id + input.id }}", "At {{ now() }}"])
    def test_see_what_comes_over_the_edge(self, transform):
        assert found(self.raw(transform), variables=VARIABLES) == []

    @pytest.mark.parametrize(
        ("transform", "code"),
        [
            ("{{ 1 + }}", "expression_syntax"),
            ("{{ nodes.a.output }}", "not_available_here"),
            ("{{ nodes[input.a] }}", "not_available_here"),
            ("{{ vars.LIMIT }}", "not_available_here"),
            ("{{ secret('API_KEY') }}", "not_available_here"),
            ("{{ item }}", "not_available_here"),
            ("input.total", "not_an_expression"),
        ],
    )
    def test_are_checked_like_every_expression(self, transform, code):
        assert found(self.raw(transform), variables=VARIABLES) == [(code, "/edges/1/transform")]
