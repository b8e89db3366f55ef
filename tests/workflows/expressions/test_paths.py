"""Plain paths, answered without JavaScript."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clock import NOON
from tests.workflows.expressions.evaluating import value_of
from tests.workflows.expressions.strategies import json_values
from workflows.expressions import Evaluator, Expression, ExpressionError, InProcessSandbox, Limits
from workflows.expressions.paths import MISSING, Sizes, plain_path, resolve, shortcut, shown_path
from workflows.expressions.request import Request

KEYS = ["a", "b", "length", "constructor", "__proto__", "toString", "0", "1", "a b", "ü", "$"]


class TestPlainPath:
    @pytest.mark.parametrize(
        ("source", "path"),
        [
            ("input", ("input",)),
            (" input ", ("input",)),
            ("input.a.b_1.$", ("input", "a", "b_1", "$")),
            ("input['a b'][\"c\"][0][12]", ("input", "a b", "c", 0, 12)),
            ("nodes.a?.output?.[0]", ("nodes", "a", "output", 0)),
            ("input['']", ("input", "")),
        ],
    )
    def test_takes_a_path_apart(self, source, path):
        assert plain_path(source) == path

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "Math",
            "now",
            "unknown.a",
            "input.",
            "input..a",
            "input.1",
            "input[a]",
            "input[-1]",
            "input[01]",
            "input['a\\n']",
            "input['a'+'b']",
            "input[1.5]",
            "input.a()",
            "input.a + 1",
            "input .a",
            "input.ü",
            "input.a // x",
            "!input",
            "(input)",
            "input?",
            "input?.",
        ],
    )
    def test_leaves_everything_else_to_javascript(self, source):
        assert plain_path(source) is None


class TestResolve:
    @pytest.mark.parametrize(
        "source",
        [
            "input.b",
            "input.a.b.c",
            "input[0]",
            "input.l[2]",
            "input.l.length",
            "input.l['0']",
            "input.s[0]",
            "input.s.length",
            "input.constructor",
        ],
    )
    def test_finds_only_own_members(self, source):
        path = plain_path(source)

        assert path is not None
        assert resolve(path, {"input": {"a": {"b": None}, "l": [1, 2], "s": "text"}}) is MISSING


class TestShortcut:
    def test_needs_no_javascript(self):
        value = {"a": [{"b": None}]}

        (result,) = NoEngine().evaluate([Expression("input.a[0]")], {"input": value}, now=NOON)

        assert result.value == {"b": None}

    def test_needs_no_engine_for_items_either(self):
        items = [{"qty": 1}, {"qty": 2}]

        assert NoEngine().evaluate_each(Expression("item.qty"), items, {}, now=NOON) == [1, 2]
        assert NoEngine().evaluate_each(Expression("index"), items, {"index": 9}, now=NOON) == [0, 1]

    def test_leaves_all_items_to_the_engine_if_one_lacks_the_member(self):
        with pytest.raises(ExpressionError) as found:
            InProcessSandbox().evaluate_each(Expression("item.qty"), [{"qty": 1}, {}], {}, now=NOON)

        assert found.value.code == "missing_value"
        assert found.value.index == 1

    @given(json_values, st.lists(st.sampled_from(KEYS) | st.integers(0, 2), max_size=3), st.booleans())
    @settings(deadline=None, max_examples=300)
    def test_says_what_javascript_would_say(self, value, steps, as_text):
        source = "input" + "".join(f"[{step}]" if isinstance(step, int) else f'["{step}"]' for step in steps)
        found = shortcut(source, as_text, {"input": value}, Limits(), Sizes())

        if found is not MISSING:
            assert value_of(InProcessSandbox(), f"({source})", as_text=as_text, input=value) == found

    @given(st.dictionaries(st.sampled_from(KEYS), json_values), st.sampled_from(KEYS), st.booleans())
    @settings(deadline=None, max_examples=200)
    def test_is_no_way_round_any_rule(self, value, key, as_text):
        evaluator = InProcessSandbox()

        with_shortcut, without = evaluator.evaluate(
            [Expression(f'input["{key}"]', as_text), Expression(f'(input["{key}"])', as_text)],
            {"input": value},
            now=NOON,
        )

        assert with_shortcut.value == without.value
        assert error_code(with_shortcut.error) == error_code(without.error)


class TestShownPath:
    def test_writes_a_path_as_people_do(self):
        assert shown_path(("input", "a", 0, "b c")) == 'input.a[0]["b c"]'


def error_code(error: ExpressionError | None) -> str | None:
    return None if error is None else error.code


class NoEngine(Evaluator):
    """One that must not be asked."""

    def close(self) -> None:
        pass

    def _ask(self, request: Request) -> list[bytes]:
        raise AssertionError(f"Asked for {request.expressions}.")
