"""Several passes at once: what a parallel goes over, and by which rules."""

from __future__ import annotations

import pytest

from tests.builders import definition, parallel
from tests.workflows.definition.checks import found, problems
from tests.workflows.nodes.runs import node_type
from workflows.nodes.base import NodeError
from workflows.nodes.parallel import MAX_AT_ONCE, ParallelConfig
from workflows.nodes.scopes import MAX_PASSES, Passes, Rules


def passes(branches=1, **config) -> Passes:
    return node_type("parallel").passes(ParallelConfig.model_validate(config), branches=branches)


def rules(**config) -> Rules:
    return node_type("parallel").rules(ParallelConfig.model_validate(config))


class TestConfig:
    @pytest.mark.parametrize(
        "config",
        [
            {},
            {"items": "{{ input }}", "done_when": 10_000, "max_concurrent": MAX_AT_ONCE},
            {"items": [1, 2], "done_when": 2, "results": "none"},
            {"done_when": 2},
            {"done_when": "any", "on_item_error": "collect"},
        ],
    )
    def test_says_what_runs_at_once(self, config):
        assert problems(definition("start > it", it=parallel(config, "a > b", "c"))) == []

    @pytest.mark.parametrize(
        ("config", "code", "path"),
        [
            ({"items": 5}, "wrong_type", "items"),
            ({"max_concurrent": 0}, "out_of_range", "max_concurrent"),
            ({"max_concurrent": MAX_AT_ONCE + 1}, "out_of_range", "max_concurrent"),
            ({"max_concurrent": "{{ input }}"}, "expression_forbidden", "max_concurrent"),
            ({"done_when": 0}, "invalid_choice", "done_when"),
            ({"done_when": "{{ input }}"}, "expression_forbidden", "done_when"),
            ({"done_when": "most"}, "invalid_choice", "done_when"),
            ({"done_when": True}, "invalid_choice", "done_when"),
            ({"done_when": 3}, "out_of_range", "done_when"),
            ({"items": [1], "done_when": 2}, "out_of_range", "done_when"),
            ({"items": [], "done_when": "any"}, "out_of_range", "done_when"),
            ({"results": "last"}, "invalid_choice", "results"),
            ({"accumulator": {"next": 1}}, "unknown_key", "accumulator"),
        ],
    )
    def test_is_refused_where_it_makes_no_sense(self, config, code, path):
        assert found(definition("start > it", it=parallel(config, "a > b", "c"))) == [(code, f"/nodes/1/config/{path}")]

    def test_is_told_how_many_branches_there_are(self):
        (problem,) = problems(definition("start > it", it=parallel({"done_when": 3}, "a > b", "c")))

        assert problem.message == "`done_when` asks for 3 to succeed; there are 2 branches."


class TestPasses:
    def test_are_one_for_each_item(self):
        assert passes(items=["a", "b"]) == Passes(["a", "b"], most=2)
        assert not node_type("parallel").is_over_branches({"items": []})

    def test_are_one_for_each_branch_where_there_are_no_items(self):
        assert passes(branches=3) == Passes([None, None, None], most=3)
        assert node_type("parallel").is_over_branches({})

    def test_are_at_most_ten_thousand(self):
        with pytest.raises(NodeError, match="at most 10,000"):
            passes(items=[0] * (MAX_PASSES + 1))


class TestRules:
    def test_are_many_at_a_time(self):
        assert rules() == Rules(at_once=20, collects=False, enough=None, keeps="all")

    @pytest.mark.parametrize(("done_when", "enough"), [("all", None), ("any", 1), (1, 1), (7, 7)])
    def test_say_how_many_must_succeed(self, done_when, enough):
        assert rules(done_when=done_when).enough == enough

    def test_follow_the_config(self):
        expected = Rules(at_once=3, collects=True, enough=None, keeps="none")

        assert rules(max_concurrent=3, on_item_error="collect", results="none") == expected


class TestPassRoots:
    @pytest.mark.parametrize(("config", "roots"), [({}, {"index"}), ({"items": [1]}, {"index", "item"})])
    def test_are_the_number_and_the_item(self, config, roots):
        assert node_type("parallel").pass_roots(config) == roots
