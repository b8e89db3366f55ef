"""Which links a node may tell: those of nodes that will wait in the same pass, or in one around it."""

from __future__ import annotations

import pytest

from tests.builders import definition, loop, node, parallel
from tests.workflows.definition.checks import found, problems

WAIT = node("webhook", {"action": "wait"})


def tell(*node_ids, of="links."):
    json = {f"key{number}": "{{ " + of + each + " }}" for number, each in enumerate(node_ids)}
    return node("tool", {"tool": "http.request", "with": {"method": "POST", "url": "https://a.example", "json": json}})


def codes(*ways, **nodes):
    return [problem.code for problem in problems(definition(*ways, **nodes))]


class TestLinks:
    @pytest.mark.parametrize("action", [{"action": "wait"}, {"action": "approve", "title": "a"}])
    def test_may_be_told_by_what_comes_before(self, action):
        assert codes("start > told > ask", told=tell("ask"), ask=node("webhook", action)) == []

    def test_may_be_told_beside_the_node(self):
        assert codes("start > told", "start > ask", told=tell("ask"), ask=WAIT) == []

    def test_may_be_told_in_the_same_pass_and_in_scopes_inside(self):
        body = loop({"items": [1]}, "told > ask", told=tell("ask", "last"), ask=WAIT)

        assert codes("start > each > last", each=body, last=WAIT) == []

    def test_may_be_told_in_a_signed_call(self):
        config = {
            "action": "send",
            "url": "https://a.example",
            "secret": "whsec_x",
            "payload": {"to": "{{ links.ask }}"},
        }

        assert codes("start > told > ask", told=node("webhook", config), ask=WAIT) == []

    @pytest.mark.parametrize(
        ("nodes", "code"),
        [
            ({"told": tell("asks"), "ask": WAIT}, "unknown_node"),
            ({"told": tell("ask"), "ask": node("delay", {"for_seconds": 0})}, "no_link"),
            ({"told": tell("ask"), "ask": node("webhook", {"action": "respond"})}, "no_link"),
            ({"told": tell("told"), "ask": WAIT}, "no_link"),
            ({"told": tell("[input]", of="links"), "ask": WAIT}, "dynamic_reference"),
            ({"told": node("output", {"value": "{{ links.ask }}"}), "ask": WAIT}, "not_available_here"),
            ({"told": node("webhook", {"action": "respond", "value": "{{ links.ask }}"})}, "not_available_here"),
        ],
    )
    def test_are_refused_where_they_make_no_sense(self, nodes, code):
        assert codes("start > told", *(["start > ask"] if "ask" in nodes else []), **nodes)[0] == code

    def test_are_over_behind_the_node(self):
        assert codes("start > ask > told", told=tell("ask"), ask=WAIT) == ["link_is_over"]

    def test_of_other_scopes_are_many_or_none(self):
        body = loop({"items": [1]}, "ask", ask=WAIT)

        assert codes("start > each", "start > told", each=body, told=tell("ask")) == ["no_link"]

    def test_of_another_branch_are_none(self):
        body = parallel({}, "told", "ask", told=tell("ask"), ask=WAIT)

        assert codes("start > both", both=body) == ["no_link"]

    def test_of_the_same_branch_are_there(self):
        body = parallel({}, "told > ask", "other", told=tell("ask"), ask=WAIT, other=node("delay", {"for_seconds": 0}))

        assert codes("start > both", both=body) == []


class TestWaiting:
    @pytest.mark.parametrize(
        ("config", "expected"),
        [
            ({"action": "wait", "timeout": "PT2H"}, [("wait_exceeds_timeout", "/nodes/1/config/timeout")]),
            ({"action": "wait", "timeout": "2 hours"}, [("invalid_duration", "/nodes/1/config/timeout")]),
            ({"action": "wait", "on_timeout": "reject"}, [("invalid_choice", "/nodes/1/config/on_timeout")]),
            (
                {"action": "wait", "proof": {"header": "X-A", "secret": "plain"}},
                [("expression_needed", "/nodes/1/config/proof/secret")],
            ),
            (
                {"action": "wait", "proof": {"header": "X-A", "secret": "{{ secret('NO') }}"}},
                [("unknown_variable", "/nodes/1/config/proof/secret")],
            ),
            ({"action": "approve"}, [("missing_key", "/nodes/1/config/title")]),
            ({"action": "approve", "title": "a", "needed": 0}, [("out_of_range", "/nodes/1/config/needed")]),
            (
                {"action": "approve", "title": "a", "needed": 2, "deciders": {"anyone": True}},
                [("anyone_is_one", "/nodes/1/config")],
            ),
            (
                {"action": "approve", "title": "a", "form": {"type": "array"}},
                [("form_shape", "/nodes/1/config/form")],
            ),
            (
                {
                    "action": "approve",
                    "title": "a",
                    "form": {"type": "object", "properties": {"a": {"type": "object"}}},
                },
                [("form_shape", "/nodes/1/config/form/properties/a")],
            ),
        ],
    )
    def test_is_checked_before_it_runs(self, config, expected):
        assert found(definition("start > ask", ask=node("webhook", config))) == expected

    def test_a_proof_is_one_secret_and_nothing_else(self):
        proof = {"header": "X-A", "secret": "{{ secret('KEY') + 'a' }}"}
        raw = definition("start > ask", ask=node("webhook", {"action": "wait", "proof": proof}))

        assert [problem.code for problem in problems(raw, variables={"KEY": True})] == ["secret_needed"]

    def test_may_be_longer_where_the_execution_may(self):
        raw = definition(
            "start > ask",
            ask=node("webhook", {"action": "wait", "timeout": "P3D"}),
            settings={"timeout_seconds": 345_600},
        )

        assert problems(raw) == []
