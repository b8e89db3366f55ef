"""Choose a way."""

from __future__ import annotations

import pytest

from tests.workflows.nodes.runs import FakeContext, configured, draft_problems, node_type, outcome
from workflows.nodes.base import Done, NodeError
from workflows.nodes.fields import Unevaluated

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

    def test_needs_no_sense_in_a_case_that_it_does_not_get_to(self):
        missing = Unevaluated("{{ input.refund.amount > 5 }}", error=NodeError("missing_value", "No refund."))
        first, second = {"port": "a", "when": "{{ 1 }}"}, {"port": "b", "when": "{{ 2 }}"}
        both = {"cases": [first, second]}

        holds = configured(node_type("condition"), both, {"/cases/0/when": True, "/cases/1/when": missing})
        holds_not = configured(node_type("condition"), both, {"/cases/0/when": False, "/cases/1/when": missing})

        assert node_type("condition").run(holds, FakeContext()).ports == ("a",)
        with pytest.raises(NodeError, match="No refund"):
            node_type("condition").run(holds_not, FakeContext())


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
