"""Which names an expression mentions, found without running it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.expressions.limits import LARGEST_SOURCE
from workflows.expressions.references import mentioned, references
from workflows.expressions.vocabulary import BUILTINS, ROOTS


def codes(source: str) -> list[str]:
    return [finding.code for finding in references(source).findings]


class TestReferences:
    """S-EXPR-4: an expression has only the names that it is given, and a foreign one is reported before it runs."""

    @pytest.mark.parametrize(
        ("source", "roots"),
        [
            ("input.a + trigger.b", {"input", "trigger"}),
            ("item.x && index > 1", {"item", "index"}),
            ("`${workflow.name} ${execution.id}`", {"workflow", "execution"}),
            ("new Date(now())", {"now"}),
            ("{input}", {"input"}),
            ("{a: input}", {"input"}),
            ("{input: 1}", set()),
            ("{[input]: 1}", {"input"}),
            ("trigger.input", {"trigger"}),
            ("'input'", set()),
            ("/input/", set()),
            ("/* input */ 1", set()),
            ("[...input]", {"input"}),
            ("input?.[index]", {"input", "index"}),
        ],
    )
    def test_are_the_roots_that_are_mentioned(self, source, roots):
        found = references(source)

        assert (found.roots, found.findings) == (roots, ())

    @pytest.mark.parametrize(
        "source",
        [
            "trigger.map(input => input.x)",
            "trigger.map((input) => input.x)",
            "trigger.map(({input}) => input)",
            "trigger.map(({a: input}) => input)",
            "trigger.map(({a: {b: [input]}}) => input)",
            "trigger.map(({input = 1}) => input)",
            "trigger.map(([input, ...item]) => item)",
            "trigger.map((input = 1) => input)",
            "trigger.map(function (input) { return input })",
            "(function input() { return input })()",
            "(() => { const input = 1; return input })()",
            "(() => { let {a: input} = trigger; return input })()",
            "(() => { if (trigger) { var input = 1 } return input })()",
            "(() => { for (const input of trigger) return input })()",
            "(() => { for (let input = 0; input < 1; input++) return input })()",
            "(() => { try { trigger() } catch (input) { return input } })()",
            "(() => { function input() {} return input })()",
            "(() => { class input {} return input })()",
            "(() => { switch (1) { case 1: let input = 2; return input } })()",
            "class input { m() { return input } } && 1",
            "(function () { return arguments.length })(trigger)",
            "({m() { return arguments }}).m(trigger)",
        ],
    )
    def test_leave_out_what_the_expression_binds_itself(self, source):
        found = references(source)

        assert found.roots <= {"trigger"}
        assert found.findings == ()

    @pytest.mark.parametrize(
        "source",
        [
            "[1].map(input => 2) && input",
            "(() => { { let input = 1 } return input })()",
            "(input => 1)(input)",
            "((a = input) => a)()",
            "(({[input]: a}) => a)({})",
            "(() => { (() => { var input = 1 })(); return input })()",
        ],
    )
    def test_keep_what_is_bound_only_elsewhere(self, source):
        assert references(source).roots == {"input"}

    @pytest.mark.parametrize(
        ("source", "node_id", "is_guarded"),
        [
            ("nodes.a.output", "a", False),
            ("nodes['a'].output", "a", False),
            ('nodes["a"]?.output', "a", True),
            ("nodes[`a`].output", "a", False),
            ("nodes?.a.output", "a", False),
            ("nodes?.a?.output", "a", True),
            ("nodes.a?.['output']", "a", True),
            ("nodes.a?.()", "a", True),
            ("nodes.a ?? 1", "a", True),
            ("nodes.a || 1", "a", True),
            ("nodes.a && 1", "a", True),
            ("nodes.a ? 1 : 2", "a", True),
            ("nodes.a === undefined", "a", True),
            ("!nodes.a", "a", True),
            ("typeof nodes.a", "a", True),
            ("1 ?? nodes.a", "a", False),
            ("input ? nodes.a : 2", "a", False),
            ("-nodes.a", "a", False),
            ("nodes.a.output ?? 1", "a", False),
            ("nodes.a.output?.x", "a", False),
            ("[nodes.a]", "a", False),
        ],
    )
    def test_say_which_nodes_are_meant_and_whether_they_may_be_missing(self, source, node_id, is_guarded):
        found = references(source)

        assert [(node.node_id, node.is_guarded) for node in found.nodes] == [(node_id, is_guarded)]
        assert not found.has_dynamic_nodes

    def test_say_where_nodes_are_mentioned(self):
        found = references("'ä💥' +\n nodes.b.output + nodes.a.output")

        assert [(node.node_id, node.line, node.column) for node in found.nodes] == [("b", 2, 2), ("a", 2, 19)]
        assert found.node_ids == {"a", "b"}

    @pytest.mark.parametrize(
        "source",
        [
            "nodes[input.name]",
            "nodes",
            "Object.keys(nodes)",
            "nodes[`a${1}`]",
            "(({a}) => a)(nodes)",
            r"nodes['\x61']",
            "x => nodes[x]",
        ],
    )
    def test_say_when_any_node_may_be_meant(self, source):
        found = references(source)

        assert found.has_dynamic_nodes
        assert not found.nodes

    def test_name_the_variables(self):
        found = references("vars.A + vars['B'] + vars?.C")

        assert (found.variables, found.has_dynamic_variables) == ({"A", "B", "C"}, False)

    def test_say_when_any_variable_may_be_meant(self):
        found = references("vars[input] + vars.A")

        assert (found.variables, found.has_dynamic_variables) == ({"A"}, True)

    @pytest.mark.parametrize(
        ("source", "scopes", "roots"),
        [
            ("scopes.each.item + scopes['each'].index", {"each"}, {("each", "item"), ("each", "index")}),
            ("scopes?.each?.item.a[0]", {"each"}, {("each", "item")}),
            ("[scopes.each, scopes.other[input]]", {"each", "other"}, set()),
            (
                "scopes.each['item'] && scopes.other.accumulator",
                {"each", "other"},
                {("each", "item"), ("other", "accumulator")},
            ),
            ("input[scopes.each]", {"each"}, set()),
        ],
    )
    def test_name_the_scopes_and_what_of_them_is_meant(self, source, scopes, roots):
        found = references(source)

        assert (found.scopes, found.scope_roots, found.has_dynamic_scopes) == (scopes, roots, False)

    @pytest.mark.parametrize("source", ["scopes", "scopes[input].item", "Object.keys(scopes)"])
    def test_say_when_any_scope_may_be_meant(self, source):
        found = references(source)

        assert (found.scopes, found.has_dynamic_scopes) == (frozenset(), True)

    def test_name_the_secrets(self):
        found = references("`Bearer ${secret('TOKEN')}` + secret(\"KEY\")")

        assert (found.secrets, found.findings) == ({"TOKEN", "KEY"}, ())

    @pytest.mark.parametrize(
        "source",
        [
            "secret(input)",
            "secret()",
            "secret('A', 'B')",
            "secret",
            "[1].map(secret)",
            "secret('A' + 'B')",
            "secret`A`",
        ],
    )
    def test_report_secrets_without_a_name(self, source):
        assert codes(source) == ["secret_name"]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("inptu.a", "There is no `inptu`. Did you mean `input`?"),
            ("node.a.output", "There is no `node`. Did you mean `nodes`?"),
            ("$vars.A", "There is no `$vars`. Did you mean `vars`?"),
            ("sandwich.x", "There is no `sandwich`. Known are accumulator, execution, index, input"),
            ("process.env", "There is no `process`. Nothing leads out of an expression or a script"),
            ("$input.all()", "There is no `$input`. It is `items` in a script, or `input`"),
            ("$('Order').first()", "There is no `$`. Outputs of other nodes are `nodes.order.output`."),
            ("console.log(1)", "There is no `console`. What should be seen belongs into the result"),
            ("globalThis", "There is no `globalThis`."),
            ("eval('1')", "There is no `eval`."),
            ("new Function('1')", "There is no `Function`."),
            ("unknown = 1", "There is no `unknown`."),
            ("{unknown}", "There is no `unknown`."),
            ("({unknown} = input)", "There is no `unknown`."),
        ],
    )
    def test_report_unknown_names(self, source, message):
        (finding,) = references(source).findings

        assert finding.code == "unknown_name"
        assert message in finding.message

    def test_quote_no_more_of_a_name_than_helps(self):
        (finding,) = references("a" * 60_000).findings

        assert len(finding.message) < 250

    def test_report_each_unknown_name_once_and_not_without_end(self):
        assert [finding.column for finding in references("b + a + b + a").findings] == [1, 5]
        assert len(codes("+".join(f"x{number}" for number in range(100)))) == 20

    def test_say_where_an_unknown_name_stands(self):
        (finding,) = references("1 +\n  foo").findings

        assert (finding.line, finding.column) == (2, 3)

    @pytest.mark.parametrize("name", sorted((BUILTINS | ROOTS) - {"secret"}))
    def test_know_the_names_of_the_language(self, name):
        assert references(name).findings == ()

    @pytest.mark.parametrize(
        "source",
        [
            "",
            "  ",
            "// a",
            "1;",
            "1; 2",
            "let a = 1",
            "return 1",
            "if (1) 2",
            "1 +",
            "1) + (2",
            "1); (2",
            "1).x(2",
            "a) => (a",
            "...input",
            "1,",
            "@",
            "a b",
            "'",
            "`",
            "(",
            "\0",
        ],
    )
    def test_have_a_fault_when_it_is_not_one_expression(self, source):
        found = references(source)

        assert codes(source) == ["syntax"]
        assert found.fault == found.findings[0]
        assert not found.roots

    def test_say_where_a_fault_is(self):
        fault = references("input.a +\n  ü b").fault

        assert fault is not None
        assert (fault.line, fault.column) == (2, 5)
        assert "`b` is not understood" in fault.message

    @pytest.mark.parametrize(
        "source", ["1, 2", "{a: 1}", "{}", "function () {}", "async () => await input", "class {}", "x => x"]
    )
    def test_take_whatever_is_one_expression(self, source):
        assert references(source).fault is None

    @pytest.mark.parametrize(
        "source",
        [
            "(" * 30_000 + ")" * 30_000,
            "[" * 60_000,
            "+".join(["1"] * 20_000),
            "!" * 60_000,
            "x=>" * 20_000 + "1",
            "`${" * 20_000,
            "a?b:" * 15_000 + "1",
        ],
    )
    def test_answer_however_deep_it_is(self, source):
        references(source)

    def test_refuse_functions_within_functions_without_end(self):
        assert codes("x => " * 65 + "1") == ["too_large"]

    def test_refuse_what_is_longer_than_any_source(self):
        assert codes("1" * (LARGEST_SOURCE + 1)) == ["too_large"]
        assert codes("1" * LARGEST_SOURCE) == []

    @given(st.text() | st.text(alphabet="nodesvar.[]'{}()=>,?: \n", max_size=30))
    def test_answer_any_text(self, source):
        references(source)


class TestMentioned:
    """S-EXPR-6: an expression is handed no more than it mentions."""

    ROOTS = {
        "input": 1,
        "trigger": 2,
        "nodes": {"a": {"output": 1}, "b": {"output": 2}, "c": {"output": 3}},
        "vars": {"A": 1, "B": 2},
        "scopes": {"each": {"item": 1}, "other": {"item": 2}},
    }

    @pytest.mark.parametrize(
        ("sources", "part"),
        [
            (["1"], {}),
            (["input"], {"input": 1}),
            (["item"], {}),
            (["nodes.a.output", "nodes.b?.output"], {"nodes": {"a": {"output": 1}, "b": {"output": 2}}}),
            (["nodes.missing?.output"], {"nodes": {}}),
            (["nodes[trigger]"], {"trigger": 2, "nodes": ROOTS["nodes"]}),
            (["nodes.a", "nodes"], {"nodes": ROOTS["nodes"]}),
            (["vars.A", "vars.C"], {"vars": {"A": 1}}),
            (["vars"], {"vars": {"A": 1, "B": 2}}),
            (["scopes.each.item"], {"scopes": {"each": {"item": 1}}}),
            (["scopes[input]"], {"input": 1, "scopes": ROOTS["scopes"]}),
        ],
    )
    def test_is_the_part_of_the_roots_that_sources_mention(self, sources, part):
        assert mentioned(sources, self.ROOTS) == part

    def test_has_nodes_and_variables_even_when_there_are_none(self):
        assert mentioned(["nodes.a ?? vars.A"], {}) == {"nodes": {}, "vars": {}}
