"""One pass after another: what a loop goes over, and by which rules."""

from __future__ import annotations

import pytest

from tests.builders import definition, loop
from tests.workflows.definition.checks import found, problems
from tests.workflows.nodes.runs import configured, node_type
from workflows.nodes.base import NodeError
from workflows.nodes.evaluation import templates_of
from workflows.nodes.loop import LoopConfig
from workflows.nodes.scopes import MAX_PASSES, Passes, Rules, is_template_of_passes


def config_of(**config) -> LoopConfig:
    return LoopConfig.model_validate(config)


def passes(**config) -> Passes:
    return node_type("loop").passes(config_of(**config), branches=1)


def rules(**config) -> Rules:
    return node_type("loop").rules(config_of(**{"items": [], **config}))


class TestConfig:
    @pytest.mark.parametrize(
        "config",
        [
            {"items": [1, 2]},
            {"items": "{{ input }}", "batch_size": 100, "results": "none"},
            {"items": "{{ input }}", "batch_size": "{{ trigger.size }}"},
            {"while": True, "max_passes": "{{ trigger.most }}"},
            {"while": "{{ accumulator < 5 }}", "max_passes": 10_000, "accumulator": {"next": "{{ accumulator + 1 }}"}},
            {"while": True, "break_when": "{{ index > 3 }}"},
            {"items": [], "accumulator": {"initial": None, "next": {"deep": ["{{ item }}"]}}},
        ],
    )
    def test_says_what_to_go_over(self, config):
        assert problems(definition("start > it", it=loop(config, "a"))) == []

    @pytest.mark.parametrize(
        ("config", "code", "path"),
        [
            ({}, "exactly_one", ""),
            ({"items": [1], "while": True}, "exactly_one", ""),
            ({"while": True, "batch_size": 5}, "unknown_key", "/batch_size"),
            ({"items": [1], "max_passes": 5}, "unknown_key", "/max_passes"),
            ({"items": "abc"}, "wrong_type", "/items"),
            ({"items": [1], "batch_size": 0}, "out_of_range", "/batch_size"),
            ({"items": [1], "results": "{{ input }}"}, "expression_forbidden", "/results"),
            ({"while": "yes"}, "wrong_type", "/while"),
            ({"while_": True, "items": [1]}, "unknown_key", "/while_"),
            ({"while": True, "max_passes": MAX_PASSES + 1}, "out_of_range", "/max_passes"),
            ({"items": [1], "accumulator": {"initial": 0}}, "missing_key", "/accumulator/next"),
            ({"items": [1], "accumulator": "{{ input }}"}, "expression_forbidden", "/accumulator"),
            ({"items": [1], "on_item_error": "ignore"}, "invalid_choice", "/on_item_error"),
            ({"items": [1], "results": "first"}, "invalid_choice", "/results"),
        ],
    )
    def test_is_refused_where_it_makes_no_sense(self, config, code, path):
        assert found(definition("start > it", it=loop(config, "a"))) == [(code, f"/nodes/1/config{path}")]

    def test_leaves_the_templates_of_the_passes_for_later(self):
        config = {
            "items": "{{ input }}",
            "accumulator": {"initial": "{{ trigger }}", "next": ["{{ item }}"]},
            "break_when": "{{ index > 3 }}",
        }

        templates = templates_of(node_type("loop"), config)
        begun = configured(node_type("loop"), config, {"/items": [1, 2], "/accumulator/initial": 0})

        assert templates == [("/items", "{{ input }}"), ("/accumulator/initial", "{{ trigger }}")]
        assert node_type("loop").passes(begun, branches=1) == Passes([1, 2], most=2, accumulator=0)


class TestPasses:
    def test_are_one_for_each_item(self):
        assert passes(items=["a", "b"]) == Passes(["a", "b"], most=2)

    @pytest.mark.parametrize(
        ("size", "batches"), [(1, [[1], [2], [3]]), (2, [[1, 2], [3]]), (3, [[1, 2, 3]]), (4, [[1, 2, 3]])]
    )
    def test_are_one_for_each_batch_the_last_of_which_may_be_smaller(self, size, batches):
        assert passes(items=[1, 2, 3], batch_size=size) == Passes(batches, most=len(batches))

    def test_are_as_many_as_while_holds_up_to_a_maximum(self):
        assert passes(**{"while": True}) == Passes(None, most=1_000)
        assert passes(**{"while": True}, max_passes=5) == Passes(None, most=5)

    def test_begin_with_what_the_accumulator_is_initially(self):
        assert passes(items=[], accumulator={"initial": {"sum": 0}, "next": 1}).accumulator == {"sum": 0}

    def test_are_at_most_ten_thousand(self):
        items = [0] * (MAX_PASSES + 1)

        with pytest.raises(NodeError, match="There are 10,001 items; a scope takes at most 10,000") as refused:
            passes(items=items)

        assert refused.value.code == "too_many_items"
        assert passes(items=items, batch_size=2).most == 5_001


class TestRules:
    def test_are_one_at_a_time(self):
        assert rules() == Rules(at_once=1, collects=False, enough=None, keeps="all")

    def test_follow_the_config(self):
        assert rules(on_item_error="collect", results="last") == Rules(at_once=1, collects=True, keeps="last")


class TestPassRoots:
    @pytest.mark.parametrize(
        ("config", "roots"),
        [
            ({"items": [1]}, {"index", "item"}),
            ({"while": True}, {"index"}),
            ({"while": True, "accumulator": {"next": 1}}, {"index", "accumulator"}),
            ({"items": "{{ input }}", "accumulator": {"next": 1}}, {"index", "item", "accumulator"}),
        ],
    )
    def test_are_what_the_loop_goes_over_and_hands_on(self, config, roots):
        assert node_type("loop").pass_roots(config) == roots


class TestIsTemplateOfPasses:
    @pytest.mark.parametrize(
        ("path", "is_one"),
        [
            (["while"], True),
            (["break_when"], True),
            (["accumulator", "next", "sum"], True),
            (["accumulator", "initial"], False),
            (["items"], False),
        ],
    )
    def test_tells_the_passes_templates_from_those_of_the_beginning(self, path, is_one):
        assert is_template_of_passes(node_type("loop"), path) is is_one
        assert not is_template_of_passes(node_type("delay"), path)
