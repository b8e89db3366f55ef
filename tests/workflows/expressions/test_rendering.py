"""Whole values with templates in them."""

from __future__ import annotations

import pytest

from tests.clock import NOON
from workflows.expressions import ExpressionError, RenderError, render, render_each

ROOTS = {"input": {"id": 7, "name": "Ada", "tags": ["a"]}, "nodes": {}}


class TestRender:
    def test_replaces_templates_by_their_values(self, evaluator):
        value = {
            "id": "{{ input.id }}",
            "greeting": "Hello {{ input.name }}, you are {{ input.id * 2 }} {{ input.tags }}!",
            "list": ["{{ input.tags.concat('b') }}", "plain", 1, None],
            "literal": {"$literal": "{{ input.id }}"},
            "escaped": r"\{{ input.id }}",
        }

        assert render(value, evaluator, ROOTS, now=NOON) == {
            "id": 7,
            "greeting": 'Hello Ada, you are 14 ["a"]!',
            "list": [["a", "b"], "plain", 1, None],
            "literal": "{{ input.id }}",
            "escaped": "{{ input.id }}",
        }

    def test_leaves_what_it_was_given(self, evaluator):
        value = {"id": "{{ input.id }}"}

        render(value, evaluator, ROOTS, now=NOON)

        assert value == {"id": "{{ input.id }}"}

    def test_never_evaluates_what_came_in_as_data(self, evaluator):
        roots = {"input": "{{ 1 + 1 }}"}

        assert render(["{{ input }}", "a {{ input }}"], evaluator, roots, now=NOON) == ["{{ 1 + 1 }}", "a {{ 1 + 1 }}"]

    def test_reports_every_template_that_fails(self, evaluator):
        value = {"a": "{{ input.x }}", "b": ["x {{ nodes.y.output }} {{ input.z }}"], "c": "{{ 1 + 1 }}", "d": "{{ 1"}

        with pytest.raises(RenderError) as caught:
            render(value, evaluator, ROOTS, now=NOON, absent={"y": "failed"})

        errors = caught.value.errors
        assert {pointer: error.code for pointer, error in errors.items()} == {
            "/a": "missing_value",
            "/b/0": "missing_value",
            "/d": "syntax",
        }
        assert "`y` failed" in errors["/b/0"].message
        assert "/a: " in str(caught.value)

    def test_fills_in_placeholders_of_secrets(self, evaluator):
        rendered = render("Bearer {{ secret('KEY') }}", evaluator, ROOTS, now=NOON, secret_mark="m")

        assert rendered == "Bearer ⟦secret:KEY:m⟧"


class TestRenderEach:
    ITEMS = [{"n": 1}, {"n": 2}]

    @pytest.mark.parametrize(
        ("text", "values"),
        [
            ("{{ item.n * 2 }}", [2, 4]),
            ("{{ item }}", ITEMS),
            ("{{ index }}: {{ item.n }} of {{ input.name }}", ["0: 1 of Ada", "1: 2 of Ada"]),
            ("plain", ["plain", "plain"]),
            (r"\{{ x", ["{{ x", "{{ x"]),
        ],
    )
    def test_gives_what_a_template_becomes_for_each_item(self, evaluator, text, values):
        assert render_each(text, self.ITEMS, evaluator, ROOTS, now=NOON) == values

    def test_gives_nothing_for_no_items(self, evaluator):
        assert render_each("{{ item }} {{ index }}", [], evaluator, ROOTS, now=NOON) == []

    @pytest.mark.parametrize(("text", "index"), [("{{ item.n.x.y }}", 0), ("a {{ item.m }}", 1)])
    def test_names_the_item_that_fails(self, evaluator, text, index):
        with pytest.raises(ExpressionError) as caught:
            render_each(text, [{"n": 1, "m": 1}, {"n": 2}], evaluator, ROOTS, now=NOON)

        assert caught.value.index == index
