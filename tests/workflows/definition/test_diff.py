"""What has changed, for people."""

from __future__ import annotations

import pytest

from tests.builders import definition, loop, node
from workflows.definition.canonical import content_hash
from workflows.definition.diff import Change, diff

OLD = definition("start > check.yes > end", "check.no > end", end={"join": "any"})


class TestDiff:
    def test_is_empty_where_nothing_but_layout_differs(self):
        new = {**OLD, "nodes": OLD["nodes"][::-1], "ui": {"x": 1}}

        assert diff(OLD, new) == []
        assert content_hash(OLD) == content_hash(new)

    def test_tells_nodes_and_edges_that_came_and_went(self):
        new = definition("start > check.yes > last", "check.no > last", last={"join": "any"})

        changes = [(change.kind, change.subject, change.path, change.message) for change in diff(OLD, new)]

        assert changes == [
            ("removed", "node", "/nodes/end", "Node `end` (delay) is gone."),
            ("added", "node", "/nodes/last", "Node `last` (delay) is new."),
            ("removed", "edge", "/edges/check.no → end", "Edge check.no → end is gone."),
            ("added", "edge", "/edges/check.no → last", "Edge check.no → last is new."),
            ("removed", "edge", "/edges/check.yes → end", "Edge check.yes → end is gone."),
            ("added", "edge", "/edges/check.yes → last", "Edge check.yes → last is new."),
        ]

    @pytest.mark.parametrize(
        ("new", "change"),
        [
            (
                definition(
                    "start > check.yes > end", "check.no > end", end=node("delay", {"for_seconds": 5}, join="any")
                ),
                Change(
                    "changed",
                    "node",
                    "/nodes/end/config/for_seconds",
                    "Node `end`: `config/for_seconds` changed from 0 to 5.",
                    0,
                    5,
                ),
            ),
            (
                definition(
                    "start > check.yes > end", "check.no > end", end={"join": "any", "retry": {"max_attempts": 2}}
                ),
                Change(
                    "added",
                    "node",
                    "/nodes/end/retry",
                    'Node `end`: `retry` is set to {"max_attempts":2}.',
                    None,
                    {"max_attempts": 2},
                ),
            ),
            (
                definition("start > check.yes > end", "check.no > end"),
                Change(
                    "removed", "node", "/nodes/end/join", 'Node `end`: `join` is no longer set; it was "any".', "any"
                ),
            ),
            (
                definition("start > check.yes > end", "check.no ~> end", end={"join": "any"}),
                Change(
                    "added",
                    "edge",
                    "/edges/check.no → end/type",
                    'Edge check.no → end: `type` is set to "action".',
                    None,
                    "action",
                ),
            ),
            (
                {**OLD, "settings": {"timezone": "Europe/Berlin"}},
                Change(
                    "added",
                    "settings",
                    "/settings/timezone",
                    '`settings`: `timezone` is set to "Europe/Berlin".',
                    None,
                    "Europe/Berlin",
                ),
            ),
            (
                {**OLD, "inputs": {"type": "object"}},
                Change("added", "inputs", "/inputs/type", '`inputs`: `type` is set to "object".', None, "object"),
            ),
        ],
    )
    def test_names_the_field_and_both_values(self, new, change):
        assert diff(OLD, new) == [change]

    def test_tells_what_moved_into_a_scope_and_what_the_settings_became(self):
        old = definition("start > each", "start > a", each=loop({"items": [1]}, "b"))
        new = definition("start > each", each=loop({"items": [1]}, "b", "a"), settings={"concurrency": {"max": 2}})

        assert [change.message for change in diff(old, new)] == [
            'Node `a`: `parent` is set to "each".',
            "Edge start → a is gone.",
            '`settings`: `concurrency` is set to {"max":2}.',
        ]

    def test_looks_into_lists_that_are_as_long_as_before(self):
        new = definition("start > check.yes > end", "check.no > end", end={"join": "any"})
        new["nodes"][1]["config"]["cases"][1]["when"] = True

        assert [change.path for change in diff(OLD, new)] == ["/nodes/check/config/cases/1/when"]

    def test_keeps_its_sentences_short(self):
        new = definition("start > check.yes > end", "check.no > end", end={"join": "any", "notes": "x" * 5000})

        (change,) = diff(OLD, new)

        assert len(change.message) < 150
        assert change.to_json()["after"] == "x" * 5000
