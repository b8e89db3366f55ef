"""What expressions mean, in a child process and in place alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings

from tests.clock import NOON
from tests.workflows.expressions.evaluating import error_of, value_of
from tests.workflows.expressions.strategies import json_values
from workflows.expressions import Expression, ExpressionError, InProcessSandbox, Limits, Sandbox

ORDER = {
    "id": 7,
    "amount": 120.5,
    "country": "DE",
    "paid": False,
    "note": None,
    "lines": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 3}],
}


class TestEvaluate:
    """S-EXPR-1: expressions are JavaScript, over JSON values."""

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("input", ORDER),
            ("input.lines[1].sku", "b"),
            ("input['lines'][0]", {"sku": "a", "qty": 2}),
            ("input.note", None),
            ("input.amount > 100 && input.country === 'DE'", True),
            ("input.lines.reduce((sum, line) => sum + line.qty, 0)", 5),
            ("input.lines.map(({sku}) => ({sku}))", [{"sku": "a"}, {"sku": "b"}]),
            ("{...input, lines: undefined ?? []}", {**ORDER, "lines": []}),
            ("{a: 1}.a", 1),
            ("1, 2", 2),
            ("`${input.id}-${input.country}`", "7-DE"),
            ("input.missing ?? 'none'", "none"),
            ("input.missing?.deep?.er ?? null", None),
            ("typeof input.missing", "undefined"),
            ("Object.keys(input).length", 6),
            ("input.lines.toSorted((a, b) => b.qty - a.qty)[0].sku", "b"),
            ("Math.max(...input.lines.map(line => line.qty))", 3),
            ("JSON.parse('[1]')", [1]),
            ("btoa('user:pass')", "dXNlcjpwYXNz"),
            ("encodeURIComponent('a b/ü')", "a%20b%2F%C3%BC"),
            ("[...new Set([1, 1, 2])]", [1, 2]),
            ("Object.fromEntries(new Map([['a', 1]]))", {"a": 1}),
            ("/^(\\d+)-/.exec('12-x')[1]", "12"),
            ("'💥'.length", 2),
            ("[, 1].length", 2),
            ("this === undefined", True),
            ("input.amount // the sum", 120.5),
            ("/* nothing */ null", None),
            ("-0", 0),
            ("1e300", 1e300),
            ("0.1 + 0.2", 0.30000000000000004),
            ("'a\\u0000b'", "a\0b"),
            ("(() => { let n = 0; for (const line of input.lines) n += line.qty; return n })()", 5),
        ],
    )
    def test_gives_the_value_of_an_expression(self, evaluator, source, value):
        assert value_of(evaluator, source, input=ORDER) == value

    def test_gives_one_result_for_each_expression_in_order(self, evaluator):
        sources = ["input.id", "input.nothing.at.all", "input.id * 2", "1 +", "'x'"]

        results = evaluator.evaluate([Expression(source) for source in sources], {"input": ORDER}, now=NOON)

        assert [result.value for result in results] == [7, None, 14, None, "x"]
        assert [result.error and result.error.code for result in results] == [
            None,
            "missing_value",
            None,
            "syntax",
            None,
        ]

    def test_gives_nothing_for_nothing(self, evaluator):
        assert evaluator.evaluate([], {}, now=NOON) == []

    @pytest.mark.parametrize(
        "source",
        [
            "trigger",
            "execution.id",
            "workflow.name",
            "nodes.a.output",
            "vars.A",
            "item",
            "index",
            "accumulator",
            "scopes.each.item",
        ],
    )
    def test_gives_every_root_that_it_was_handed(self, evaluator, source):
        roots = {
            "trigger": 1,
            "execution": {"id": 1},
            "workflow": {"name": 1},
            "nodes": {"a": {"output": 1}},
            "vars": {"A": 1},
            "item": 1,
            "index": 1,
            "accumulator": 1,
            "scopes": {"each": {"item": 1}},
        }

        assert value_of(evaluator, f"{source} + 0", **roots) == 1

    def test_finds_nodes_under_names_that_objects_have_by_birth(self, evaluator):
        assert value_of(evaluator, "typeof nodes.constructor", nodes={}) == "undefined"
        assert value_of(evaluator, "typeof vars.toString", vars={}) == "undefined"
        assert value_of(evaluator, "(nodes.valueOf).output", nodes={"valueOf": {"output": 1}}) == 1
        assert value_of(evaluator, "typeof scopes.constructor", scopes={}) == "undefined"

    def test_takes_a_key_called_proto_for_data(self, evaluator):
        assert value_of(evaluator, "(input).__proto__.a", input={"__proto__": {"a": 1}}) == 1
        assert value_of(evaluator, "({}).a ?? 'clean'", input={"__proto__": {"a": 1}}) == "clean"

    @given(json_values)
    @settings(deadline=None, max_examples=200)
    def test_gives_json_values_back_as_they_are(self, value):
        evaluator = InProcessSandbox()

        # The parentheses keep it from being answered without JavaScript.
        assert value_of(evaluator, "(input)", input=value) == value_of(evaluator, "input", input=value) == value

    @pytest.mark.parametrize("number", [2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1])
    def test_keeps_long_integers_exact(self, evaluator, number):
        roots = {"input": {"id": number, "rest": [1, 1.5, "2"]}}

        assert value_of(evaluator, "{...input}", **roots) == roots["input"]
        assert value_of(evaluator, "input.id", as_text=True, **roots) == str(number)
        assert value_of(evaluator, "(input.id)", as_text=True, **roots) == str(number)
        assert value_of(evaluator, f"input.id == {number}n", **roots) is True

    @pytest.mark.parametrize("number", [2.0**53, 1e20, -1e300, 5.759723590300229e16])
    def test_keeps_large_numbers_numbers(self, evaluator, number):
        value = value_of(evaluator, "[input * 1, input + 1 > 0]", input=number)

        assert value == [number, number > 0]
        assert isinstance(value[0], float)
        assert value_of(evaluator, "input * 1", input=number) == number

    def test_refuses_integers_that_nobody_can_store(self, evaluator):
        assert error_of(evaluator, "2n ** 70n").code == "result_type"
        assert error_of(evaluator, "input", input=2**70).code == "result_type"

    @pytest.mark.parametrize("value", ["\ud800", "a\udfffb", {"\ud83d": ["\ude00"]}])
    def test_mends_halves_of_characters(self, evaluator, value):
        mended = value_of(evaluator, "(input)", input=value)

        assert "\ufffd" in str(mended)
        str(mended).encode()

    def test_mends_a_character_that_an_expression_cut_in_two(self, evaluator):
        assert value_of(evaluator, "'a💥'.slice(0, 2)") == "a\ufffd"

    def test_takes_nan_for_null(self, evaluator):
        assert value_of(evaluator, "(input)", input=[float("nan"), 1]) == [None, 1]
        assert value_of(evaluator, "(input)", input=[float("inf"), 2**60]) == [None, 2**60]


class TestText:
    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("'a'", "a"),
            ("''", ""),
            ("1", "1"),
            ("-1.50", "-1.5"),
            ("1e21", "1e+21"),
            ("0.000001", "0.000001"),
            ("1e-7", "1e-7"),
            ("2 ** 60", "1152921504606847000"),
            ("true", "true"),
            ("false", "false"),
            ("input", '{"a":[1,"ü",null],"b":1.5}'),
            ("[1, {b: 'x'}]", '[1,{"b":"x"}]'),
            ("new Date(0)", "1970-01-01T00:00:00.000Z"),
            ("input.a[1]", "ü"),
            ("input.a[0]", "1"),
            ("input.b", "1.5"),
            ("10n", "10"),
        ],
    )
    def test_is_written_as_javascript_would(self, evaluator, source, text):
        assert value_of(evaluator, source, as_text=True, input={"a": [1, "ü", None], "b": 1.5}) == text

    @pytest.mark.parametrize("source", ["null", "undefined", "input.x", "input.y"])
    def test_is_never_made_of_nothing(self, evaluator, source):
        error = error_of(evaluator, source, as_text=True, input={"x": None})

        assert error.code == "missing_value"
        assert "Use `?? …`" in error.message


class TestResults:
    """S-EXPR-5: a result is JSON, or an error."""

    @pytest.mark.parametrize(
        ("source", "kind"),
        [
            ("NaN", "NaN"),
            ("1 / 0", "Infinity"),
            ("[1, -1 / 0]", "-Infinity"),
            ("() => 1", "a function"),
            ("[Math.max]", "a function"),
            ("class {}", "a function"),
            ("Symbol('a')", "a symbol"),
            ("{a: Symbol.iterator}", "a symbol"),
            ("new Map([[1, 2]])", "a Map"),
            ("new Set()", "a Set"),
            ("/a/", "a RegExp"),
            ("new (class Point {})()", "a Point"),
            ("Promise.resolve(1)", "a Promise"),
            ("import('os')", "a Promise"),
            ("new Uint8Array(2)", "a Uint8Array"),
            ("new Number(1).constructor === Number && [Object(1n)]", "a BigInt"),
        ],
    )
    def test_are_nothing_but_json(self, evaluator, source, kind):
        error = error_of(evaluator, source)

        assert error.code == "result_type"
        assert kind in error.message

    @pytest.mark.parametrize("source", ["undefined", "void 0", "input.a", "[][0]", "(() => {})()", "({}).x"])
    def test_are_never_missing(self, evaluator, source):
        assert error_of(evaluator, source, input={}).code == "missing_value"

    def test_are_not_missing_within(self, evaluator):
        error = error_of(evaluator, "{total: input.total}", input={})

        assert error.code == "missing_value"
        assert error.message == (
            "`total` in the result of `{total: input.total}` has no value. "
            "Use `?? …` to say what to take instead, such as `?? null`."
        )

    def test_do_not_go_round_in_circles(self, evaluator):
        error = error_of(evaluator, "(() => { const a = {}; a.a = a; return a })()")

        assert (error.code, "circular" in error.message) == ("type_error", True)

    def test_honour_what_objects_say_of_themselves(self, evaluator):
        assert value_of(evaluator, "{at: new Date('2026-01-02')}") == {"at": "2026-01-02T00:00:00.000Z"}
        assert value_of(evaluator, "{toJSON: () => 5}") == 5

    def test_are_looked_at_once(self, evaluator):
        source = "(() => { let n = 0; return {get a() { return n++ ? Symbol() : 1 }} })()"

        assert value_of(evaluator, source) == {"a": 1}

    def test_say_when_a_time_could_not_be_read(self, evaluator):
        assert error_of(evaluator, "[new Date('no')]").code == "threw"

    def test_may_be_as_deep_as_the_limit(self, evaluator):
        source = "(() => { let a = 1; for (let i = 0; i < DEPTH; i++) a = [a]; return a })()"

        value_of(evaluator, source.replace("DEPTH", "128"))
        assert error_of(evaluator, source.replace("DEPTH", "129")).code == "too_large"
        assert error_of(evaluator, source.replace("DEPTH", "1500")).code == "too_large"

    def test_may_be_no_deeper_when_they_are_only_handed_on(self, evaluator):
        deepest: list[object] = []
        for _ in range(127):
            deepest = [deepest]

        assert value_of(evaluator, "input", input=deepest) == deepest
        assert error_of(evaluator, "input", input=[deepest]).code == "too_large"


class TestInput:
    """S-EXPR-6: what an expression does to its input, nobody else sees."""

    @pytest.mark.parametrize(
        "source",
        [
            "input.a = 2",
            "input.list.push(3)",
            "input.list[0] = 3",
            "input.list.sort()",
            "input.list[0].deep.er = 1",
            "delete input.a",
            "input.new = 1",
            "Object.assign(input, {a: 2})",
            "Object.defineProperty(input, 'a', {value: 2})",
            "Object.setPrototypeOf(input, {a: 2})",
            "input = 1",
            "nodes.a = 1",
            "nodes.x.output.y = 1",
            "vars.A = 1",
            "accumulator.push(1)",
            "scopes.each.item.a = 1",
        ],
    )
    def test_is_frozen_however_deep(self, evaluator, source):
        roots = {"input": {"a": 1, "list": [{"deep": {}}, 0]}, "nodes": {"x": {"output": {}}}, "vars": {}}
        roots |= {"accumulator": [], "scopes": {"each": {"item": {}}}}

        error = error_of(evaluator, f"({source}, 1)", **roots)

        assert error.code == "type_error"
        assert "changes what it was given, which no expression can" in error.message

    def test_can_be_copied_and_changed(self, evaluator):
        assert value_of(evaluator, "[...input].reverse()", input=[1, 2]) == [2, 1]

    @pytest.mark.parametrize(
        "source",
        [
            "Array.prototype.map = () => 'changed'",
            "Array.prototype.extra = 1",
            "Object.prototype.extra = 1",
            "({}).__proto__.extra = 1",
            "[].constructor.prototype.extra = 1",
            "String.prototype.at = 1",
            "Math.max = 1",
            "JSON.stringify = 1",
            "Object.keys = 1",
            "globalThis.extra = 1",
            "(() => {}).__proto__.call = 1",
            "[].values().__proto__.next = 1",
            "''[Symbol.iterator]().__proto__.next = 1",
            "new Map().values().__proto__.next = 1",
            "parseInt = () => 1",
            "delete globalThis.parseInt",
            "encodeURIComponent.left = 1",
            "Array = 1",
            "Object = {keys: () => []}",
            "Date.prototype.getTime = () => 0",
            "Date.UTC = () => 0",
            "RangeError.prototype.name = 1",
        ],
    )
    def test_is_not_changed_through_the_language_itself(self, evaluator, source):
        watch = "[[1].map(x => x), [].extra ?? 0, ({}).extra ?? 0, Math.max(1, 2), typeof extra, 'ab'.at(1), [...[1]]]"
        watch = (
            f"[...{watch}, parseInt('5'), [...'ab'], [...new Map().values()], new Date(5).getTime(), Array.isArray([])]"
        )
        expressions = [Expression(f"({source}, 1)"), Expression(watch)]

        changed, watched = evaluator.evaluate(expressions, {}, now=NOON)

        assert changed.error is not None
        assert watched.value == [[1], 0, 0, 2, "undefined", "b", [1], 5, ["a", "b"], [], 5, True]

    def test_leaves_nothing_behind_for_the_next_request(self, evaluator):
        evaluator.evaluate([Expression("(globalThis.left = Array.prototype.left = 1, 1)")], {}, now=NOON)

        assert value_of(evaluator, "[typeof left, [].left ?? 'none']") == ["undefined", "none"]

    def test_holds_only_what_is_mentioned(self, evaluator):
        roots = {"input": 1, "trigger": 2, "nodes": {"a": 1, "b": 2}, "vars": {"A": 1}}

        assert value_of(evaluator, "[nodes.a, Object.keys(globalThis).includes('trigger')]", **roots) == [1, False]
        assert error_of(evaluator, "globalThis['tri' + 'gger'].x", **roots).code == "missing_value"
        assert value_of(evaluator, "Object.keys(nodes)", **roots) == ["a", "b"]


class TestTime:
    """S-EXPR-4: no clock and no chance, unless recorded."""

    @pytest.mark.parametrize("now", [NOON, NOON.astimezone(timezone(timedelta(hours=5)))])
    def test_is_the_recorded_moment_in_utc(self, evaluator, now):
        (result,) = evaluator.evaluate([Expression("[now(), new Date(now()).getTime()]")], {}, now=now)

        assert result.value == ["2026-03-04T12:00:00.000Z", 1772625600000]

    def test_keeps_milliseconds(self, evaluator):
        now = datetime(2026, 1, 2, 3, 4, 5, 678_999, tzinfo=UTC)

        (result,) = evaluator.evaluate([Expression("now()")], {}, now=now)

        assert result.value == "2026-01-02T03:04:05.678Z"

    @pytest.mark.parametrize(
        "source",
        [
            "Date.now()",
            "new Date()",
            "Date()",
            "new Date(0).constructor.now()",
            "new (new Date(0).constructor)()",
            "Reflect.construct(Date, [])",
            "new (class extends Date {})()",
            "Math.random()",
            "Math['ran' + 'dom']()",
        ],
    )
    def test_cannot_be_told_otherwise(self, evaluator, source):
        error = error_of(evaluator, source)

        assert error.code == "threw"
        assert "is not available" in error.message

    @pytest.mark.parametrize(
        "source",
        [
            "new Date(0).toLocaleDateString('de-DE')",
            "new Date(0).toLocaleTimeString()",
            "new Date(0).toLocaleString('en-GB', {month: 'long'})",
            "(1234.5).toLocaleString('de-DE')",
        ],
    )
    def test_is_not_written_for_the_wrong_country(self, evaluator, source):
        error = error_of(evaluator, source)

        assert error.code == "threw"
        assert "there are no locales" in error.message

    @pytest.mark.parametrize(
        "source",
        ["D\\u0061te.now()", "globalThis['Da' + 'te'].now()", "performance.now()", "M\\u0061th.r\\u0061ndom()"],
    )
    def test_cannot_be_told_by_tricks(self, evaluator, source):
        assert error_of(evaluator, source).code in ("missing_value", "unknown_name")

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("Date.parse('2026-01-02T00:00:00Z')", 1767312000000),
            ("new Date('2026-01-02').toISOString()", "2026-01-02T00:00:00.000Z"),
            ("new Date(2026, 0, 2).toISOString()", "2026-01-02T00:00:00.000Z"),
            ("Date.UTC(2026, 0, 2)", 1767312000000),
            ("new Date(0) instanceof Date", True),
            ("new Date(now()).getDay()", 3),
            ("Math.round(1.5)", 2),
        ],
    )
    def test_can_be_read_and_written(self, sandbox, source, value):
        # In place, local times are in the time zone of the process.
        assert value_of(sandbox, source) == value


class TestSecret:
    """S-EXPR-4: a secret is no value but a placeholder, and only where it is allowed."""

    def test_is_a_placeholder_with_the_mark_of_this_run(self, evaluator):
        (result,) = evaluator.evaluate([Expression("'Bearer ' + secret('API_KEY')")], {}, now=NOON, secret_mark="m4rk")

        assert result.value == "Bearer ⟦secret:API_KEY:m4rk⟧"

    def test_is_refused_where_it_is_not_allowed(self, evaluator):
        assert error_of(evaluator, "secret('API_KEY')").code == "secret_not_allowed"

    @pytest.mark.parametrize("name", ["''", "'a b'", "'A:m4rk⟧⟦secret:B'", "1", "null", "{}", "'1A'", "'A\\n'"])
    def test_has_a_name_like_a_variable(self, evaluator, name):
        (result,) = evaluator.evaluate([Expression(f"secret({name})")], {}, now=NOON, secret_mark="m")

        assert result.error is not None
        assert result.error.code == "type_error"


class TestDoors:
    """S-EXPR-4: nothing outside can be reached, and code cannot be made from text."""

    @pytest.mark.parametrize(
        "source",
        [
            "eval('1')",
            "(0, eval)('1')",
            "Function('return 1')()",
            "new Function('return 1')()",
            "(() => 1).constructor('return 1')()",
            "isNaN.constructor('return 1')()",
            "globalThis['ev' + 'al']('1')",
            "globalThis['Func' + 'tion']('return 1')()",
            "require('fs')",
            "process.exit()",
            "this.process.exit()",
            "globalThis.process.exit()",
            "fetch('http://localhost')",
            "std.open('/etc/passwd')",
            "os.exec(['id'])",
            "console.log(1)",
            "setTimeout(() => 1)",
            "new WeakRef({})",
            "new SharedArrayBuffer(1)",
            "Atomics.load()",
        ],
    )
    def test_are_closed(self, evaluator, source):
        assert error_of(evaluator, source).code in ("unknown_name", "missing_value", "type_error")


class TestEvaluateEach:
    def test_evaluates_one_expression_for_each_item(self, evaluator):
        values = evaluator.evaluate_each(
            Expression("item.qty * input.factor + index"), [{"qty": 1}, {"qty": 2}], {"input": {"factor": 10}}, now=NOON
        )

        assert values == [10, 21]

    def test_gives_nothing_for_no_items(self, evaluator):
        assert evaluator.evaluate_each(Expression("item"), [], {}, now=NOON) == []

    def test_can_write_text(self, evaluator):
        assert evaluator.evaluate_each(Expression("item", as_text=True), [1, "a", {"b": None}], {}, now=NOON) == [
            "1",
            "a",
            '{"b":null}',
        ]

    def test_prefers_its_own_item_to_that_of_a_loop_around_it(self, evaluator):
        assert evaluator.evaluate_each(Expression("item"), [1], {"item": 9, "index": 9}, now=NOON) == [1]

    def test_keeps_long_integers_exact(self, evaluator):
        assert evaluator.evaluate_each(Expression("item"), [2**60 + 1], {}, now=NOON) == [2**60 + 1]

    def test_manages_ten_thousand_items(self, evaluator):
        items = [{"id": number, "name": f"Item {number}"} for number in range(10_000)]

        values = evaluator.evaluate_each(Expression("{...item, index}"), items, {}, now=NOON)

        assert values == [{**item, "index": index} for index, item in enumerate(items)]

    @pytest.mark.parametrize(
        ("source", "code"),
        [
            ("item.a.b", "missing_value"),
            ("item.a", "missing_value"),
            ("[item.a]", "missing_value"),
            ("item.a ?? NaN", "result_type"),
            ("item.a ?? (() => { throw new Error('no') })()", "threw"),
            ("item.a ?? (() => { while (true); })()", "time_limit"),
            ("item.a ?? (function f() { return f() })()", "memory_limit"),
        ],
    )
    def test_names_the_first_item_that_fails(self, evaluator, source, code):
        items = [{"a": {"b": 1}}, {"a": {"b": 2}}, {}, {}]

        with pytest.raises(ExpressionError) as caught:
            evaluator.evaluate_each(Expression(source), items, {}, now=NOON)

        assert (caught.value.code, caught.value.index) == (code, 2)

    def test_names_an_item_that_is_no_text(self, evaluator):
        with pytest.raises(ExpressionError) as caught:
            evaluator.evaluate_each(Expression("item", as_text=True), ["a", None], {}, now=NOON)

        assert (caught.value.code, caught.value.index) == ("missing_value", 1)

    def test_refuses_what_is_no_expression(self, evaluator):
        with pytest.raises(ExpressionError) as caught:
            evaluator.evaluate_each(Expression("item."), [1], {}, now=NOON)

        assert caught.value.code == "syntax"

    def test_cannot_count_across_items(self, evaluator):
        with pytest.raises(ExpressionError):
            evaluator.evaluate_each(Expression("globalThis.n = (globalThis.n ?? 0) + 1"), [1, 2], {}, now=NOON)


class TestLimits:
    """S-EXPR-3: source, input, output, time and memory are limited."""

    @pytest.fixture(params=[Sandbox, InProcessSandbox])
    def small(self, request):
        limits = Limits(
            source_bytes=100, input_bytes=1_000, output_bytes=200, each_output_bytes=400, total_output_bytes=600
        )
        evaluator = request.param(limits)
        yield evaluator
        evaluator.close()

    def test_hold_for_the_source(self, small):
        assert value_of(small, "1" + " " * 99) == 1
        assert error_of(small, "1" + " " * 100).code == "too_large"
        assert error_of(small, "'" + "ü" * 50 + "'").code == "too_large"

    def test_hold_for_the_input(self, small):
        framing = len('{"input":""}') + len("null")

        assert value_of(small, "(input).length", input="x" * (1_000 - framing)) == 1_000 - framing
        error = error_of(small, "(input).length", input="x" * (1_001 - framing))
        assert error.code == "too_large"
        assert "Mention only the part that is needed" in error.message

    def test_count_only_what_is_mentioned(self, small):
        roots = {"input": {"small": 1}, "trigger": "x" * 5_000, "nodes": {"a": {"output": "x" * 5_000}}}

        assert value_of(small, "input.small + 1", **roots) == 2

    def test_hold_for_the_output(self, small):
        framing = len('{"value":""}')

        assert len(value_of(small, f"'x'.repeat({200 - framing})")) == 200 - framing
        assert error_of(small, f"'x'.repeat({201 - framing})").code == "too_large"

    def test_are_wider_for_a_value_that_is_only_handed_on(self, small):
        """A large output comes back where it is used."""
        assert value_of(small, "input", input={"a": ["x" * 500]}) == {"a": ["x" * 500]}
        assert error_of(small, "input", input="x" * 700).code == "too_large"
        assert error_of(small, "input", input={"a": ["x" * 700]}).code == "too_large"

    @pytest.mark.parametrize("source", ["input", "'x'.repeat(150)"])
    def test_hold_for_all_results_together(self, small, source):
        """A short definition can name one large value very often."""
        results = small.evaluate([Expression(source)] * 10, {"input": "x" * 150}, now=NOON)

        assert [result.error and result.error.code for result in results] == [None] * 3 + ["too_large"] * 7

    def test_hold_for_a_value_that_is_handed_on_to_every_item(self, small):
        with pytest.raises(ExpressionError, match="together with the others"):
            small.evaluate_each(Expression("input"), list(range(10)), {"input": "x" * 100}, now=NOON)

    def test_hold_for_all_items_together(self, small):
        each = Expression("'x'.repeat(30)")

        assert len(small.evaluate_each(each, list(range(10)), {}, now=NOON)) == 10
        with pytest.raises(ExpressionError) as caught:
            small.evaluate_each(each, list(range(20)), {}, now=NOON)
        assert caught.value.code == "too_large"

    def test_hold_for_input_that_is_too_deep_to_be_handed_over(self, evaluator):
        value: object = 1
        for _ in range(5_000):
            value = [value]

        assert error_of(evaluator, "(input)", input=value).code == "too_large"

    def test_hold_for_all_expressions_together(self):
        evaluator = InProcessSandbox(Limits(batch_cpu_seconds=0.4))
        expressions = [Expression("(() => { while (true); })()")] * 3 + [Expression("1 + 1")]

        results = evaluator.evaluate(expressions, {}, now=NOON)

        assert [result.error and result.error.code for result in results] == ["time_limit"] * 4
        assert "those before it took all 0.4 seconds" in str(results[3].error)

    def test_give_large_input_room(self, evaluator):
        rows = [{"id": number} for number in range(200_000)]  # Over 32 MiB as objects.

        assert value_of(evaluator, "input.length + input[199999].id", input=rows) == 399_999

    @pytest.mark.parametrize("limits", [{"source_bytes": 0}, {"source_bytes": 65_537}, {"memory_bytes": 1_000}])
    def test_are_refused_where_the_engine_is_not_known_to_hold(self, limits):
        with pytest.raises(ValueError, match="must"):
            Limits(**limits)
