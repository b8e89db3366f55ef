"""Conditions in the engine: which ways are gone."""

from __future__ import annotations

import pytest

from tests.builders import definition, node
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker

pytestmark = pytest.mark.django_db(transaction=True)

CASES = [
    {"port": "large", "all": [{"left": "{{ input.total }}", "type": "number", "operator": "greater", "right": 100}]},
    {"port": "refund", "all": [{"left": "{{ input.refund.amount }}", "operator": "exists"}]},
    {"port": "rush", "any": [{"left": "{{ input.tags }}", "type": "list", "operator": "contains", "right": "rush"}]},
]


def routed(match):
    ends = {name: node("output", {"value": name}) for name in ("a", "b", "c", "d")}
    ways = ["check.large > a", "check.refund > b", "check.rush > c", "check.else > d"]
    return definition("start > check", *ways, check=node("condition", {"cases": CASES, "match": match}), **ends)


class TestMatch:
    @pytest.mark.parametrize(
        ("match", "order", "gone"),
        [
            ("all", {"total": 200, "tags": ["rush"]}, ["a", "c"]),
            ("all", {"total": 200, "tags": [], "refund": {"amount": 0}}, ["a", "b"]),
            ("all", {"total": 1, "tags": []}, ["d"]),
            ("first", {"total": 200, "tags": ["rush"]}, ["a"]),
            ("first", {"total": 1, "tags": ["rush"], "refund": {"amount": 5}}, ["b"]),
        ],
    )
    def test_decides_which_ways_are_gone(self, worker, match, order, gone):
        execution = carry(worker, start(routed(match), order))

        assert execution.status == "completed", execution.error
        assert (
            sorted(execution.node_runs.exclude(node_id__in=["start", "check"]).values_list("node_id", flat=True))
            == gone
        )

    def test_first_makes_no_sense_of_cases_that_it_does_not_get_to(self, worker):
        assert carry(worker, start(routed("first"), {"total": 200})).status == "completed"

    def test_fails_where_a_value_that_it_gets_to_has_another_type(self, worker):
        execution = carry(worker, start(routed("first"), {"total": "200", "tags": []}))

        assert (execution.status, execution.error["code"]) == ("failed", "wrong_type")
        assert "`left` must be a number; it is text." in execution.error["message"]
