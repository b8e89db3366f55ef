"""What an author is told when an expression fails."""

from __future__ import annotations

import pytest

from tests.clock import NOON
from tests.workflows.expressions.evaluating import error_of
from workflows.expressions import Expression, ExpressionError

ROOTS = {
    "input": {"order": {"id": 1, "total": None}, "list": [1], "name": "x", "n": 5},
    "nodes": {"check": {"output": {"a": 1}}},
}
INSTEAD = "to say what to take instead."


class TestExplain:
    @pytest.mark.parametrize(
        ("source", "code", "message"),
        [
            (
                "input.order.price",
                "missing_value",
                f"`input.order.price` has no value because `input.order` has no `price`. Use `?? …` {INSTEAD}",
            ),
            (
                "input.ordre.price",
                "missing_value",
                "`input.ordre` has no value because `input` has no `ordre`, so `.price` cannot be read. "
                f"Use `input.ordre?.price ?? …` {INSTEAD}",
            ),
            (
                "input.order.total.net * 2",
                "missing_value",
                "`input.order.total` has no value, so `.net` cannot be read. "
                f"Use `input.order.total?.net ?? …` {INSTEAD}",
            ),
            (
                "input.list[3].sku",
                "missing_value",
                "`input.list[3]` has no value because `input.list` is a list of 1, so `.sku` cannot be read. "
                f"Use `input.list[3]?.sku ?? …` {INSTEAD}",
            ),
            (
                "input.name.first.letter",
                "missing_value",
                "`input.name.first` has no value because `input.name` is a text, so `.letter` cannot be read. "
                f"Use `input.name.first?.letter ?? …` {INSTEAD}",
            ),
            (
                "nodes.ship.output.id",
                "missing_value",
                "`nodes.ship` has no value because `ship` was skipped, so `.output` cannot be read. "
                f"Use `nodes.ship?.output ?? …` {INSTEAD}",
            ),
            (
                "nodes.other.output.id",
                "missing_value",
                "`nodes.other` has no value because `other` has no output yet, so `.output` cannot be read. "
                f"Use `nodes.other?.output ?? …` {INSTEAD}",
            ),
            (
                "nodes.ship?.output",
                "missing_value",
                f"`nodes.ship?.output` has no value because `ship` was skipped. Use `?? …` {INSTEAD}",
            ),
            (
                "nodes.check.output.b['c d']",
                "missing_value",
                "`nodes.check.output.b` has no value because `nodes.check.output` has no `b`, so `[\"c d\"]` cannot be read. "
                f'Use `nodes.check.output.b?.["c d"] ?? …` {INSTEAD}',
            ),
            (
                "input.list.find(x => x > 5).id",
                "missing_value",
                f"`input.list.find(x => x > 5)` is undefined, so `.id` cannot be read. Use `?.` and `?? …` {INSTEAD}",
            ),
            (
                "input.list.map(x => x.a.b)",
                "missing_value",
                f"`x.a` is undefined, so `.b` cannot be read. Use `?.` and `?? …` {INSTEAD}",
            ),
            (
                "[...input.missing]",
                "missing_value",
                f"Something in `[...input.missing]` that is spread or taken apart is undefined. Use `?? []` {INSTEAD}",
            ),
            (
                "(({a}) => a)(input.missing)",
                "missing_value",
                f"Something in `(({{a}}) => a)(input.missing)` that is taken apart has no value. Use `?? {{}}` {INSTEAD}",
            ),
            ("input.n.map(x => x)", "type_error", "`input.n` is a number, and its `map` is not a function."),
            ("input.order.includes(1)", "type_error", "`input.order` is an object, and its `includes` is not a function."),
            ("input.list.map(String).total()", "type_error", "Something that is called in `input.list.map(String).total()` is not a function."),
            ("input.n()", "type_error", "`input` is an object, and its `n` is not a function."),
            (
                "input.list.push(1)",
                "type_error",
                "`input.list.push(1)` changes what it was given, which no expression can. "
                "Make a copy: [...list], {...object}, list.toSorted(), list.with(…).",
            ),
            ("'a' in 5", "type_error", "`'a' in 5` failed: invalid 'in' operand."),
            ("1n + 1", "type_error", "`1n + 1` failed: cannot convert BigInt to number. Integers beyond 2^53 come as BigInt, to stay exact: write Number(…), or 1n for 1."),
            ("foo.bar", "unknown_name", "In `foo.bar`, there is no `foo`."),
            ("item.x + 1", "unknown_name", "In `item.x + 1`, there is no `item`: it exists only inside a loop or a parallel, or for each item of a list."),
            ("(() => { throw new Error('no good') })()", "threw", "`(() => { throw new Error('no good') })()` threw Error: no good."),
            ("(() => { throw 'text' })()", "threw", "`(() => { throw 'text' })()` threw string: text."),
            ("(() => { throw {} })()", "threw", "`(() => { throw {} })()` threw an object that is no Error."),
            ("(() => { throw {get name() { throw 1 }} })()", "threw", "something that cannot be shown"),
            (
                "btoa('5 €')",
                "threw",
                "In `btoa('5 €')`, `btoa` gets a character that it does not take. The operation `encode` takes every text; a secret is "
                "filled in only afterwards, and `auth` makes basic authentication of it.",
            ),
            ("'x'.repeat(-1)", "threw", "`'x'.repeat(-1)` threw RangeError: invalid repeat count."),
            ("() => 1", "result_type", "The result of `() => 1` is or holds a function, which JSON cannot express. Give text, numbers, booleans, null, lists and objects of them."),
            ("new Map()", "result_type", "The result of `new Map()` is or holds a Map, which JSON cannot express. Use Object.fromEntries(…) or [...…]."),
            ("secret('A')", "secret_not_allowed", "secret() is not allowed here: this field is not handed to the outside."),
            ("input.list.map(", "syntax", "This must be one JavaScript expression, not statements."),
        ],
    )  # fmt: skip
    def test_says_what_is_wrong_and_what_to_do(self, evaluator, source, code, message):
        (result,) = evaluator.evaluate([Expression(source)], ROOTS, now=NOON, absent={"ship": "was skipped"})

        assert result.error is not None
        assert (result.error.code, result.error.message, result.error.expression) == (code, message, source)

    def test_says_in_which_line_it_happened(self, evaluator):
        assert error_of(evaluator, "[\n  1,\n  input.a.b,\n]", input={}).line == 3

    def test_does_not_take_lines_of_our_own_for_lines_of_the_author(self, evaluator):
        assert error_of(evaluator, "[new Date('no')]").line is None

    def test_quotes_no_more_of_a_source_than_helps(self, evaluator):
        error = error_of(evaluator, "1 +\n" * 500 + "foo")

        assert len(error.message) < 150

    def test_repeats_no_values(self, evaluator):
        error = error_of(evaluator, "input.card.number.x", input={"card": {"number": None, "cvc": "s3cret"}})

        assert "s3cret" not in str(error)

    def test_speaks_of_the_item_that_failed(self, evaluator):
        items = [{"a": {"b": 1}}, {"c": 1}]

        with pytest.raises(ExpressionError) as caught:
            evaluator.evaluate_each(Expression("item.a.b"), items, {}, now=NOON)

        assert "`item.a` has no value because `item` has no `a`, so `.b` cannot be read" in caught.value.message

    @pytest.mark.parametrize("source", ["'x'.repeat(3e7).split('').length", "(() => { throw null })()"])
    def test_takes_null_for_a_lack_of_memory_as_well(self, evaluator, source):
        """QuickJS throws it when there is not even room for an error."""
        assert "needs too much memory" in error_of(evaluator, source).message

    def test_says_that_nothing_is_awaited(self, evaluator):
        error = error_of(evaluator, "[1].map(async n => n)")

        assert error.message.endswith("Nothing can be awaited here: leave `async` out.")

    def test_does_not_name_what_no_message_would_hold(self, evaluator):
        """Of a long chain, each target is part of the next: together they would be as long as the square of the source."""
        source = "input" + ".a" * 1_000

        assert "so `.a` cannot be read" in error_of(evaluator, source, input={"a": {}}).message
