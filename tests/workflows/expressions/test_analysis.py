"""What is wrong with an expression before it runs, by the word of the engine that will run it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workflows.expressions.evaluating import error_of
from workflows.expressions import Evaluator, ExpressionError, InProcessSandbox, analyse
from workflows.expressions.request import Request


class TestAnalyse:
    """S-EXPR-1: JavaScript in QuickJS only. What has no fault compiles there."""

    def test_returns_what_an_expression_mentions(self):
        found = analyse("nodes.a?.output ?? vars.B")

        assert (found.node_ids, found.variables, found.findings) == ({"a"}, {"B"}, ())

    @pytest.mark.parametrize(
        ("source", "message", "place"),
        [
            ("1 = 2", "invalid assignment", (1, 5)),
            ("input.a ?? input.b || 1", "Unexpected token '||'", (1, 20)),
            ("/(/", "expecting ')'", (None, None)),
            ("{__proto__: 1, __proto__: 2}", "duplicate __proto__", (1, 28)),
            ("0777", "Octal", (1, 1)),
            ("1 +", "missing at the end", (None, None)),
            ("input.map(", "missing at the end", (None, None)),
            ("1 +\n + * 2", "unexpected token in expression: '*'", (2, 4)),
            ("await input", "Unexpected identifier", (1, 7)),
            ("(() => { break x })()", "label not found", (1, 16)),
            ("1; 2", "Unexpected token ';'", (1, 2)),
            ("let a = 1", "Unexpected identifier", (1, 5)),
        ],
    )
    def test_reports_what_only_the_engine_knows(self, source, message, place):
        (finding, *_) = analyse(source).findings

        assert finding.code == "syntax"
        assert message in finding.message
        assert finding.message.endswith("This must be one JavaScript expression, not statements.")
        assert (finding.line, finding.column) == place

    def test_reports_unknown_names_beside_faults(self):
        found = analyse("foo ?? bar || 1")

        assert sorted(finding.code for finding in found.findings) == ["syntax", "unknown_name", "unknown_name"]


class TestCheck:
    """S-EXPR-2: validating runs nothing (CVE-2025-3248)."""

    ESCAPES = [
        "1); (() => { while (true); })(); (2",
        "1)}); (() => { while (true); })(); (function(){return (2",
        "1]; (() => { while (true); })(); [2",
        "1]\n@; (() => { while (true); })()",
        "1)}))(); (() => { while (true); })(); ((function(){return (2",
        "(() => { break x })(), 1)}); (() => { while (true); })(); (function(){return (1",
        "`${1)}); (() => { while (true); })(); (`",
        "1 /*\n)}); (() => { while (true); })(); /*",
        "1 //\n)}); (() => { while (true); })(); //",
        "1 <!--\n)}); (() => { while (true); })(); <!--",
        "(() => { while (true); })(), 1]; [1",
    ]

    @pytest.mark.parametrize("source", ESCAPES)
    def test_compiles_but_never_runs(self, evaluator, source):
        (finding,) = evaluator.check([source])

        # Had any of it run, it would have been stopped by the clock, and not by the compiler.
        assert finding is not None
        assert finding.code == "syntax"
        assert "interrupted" not in finding.message

    def test_does_not_run_what_compiles(self, evaluator):
        assert evaluator.check(["(() => { while (true); })()"]) == [None]

    def test_answers_each_source(self, evaluator):
        sources = ["1", "1 +", "x" * 5_000, "input", "'\0'", "'\ud800'"]

        findings = evaluator.check(sources)

        assert [finding and finding.code for finding in findings] == [
            None,
            "syntax",
            "too_large",
            None,
            "syntax",
            "syntax",
        ]

    def test_answers_nothing_for_nothing(self, evaluator):
        assert evaluator.check([]) == []

    @pytest.mark.parametrize(
        "source", ["(" * 2_000 + ")" * 2_000, "[" * 4_000, "-" * 4_000, "a?" * 2_000, "x=>" * 1_300 + "1"]
    )
    def test_survives_deep_sources(self, evaluator, source):
        (finding,) = evaluator.check([source])

        assert finding is None or finding.code == "syntax"

    @given(st.text(max_size=40))
    @settings(deadline=None)
    def test_agrees_with_evaluation_about_any_text(self, source):
        evaluator = InProcessSandbox()

        (finding,) = evaluator.check([source])

        if finding is not None:
            assert error_of(evaluator, source).code in ("syntax", "too_large")

    def test_raises_when_the_compiler_breaks_down(self):
        with pytest.raises(ExpressionError, match="compiler of expressions broke down: it is gone") as caught:
            BrokenEvaluator().check(["1"])

        assert caught.value.code == "crashed"


class BrokenEvaluator(Evaluator):
    """One whose engine is always gone."""

    def close(self) -> None:
        pass

    def _ask(self, request: Request) -> list[bytes]:
        return [b'{"error": {"code": "crashed", "message": "it is gone"}}'] * len(request.expressions)
