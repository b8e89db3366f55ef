"""The operation `script`: what a draft is told of it, and what becomes of its items."""

from __future__ import annotations

import pytest

from tests.builders import definition, loop, node
from tests.workflows.definition.checks import problems as all_problems
from tests.workflows.nodes.runs import node_type, output
from tests.workflows.nodes.transform.stepping import failure, problems, result
from workflows.expressions import shared_evaluator
from workflows.nodes.base import Effect
from workflows.nodes.transform.batch import MAX_ITEMS


def found(code, *, variables=None, **more):
    """Return what is wrong with a script after the node `a`, beside which there is `b`."""
    step = {"operation": "script", "code": code, **more}
    raw = definition(
        "start > a > it", "start > b", a=node("output"), b=node("output"), it=node("transform", {"steps": [step]})
    )
    return [
        (problem.code, problem.path.removeprefix("/nodes/2/config/steps/0"), problem.message)
        for problem in all_problems(raw, variables=variables or {}, compile=shared_evaluator().check)
    ]


class TestScript:
    def test_makes_items_of_a_list_and_one_value_of_anything_else(self):
        assert result([1, 2], "script", code="return items.concat(3)") == [1, 2, 3]
        assert result([1, 2], "script", code="return items.length") == 2
        assert result({"a": 1}, "script", code="return items[0].a") == 1

    def test_works_on_what_the_step_before_made(self):
        steps = [
            {"operation": "filter", "where": "{{ item > 1 }}"},
            {"operation": "script", "code": "return items.map(n => n * input.length)"},
            {"operation": "sort", "by": [{"descending": True}]},
        ]

        assert output("transform", {"steps": steps}, [1, 2, 3]) == [9, 6]

    def test_may_run_for_each(self):
        assert result([5, 6], "script", code="return item + index", for_each=True) == [5, 7]
        assert result(5, "script", code="return item + index", for_each=True) == 5

    def test_names_its_step_its_item_and_its_line(self):
        error = failure(
            [1, 0], "script", code="const n = item;\nif (!n) throw new Error('none');\nreturn n", for_each=True
        )

        assert error.code == "threw"
        assert error.message.startswith("Step 1 (`script`): Item 1: Line 2, column ")

    def test_s_dos_1_makes_no_more_than_ten_thousand_items(self):
        assert failure([], "script", code=f"return new Array({MAX_ITEMS + 1}).fill(0)").code == "too_many_items"

    @pytest.mark.parametrize(
        ("steps", "effect"),
        [
            ([{"operation": "script", "code": "return 1"}], Effect.READ),
            ([{"operation": "limit", "count": 1}], Effect.NONE),
            ([{"operation": "limit"}, None, 5], Effect.NONE),
            (5, Effect.NONE),
        ],
    )
    def test_is_no_pure_node_because_it_may_take_seconds(self, steps, effect):
        assert node_type("transform").effect({"steps": steps}) is effect


class TestDraft:
    @pytest.mark.parametrize(
        "code",
        [
            "return items.map(item => ({...item, a: nodes.a.output}))",
            "return trigger.x ?? input",
            "return vars.RATE",
            "return `${{a: 1}.a}{{ not a template }}`",
            "// " + "x" * 5_000 + "\nreturn 1",
        ],
    )
    def test_that_is_sound_has_no_problems(self, code):
        assert found(code, variables={"RATE": False}) == []

    @pytest.mark.parametrize(
        ("code", "problem", "words"),
        [
            ("const a = ;", "expression_syntax", "(line 1, column 9)"),
            ("return 1;\n1 = 2;", "expression_syntax", "(line 2, column"),
            ("return 1 })(), (() => { return 2", "expression_syntax", "closes a `}`"),
            ("return 1;\nreturn itemz", "unknown_name", "(line 2, column 8): There is no `itemz`"),
            ("return nodes.nothing.output", "unknown_node", "there is no such node"),
            ("return nodes.b.output", "not_before", "does not come before"),
            ("return Object.keys(nodes)", "dynamic_reference", "Which node is meant"),
            ("return vars.NOTHING", "unknown_variable", "such a variable"),
            ("return vars.KEY", "variable_is_secret", "is a secret"),
            ("return secret('KEY')", "not_available_here", "There is no `secret` here"),
            ("return item", "not_available_here", "There is no `item` here"),
        ],
    )
    def test_is_told_what_is_wrong_and_where(self, code, problem, words):
        ((code_found, path, message),) = found(code, variables={"KEY": True})

        assert (code_found, path) == (problem, "/code")
        assert words in message

    @pytest.mark.parametrize("code", ["return itemz", {"$literal": "return itemz"}])
    def test_may_be_written_as_a_literal(self, code):
        assert [problem for problem, _, _ in found(code)] == ["unknown_name"]

    def test_that_runs_for_each_has_item_and_index_instead_of_items(self):
        assert found("return item + index", for_each=True) == []
        assert [code for code, _, _ in found("return items", for_each=True)] == ["not_available_here"]

    def test_in_a_pass_has_its_own_items_and_the_pass_by_name(self):
        inside = node(
            "transform", {"steps": [{"operation": "script", "code": "return [items, scopes.each.item, accumulator]"}]}
        )
        looping = {"items": "{{ [1] }}", "accumulator": {"initial": 0, "next": 1}}
        raw = definition("start > each", each=loop(looping, inside=inside))

        assert all_problems(raw) == []

    def test_has_items_nowhere_else(self):
        assert problems(operation="map", to="{{ items }}") == [("not_available_here", "/to")]

    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ({"code": ""}, ("too_short", "/code")),
            ({"code": 5}, ("wrong_type", "/code")),
            ({}, ("missing_key", "/code")),
            ({"code": "x" * 66_000}, ("too_long", "/code")),
            ({"code": "return 1", "for_each": "{{ true }}"}, ("expression_forbidden", "/for_each")),
        ],
    )
    def test_is_checked_for_its_form(self, step, problem):
        assert problem in problems(operation="script", **step)
