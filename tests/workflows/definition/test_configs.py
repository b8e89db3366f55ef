"""Whether each node's config is what its type needs."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.workflows.definition.checks import found, problems
from workflows.nodes.base import catalogue


def hook(**config):
    return node("trigger", {"kind": "webhook", **config})


class TestConfigs:
    def test_s_expr_5_of_fields_without_expressions_refuse_them(self):
        raw = definition("start > end", start=hook(path="{{ vars.p }}", auth={"scheme": "{{ vars.s }}"}))

        assert found(raw) == [
            ("expression_forbidden", "/nodes/0/config/path"),
            ("expression_forbidden", "/nodes/0/config/auth/scheme"),
        ]

    def test_take_a_literal_for_what_it_holds(self):
        schema = {"$literal": {"type": "object", "title": "{{ not an expression"}}

        assert found(definition("start > end", start=hook(body_schema=schema))) == []

    @pytest.mark.parametrize("type_", ["tool", "output"])
    @pytest.mark.parametrize("held", [1, None, {"workflow": "Bill"}])
    def test_are_no_literals_themselves(self, type_, held):
        raw = definition("start > it", it=node(type_, {"$literal": held}))

        assert ("literal_config", "/nodes/1/config") in found(raw, find_workflows=lambda names: {})

    def test_of_a_trigger_is_no_literal_and_so_never_a_webhook_that_nobody_registers(self):
        raw = {"schema": 1, "nodes": [node("trigger", {"$literal": {"kind": "webhook"}}) | {"id": "hook"}]}

        assert found(raw, find_workflows=lambda names: {}) == [("literal_config", "/nodes/0/config")]

    def test_refuse_two_webhooks_on_one_path(self):
        one, two = hook(path="a/b", auth={"scheme": "github"}), hook(path="a/b", auth={"scheme": "bearer"})

        (problem,) = problems(definition("one > end", "two > end", one=one, two=two))

        assert (problem.code, problem.path) == ("duplicate_path", "/nodes/2/config/path")
        assert "`one`" in problem.message

    @pytest.mark.parametrize(
        ("settings", "delay", "is_fine"),
        [
            ({}, {"for": "PT59M59S"}, True),
            ({}, {"for": "PT1H"}, False),
            ({}, {"for_seconds": 3600}, False),
            ({"timeout_seconds": 3601}, {"for_seconds": 3600}, True),
            ({}, {"for_seconds": "{{ input.seconds }}"}, True),
        ],
    )
    def test_refuse_a_delay_that_outlasts_its_execution(self, settings, delay, is_fine):
        raw = definition("start > end", end=node("delay", delay), settings=settings)

        assert [code for code, _ in found(raw)] == ([] if is_fine else ["delay_exceeds_timeout"])

    def test_measure_a_delay_by_the_timeout_of_the_installation(self):
        raw = definition("start > end", end=node("delay", {"for": "PT1M"}))

        assert [code for code, _ in found(raw, execution_timeout_seconds=60)] == ["delay_exceeds_timeout"]


class TestNodeTypesOfOthers:
    @pytest.mark.parametrize("method", ["ports", "effect", "check"])
    def test_that_raise_are_a_problem_of_their_nodes(self, monkeypatch, method):
        def fail(*_):
            raise RuntimeError("not for everybody's eyes")

        monkeypatch.setattr(type(catalogue()["delay"]), method, fail)

        (problem,) = problems(definition("start > it", it=node("delay", {"for_seconds": 1})))

        assert (problem.code, problem.path) == ("node_fault", "/nodes/1")
        assert problem.message == "The code of `delay` failed on this node with RuntimeError."


class TestTools:
    def test_must_be_in_the_catalogue(self):
        (problem,) = problems(definition("start > end", end=node("tool", {"tool": "http.requets"})))

        assert (problem.code, problem.path) == ("unknown_tool", "/nodes/1/config/tool")
        assert problem.hint == "Did you mean `http.request`?"

    def test_get_their_arguments_checked(self):
        config = {"tool": "http.request", "with": {"method": "FETCH", "header": {}, "timeout_seconds": "5"}}

        assert sorted(found(definition("start > end", end=node("tool", config)))) == [
            ("invalid_choice", "/nodes/1/config/with/method"),
            ("missing_key", "/nodes/1/config/with/url"),
            ("unknown_key", "/nodes/1/config/with/header"),
            ("wrong_type", "/nodes/1/config/with/timeout_seconds"),
        ]

    def test_s_expr_5_refuse_expressions_in_arguments_that_have_none(self):
        config = {"tool": "http.request", "with": {"url": "{{ input.url }}", "response": "{{ input.as }}"}}

        assert found(definition("start > end", end=node("tool", config))) == [
            ("expression_forbidden", "/nodes/1/config/with/response")
        ]
