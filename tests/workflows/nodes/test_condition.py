"""Choose a way."""

from __future__ import annotations

import pytest

from tests.workflows.nodes.runs import draft_problems, node_type, outcome
from workflows.nodes.base import Done, NodeError

CONFIG = {
    "cases": [
        {"port": "large", "when": "{{ input.total > 100 }}"},
        {"port": "rush", "when": "{{ input.is_rush }}"},
    ],
    "else": "small",
}


class TestCondition:
    @pytest.mark.parametrize(
        ("order", "port"),
        [
            ({"total": 200, "is_rush": True}, "large"),
            ({"total": 50, "is_rush": True}, "rush"),
            ({"total": 50, "is_rush": False}, "small"),
        ],
    )
    def test_leaves_through_the_first_case_that_holds_with_its_input(self, order, port):
        assert outcome("condition", CONFIG, order) == Done(order, ports=(port,))

    @pytest.mark.parametrize("value", [1, 0, "true", "", None, [], {"a": 1}])
    def test_s_expr_5_takes_nothing_for_true_or_false_but_these(self, value):
        config = {"cases": [{"port": "yes", "when": "{{ input }}"}]}

        with pytest.raises(NodeError, match=r"`cases\[0\].when` must be true or false") as caught:
            outcome("condition", config, value)

        assert caught.value.details["problems"][0]["path"] == "/cases/0/when"


class TestPorts:
    def test_are_those_of_the_cases_and_the_other_one(self):
        assert node_type("condition").ports(CONFIG) == ("large", "rush", "small")
        assert node_type("condition").ports({"cases": []}) == ("else",)

    @pytest.mark.parametrize(
        ("config", "places"),
        [
            ({"cases": [{"port": "a", "when": True}, {"port": "a", "when": True}]}, ["/cases/1/port"]),
            ({"cases": [{"port": "else", "when": True}]}, ["/cases/0/port"]),
            ({"cases": [{"port": "error", "when": True}]}, ["/cases/0/port"]),
            ({"cases": [{"port": "a", "when": True}], "else": "error"}, ["/else"]),
            ({"cases": [{"port": "a", "when": True}, {"port": "b", "when": True}]}, []),
        ],
    )
    def test_stand_for_one_thing_each(self, config, places):
        assert [(problem.code, problem.path) for problem in draft_problems("condition", config)] == [
            ("duplicate_port", place) for place in places
        ]
