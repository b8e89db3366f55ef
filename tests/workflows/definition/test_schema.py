"""JSON to values and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given

from tests.builders import definition, loop, parallel
from tests.workflows.definition.strategies import definitions, patient
from workflows.definition.canonical import content_hash
from workflows.definition.schema import Definition, Edge, Node, RetryPolicy, Settings, parse, to_json


def written_out(raw: Any) -> Any:
    """Return a definition's JSON with every default written out."""
    return {"schema": 1, **json.loads(json.dumps(asdict(parse(raw))))}


class TestParse:
    def test_fills_in_every_default(self):
        raw = {
            "schema": 1,
            "nodes": [
                {"id": "start", "type": "trigger"},
                {"id": "end", "type": "output", "retry": {"max_attempts": 5}},
            ],
            "edges": [{"source": "start", "target": "end"}],
        }

        assert parse(raw) == Definition(
            nodes=(
                Node(id="start", type="trigger", name="start", config={}),
                Node(id="end", type="output", name="end", config={}, retry=RetryPolicy(max_attempts=5)),
            ),
            edges=(Edge(source="start", target="end", source_port="main", type="data"),),
            settings=Settings(timezone="UTC", timeout_seconds=None),
        )

    @pytest.mark.parametrize("retry", [None, {}, {"backoff": "exponential", "max_attempts": None, "base_seconds": 1}])
    def test_takes_a_retry_policy_of_nothing_but_defaults_for_none(self, retry):
        assert parse(definition("start > end", end={"retry": retry})).nodes[1].retry is None

    @pytest.mark.parametrize(
        "raw",
        [
            None,
            [],
            {},
            {"schema": 2, "nodes": []},
            {"schema": 1, "nodes": [3]},
            {"schema": 1, "nodes": [], "edges": [{}]},
            {"schema": 1, "nodes": [], "more": 1},
            {"schema": 1, "nodes": [{"id": "A", "type": "x"}]},
            {"schema": "1", "nodes": []},
        ],
    )
    def test_refuses_what_has_not_the_shape(self, raw):
        with pytest.raises(ValueError, match="not a valid definition"):
            parse(raw)


class TestToJson:
    def test_leaves_defaults_out_and_is_parsed_to_the_same_again(self):
        raw = definition(
            "start > check.yes > end",
            "check.error ~> end",
            end={"retry": {"max_attempts": 5, "backoff": "fixed"}, "join": "any", "notes": "Why", "name": "The end"},
            inputs={"type": "object"},
            settings={"timezone": "Europe/Berlin", "timeout_seconds": 60},
            ui={"start": [1, 2]},
        )

        assert to_json(parse(raw)) == raw
        assert parse(to_json(parse(raw))) == parse(raw)

    @pytest.mark.parametrize(
        "raw",
        [
            definition(
                "start > each > end", each=loop({"items": [1]}, "a > b", b=parallel({"done_when": 2}, "c", "d"))
            ),
            definition("start > a", a={"retry": {"on": ["timeout", "http_status"], "when_lost": "fail"}}),
            definition("start > a", settings={"concurrency": {"max": 3}}),
            definition("start > a", settings={"concurrency": {"max": 1, "key": "{{ trigger }}", "on_limit": "skip"}}),
            definition("start > a", settings={"on_failure": {"workflow": "Alarm"}}),
            definition("start > a", settings={"on_failure": {"workflow": "Alarm", "on": ["cancelled", "failed"]}}),
        ],
    )
    def test_keeps_scopes_and_policies(self, raw):
        assert to_json(parse(raw)) == raw

    @patient
    @given(definitions)
    def test_of_any_definition_is_parsed_to_the_same_again(self, one):
        raw = to_json(one)

        assert parse(raw) == one
        assert parse(json.loads(json.dumps(raw))) == one
        assert content_hash(raw) == content_hash(written_out(raw))

    def test_of_the_smallest_definition_is_small(self):
        assert to_json(Definition(nodes=())) == {"schema": 1, "nodes": [], "edges": []}


class TestEdge:
    @pytest.mark.parametrize(
        ("type_", "is_order", "carries_value"),
        [
            ("data", True, True),
            ("condition", True, True),
            ("processed_data", True, True),
            ("action", True, False),
            ("tool", False, False),
        ],
    )
    def test_its_type_says_what_it_does(self, type_, is_order, carries_value):
        edge = Edge("a", "b", type=type_)

        assert (edge.is_order, edge.carries_value) == (is_order, carries_value)
