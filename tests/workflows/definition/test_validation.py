"""Everything that is wrong with a draft, at once, and never an exception."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import definition, loop, node, parallel
from tests.workflows.definition.checks import found, problems
from tests.workflows.definition.strategies import any_json, mutated, patient
from workflows.definition.canonical import content_hash
from workflows.definition.schema import parse, to_json
from workflows.definition.validation import check, check_inputs
from workflows.expressions import shared_evaluator

# One of everything.
RICH = definition(
    "hook > check",
    "clock > check",
    "check.big > reshape > call > end",
    "check.small > pause > end",
    "call.error ~> alarm",
    "check.big > each > offers > end",
    hook=node(
        "trigger",
        {"kind": "webhook", "path": "orders", "auth": {"scheme": "github"}, "body_schema": {"type": "object"}},
    ),
    clock=node("trigger", {"kind": "schedule", "cron": "0 6 * * *", "timezone": "Europe/Berlin"}),
    check=node(
        "condition", {"cases": [{"port": "big", "when": "{{ trigger.body.total > 100 }}"}], "else": "small"}, join="any"
    ),
    reshape=node("transform", {"steps": [{"operation": "set", "fields": {"id": "{{ item.body.id + index }}"}}]}),
    call=node(
        "tool",
        {"tool": "http.request", "with": {"url": "{{ vars.URL }}", "headers": {"X-Key": "{{ secret('KEY') }}"}}},
        retry={"max_attempts": 5, "backoff": "fixed", "on": ["timeout"], "when_lost": "fail"},
        timeout_seconds=30,
        on_error="port",
    ),
    pause=node("delay", {"for": "PT5M"}),
    end=node("output", {"value": "{{ input }}", "status": 201, "headers": {"X-Id": "{{ execution.id }}"}}, join="any"),
    alarm=node("output", {"value": {"$literal": "{{ as it stands }}"}}),
    each=loop(
        {
            "items": "{{ trigger.body.lines }}",
            "batch_size": 10,
            "accumulator": {"initial": 0, "next": "{{ accumulator + nodes.count.output.count }}"},
            "break_when": "{{ accumulator > 100 }}",
        },
        "count > nested",
        count=node("transform", {"steps": [{"operation": "aggregate", "fields": {"count": {"of": "count"}}}]}),
        nested=loop({"while": "{{ index < scopes.each.index }}"}, "wait"),
        timeout_seconds=60,
    ),
    offers=parallel({"done_when": "any"}, "ask", "rest", ask=node("delay", {"for": "PT1S"})),
    inputs={"type": "object", "properties": {"id": {"type": "integer"}}},
    settings={
        "timezone": "Europe/Berlin",
        "timeout_seconds": 600,
        "concurrency": {"max": 2, "key": "{{ trigger.body.customer }}"},
        "on_failure": {"workflow": "Alarm"},
    },
    ui={"hook": {"x": 1, "y": 2}},
)
VARIABLES = {"URL": False, "KEY": True}


class TestCheck:
    def test_has_nothing_to_say_of_a_definition_with_one_of_everything(self):
        assert problems(RICH, variables=VARIABLES, compile=shared_evaluator().check) == []

    def test_asks_the_engine_itself_whether_expressions_compile(self):
        raw = definition("start > end", end=node("output", {"value": "{{ 1 = 2 }}"}))

        assert [code for code, _ in found(raw, compile=shared_evaluator().check)] == ["expression_syntax"]

    def test_finds_every_problem_at_once(self):
        raw: dict[str, Any] = {
            "schema": 2,
            "nodes": [
                {"id": "start", "type": "trigger", "config": {"kind": "schedule", "cron": "never"}},
                {"id": "a", "type": "output", "config": {"status": 99, "value": "{{ vars.X }}"}, "retry": {"tries": 1}},
                {"id": "a", "type": "agnt"},
                {"id": "b", "type": "delay", "config": {"for": "PT2H"}},
            ],
            "edges": [
                {"source": "start", "target": "a"},
                {"source": "a", "target": "c"},
                {"source": "b", "target": "b"},
            ],
            "inputs": {"type": "string"},
            "settings": {"timezone": "Mars"},
            "version": 3,
        }

        assert found(raw) == [
            ("invalid_choice", "/schema"),
            ("unknown_timezone", "/settings/timezone"),
            ("unknown_key", "/version"),
            ("unknown_key", "/nodes/1/retry/tries"),
            ("unknown_node_type", "/nodes/2/type"),
            ("duplicate_id", "/nodes/2/id"),
            ("unknown_node", "/edges/1/target"),
            ("cycle", "/edges/2"),
            ("unreachable", "/nodes/3"),
            ("invalid_cron", "/nodes/0/config/cron"),
            ("out_of_range", "/nodes/1/config/status"),
            ("delay_exceeds_timeout", "/nodes/3/config/for"),
            ("unknown_variable", "/nodes/1/config/value"),
            ("inputs_not_object", "/inputs/type"),
        ]

    @pytest.mark.parametrize(
        ("raw", "problem"),
        [
            (None, ("wrong_type", "")),
            ([], ("wrong_type", "")),
            ("{}", ("wrong_type", "")),
            ({"schema": 1, "nodes": {}}, ("wrong_type", "/nodes")),
            ({"schema": 1, "nodes": [None]}, ("wrong_type", "/nodes/0")),
            ({"schema": 1}, ("missing_key", "/nodes")),
            ({"nodes": []}, ("missing_key", "/schema")),
            ({"schema": 1, "nodes": [], "ui": []}, ("wrong_type", "/ui")),
            ({"schema": 1, "nodes": [], "inputs": []}, ("wrong_type", "/inputs")),
            ({"schema": 1, "nodes": [], "edges": None}, ("wrong_type", "/edges")),
            ({"schema": 1, "nodes": [], "name": "\x00"}, ("invalid_text", "/name")),
        ],
    )
    def test_looks_at_anything(self, raw, problem):
        assert problem in found(raw)

    def test_s_code_3_resolves_types_and_tools_only_through_the_catalogue(self):
        assert {code for code, _ in found_in_empty_catalogue(RICH)} >= {"unknown_node_type", "no_trigger"}


def found_in_empty_catalogue(raw: Any) -> list[tuple[str, str]]:
    return [(problem.code, problem.path) for problem in check(raw, node_types={}, variables=VARIABLES)]


class TestMany:
    def test_problems_end_with_the_word_that_there_are_more(self):
        answer = problems(definition("start > a", a=node("output", {"value": [f"{{{{ x{n} }}}}" for n in range(300)]})))

        assert len(answer) == 201
        assert answer[-1].code == "too_many_problems"

    @pytest.mark.parametrize(("count", "codes"), [(10_000, []), (10_001, ["too_many_expressions"])])
    def test_s_dos_expressions_have_a_limit(self, count, codes):
        texts = ["{{ 1 }}"] * count

        assert [code for code, _ in found(definition("start > a", a=node("output", {"value": texts})))] == codes


class TestAnyJson:
    """Nothing that a user can send gives an exception."""

    @patient
    @given(any_json)
    def test_gets_an_answer(self, raw):
        assert_well_formed(problems(raw), raw)

    @patient
    @given(mutated(RICH))
    def test_that_was_a_definition_gets_an_answer(self, raw):
        answer = problems(raw, variables=VARIABLES)

        assert_well_formed(answer, raw)
        if not answer:
            assert parse(to_json(parse(raw))) == parse(raw)
            content_hash(raw)

    @patient
    @given(
        st.sampled_from(["trigger", "condition", "transform", "loop", "parallel", "tool", "delay", "output"]), any_json
    )
    def test_as_a_config_gets_an_answer(self, type_, config):
        raw = definition("start > it", it={"type": type_, "config": config})

        assert_well_formed(problems(raw), raw)

    @patient
    @given(st.recursive(st.integers(), lambda below: st.lists(below, min_size=1, max_size=1), max_leaves=100))
    def test_of_any_depth_gets_an_answer(self, value):
        problems({"schema": 1, "nodes": [], "ui": {"x": value}})

    def test_that_holds_itself_by_accident_gets_an_answer(self):
        raw: dict[str, Any] = {"schema": 1, "nodes": []}
        raw["ui"] = raw

        assert [code for code, _ in found(raw)] == ["too_deep"]


def assert_well_formed(answer: list[Any], raw: Any) -> None:
    for problem in answer:
        assert re.fullmatch(r"[a-z][a-z_]+", problem.code)
        assert problem.path == "" or problem.path.startswith("/")
        assert problem.message.endswith((".", "?"))
        assert "pydantic" not in problem.message
        json.dumps(problem.to_json()).encode()
    assert len(answer) == len(set(answer))


class TestCheckInputs:
    SCHEMA = {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "additionalProperties": False,
    }

    @pytest.mark.parametrize(
        ("schema", "value", "paths"),
        [
            (SCHEMA, {"id": 1}, []),
            (SCHEMA, {"id": "1"}, ["/id"]),
            (SCHEMA, {}, [""]),
            (SCHEMA, [], [""]),
            (None, {"anything": 1}, []),
            (None, "text", [""]),
            (None, None, [""]),
        ],
    )
    def test_names_what_does_not_fit(self, schema, value, paths):
        assert [problem.path for problem in check_inputs(schema, value)] == paths
