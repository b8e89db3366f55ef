"""Scripts: the body of a function, in both places where JavaScript runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clock import NOON
from workflows.expressions import SCRIPT_LIMITS, Evaluator, ExpressionError, InProcessSandbox, Sandboxes
from workflows.expressions.scripts import MAX_BODY_BYTES, body_of, script_references, source_of


@pytest.fixture(scope="module", params=["child process", "in place"])
def evaluator(request: pytest.FixtureRequest) -> Iterator[Evaluator]:
    made = Sandboxes(SCRIPT_LIMITS) if request.param == "child process" else InProcessSandbox(SCRIPT_LIMITS)
    yield made
    made.close()


def once(evaluator: Evaluator, body: str, items: list[Any] | None = None, **roots: Any) -> Any:
    return evaluator.run_script(body, items or [], roots, now=NOON)


def each(evaluator: Evaluator, body: str, items: list[Any], **roots: Any) -> list[Any]:
    return evaluator.run_script_each(body, items, roots, now=NOON)


def error_of(evaluator: Evaluator, body: str, items: list[Any] | None = None, **roots: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        once(evaluator, body, items, **roots)
    return caught.value


class TestRunScript:
    def test_gives_back_what_it_returns(self, evaluator):
        body = "let sum = 0;\nfor (const item of items) sum += item.n;\nreturn {sum, by: input.by};"

        assert once(evaluator, body, [{"n": 1}, {"n": 2}], input={"by": "Ada"}) == {"sum": 3, "by": "Ada"}

    def test_may_use_functions_classes_and_comments_of_its_own(self, evaluator):
        body = (
            "// First a class.\nclass Money { constructor(n) { this.n = n } plus(m) { return new Money(this.n + m.n) } }\n"
            "function* pairs(list) { for (let i = 0; i + 1 < list.length; i++) yield [list[i], list[i + 1]] }\n"
            "try { null.x } catch { /* nothing */ }\n"
            "label: for (;;) { break label }\n"
            "class NoStock extends Error { constructor() { super('x'); this.name = 'NoStock' } }\n"
            "try { throw new NoStock() } catch (error) { if (error.name !== 'NoStock') throw error }\n"
            "return {money: new Money(1).plus(new Money(2)).n, pairs: [...pairs(items)]} // at the end"
        )

        assert once(evaluator, body, [1, 2, 3]) == {"money": 3, "pairs": [[1, 2], [2, 3]]}

    def test_may_work_on_its_items_in_place(self, evaluator):
        items = [{"n": 1, "tags": []}]

        assert once(evaluator, "items[0].tags.push('x'); items.push({n: 2}); return items", items) == [
            {"n": 1, "tags": ["x"]},
            {"n": 2},
        ]
        assert items == [{"n": 1, "tags": []}]

    @pytest.mark.parametrize("root", ["input", "trigger", "nodes", "vars"])
    def test_changes_nothing_else_that_it_is_given(self, evaluator, root):
        error = error_of(evaluator, f"{root}.x = 1;\nreturn 1", **{root: {"x": {"output": 0}}})

        assert (error.code, error.line) == ("type_error", 1)

    def test_has_the_recorded_time_and_no_other(self, evaluator):
        assert once(evaluator, "return [now(), new Date(now()).getTime()]") == [
            "2026-03-04T12:00:00.000Z",
            1772625600000,
        ]
        for clock in ("new Date()", "Date.now()", "Math.random()", "performance.now()"):
            assert error_of(evaluator, f"return {clock}").code in (
                "threw",
                "unknown_name",
                "missing_value",
                "type_error",
            )

    def test_keeps_large_integers_exact(self, evaluator):
        assert once(evaluator, "return items[0].id + 1n", [{"id": 2**60}]) == 2**60 + 1

    def test_leaves_nothing_behind_for_the_next(self, evaluator):
        assert once(evaluator, "Array.prototype.leak = 1; return [].leak") == 1
        assert once(evaluator, "return [].leak === undefined")


class TestRunScriptEach:
    def test_gives_back_one_for_each(self, evaluator):
        body = "item.label = `${index}: ${item.n * input.factor}`;\nreturn item"

        assert each(evaluator, body, [{"n": 1}, {"n": 2}], input={"factor": 10}) == [
            {"n": 1, "label": "0: 10"},
            {"n": 2, "label": "1: 20"},
        ]

    def test_asks_nobody_for_no_items(self, evaluator):
        assert each(evaluator, "return item", []) == []

    def test_names_the_item_and_the_line_that_failed(self, evaluator):
        with pytest.raises(ExpressionError) as caught:
            each(evaluator, "const order = item;\nreturn order.customer.name", [{"customer": {"name": "Ada"}}, {}])

        error = caught.value
        assert (error.code, error.index, error.line) == ("missing_value", 1, 2)
        assert "order.customer" in error.message


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "code", "line", "words"),
        [
            (
                "const a = 1;\n\n  throw new Error('no stock')",
                "threw",
                3,
                "Line 3, column 13: The script threw Error: no stock.",
            ),
            (
                "const a = 1;",
                "missing_value",
                None,
                "The script gave no value back. Let every way through it end with `return …`.",
            ),
            ("return {a: undefined}", "missing_value", None, "`a` in the result of the script has no value"),
            ("return new Map()", "result_type", None, "The result of the script is or holds a Map"),
            ("const a = ;\nreturn 1", "syntax", 1, "Line 1, column 9"),
            ("return 1;\n}", "syntax", None, "This must be the body of a JavaScript function"),
            ("return 1 })(), (() => { return 2", "syntax", None, "It closes a `}` that it has not opened"),
            ("return 1 })()(() => { return 2", "syntax", None, "It closes a `}`"),
            ("return 1 }, () => { return 2", "syntax", None, "It closes a `}`"),
            ("const a = 1;\nconst a = 2;\nreturn a", "syntax", 2, "redefinition"),
            ("const a = await 1;\nreturn a", "syntax", 1, ""),
            ("import x from 'y';\nreturn x", "syntax", 1, ""),
            ("return missing", "unknown_name", 1, "there is no `missing`"),
            ("return require('fs')", "unknown_name", 1, "there is no `require`"),
            ("console.log(1);\nreturn 1", "unknown_name", 1, "there is no `console`"),
            ("return 5 .x()", "type_error", 1, "is not a function"),
            ("", "missing_value", None, "gave no value back"),
            ("return '" + "x" * MAX_BODY_BYTES + "'", "too_large", None, "65,536 are allowed"),
            ("return 'x'.repeat(6e6)", "too_large", None, "The result of the script is too large"),
        ],
    )
    def test_say_what_is_wrong_and_where(self, evaluator, body, code, line, words):
        error = error_of(evaluator, body)

        assert (error.code, error.line, error.expression) == (code, line, body)
        assert words in error.message

    def test_of_too_much_input_say_so(self, evaluator):
        assert error_of(evaluator, "return items.length", ["x" * 6_000_000]).code == "too_large"


class TestReferences:
    def test_are_those_of_the_whole_body(self):
        body = "const nodes2 = nodes.order.output;\nfunction f(item) { return item + vars.RATE }\nreturn f(input) + now() + items.length"

        found = script_references(body)

        assert found.findings == ()
        assert found.roots == {"nodes", "vars", "input", "now", "items"}
        assert (found.node_ids, found.variables) == ({"order"}, {"RATE"})
        assert [(mention.line, mention.column) for mention in found.nodes] == [(1, 16)]

    def test_name_what_is_not_there_by_its_own_line(self):
        (finding,) = script_references("const a = 1;\nreturn itmes").findings

        assert (finding.code, finding.line, finding.column) == ("unknown_name", 2, 8)

    def test_survive_the_way_to_the_engine_and_back(self):
        assert body_of(source_of("return {\n}")) == "return {\n}"
