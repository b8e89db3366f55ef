"""When two definitions are the same."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from tests.builders import definition, loop, node
from workflows.definition.canonical import canonical_json, content_hash

BASE = definition(
    "start > check.yes > end",
    "check.no > call > end",
    call=node("tool", {"tool": "http.request", "with": {"url": "https://example.com", "timeout_seconds": 5}}),
    end={"join": "any"},
    inputs={"type": "object"},
)


def changed(*path: str | int, value: Any, of: dict[str, Any] = BASE) -> dict[str, Any]:
    raw = copy.deepcopy(of)
    target: Any = raw
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return raw


class TestContentHash:
    def test_is_a_sha256_that_never_changes_for_the_same_definition(self):
        # If this fails, every published version seems to differ from its draft.
        assert content_hash(BASE) == "16c43e71cbb0f408e9f76ac5af8ea60a29ac913804c91b2fc7ad0a84bac8e921"

    @pytest.mark.parametrize(
        "raw",
        [
            changed("ui", value={"start": [10, 20]}),
            changed("nodes", value=BASE["nodes"][::-1]),
            changed("edges", value=BASE["edges"][::-1]),
            changed("edges", 0, value={**BASE["edges"][0], "source_port": "main", "type": "data", "transform": None}),
            changed("nodes", 0, "on_error", value="fail"),
            changed("nodes", 0, "retry", value={"max_attempts": None, "jitter": True}),
            changed("nodes", 0, "name", value="start"),
            changed("settings", value={"timezone": "UTC", "timeout_seconds": None}),
            changed(
                "nodes",
                3,
                "config",
                value={"with": {"timeout_seconds": 5.0, "url": "https://example.com"}, "tool": "http.request"},
            ),
            dict(random.Random(1).sample(sorted(BASE.items()), len(BASE))),
        ],
        ids=[
            "ui",
            "nodes",
            "edges",
            "edge defaults",
            "node default",
            "retry",
            "name",
            "settings",
            "config order",
            "keys",
        ],
    )
    def test_ignores_layout_order_and_defaults(self, raw):
        assert content_hash(raw) == content_hash(BASE)

    @pytest.mark.parametrize(
        "raw",
        [
            changed("nodes", 0, "notes", value="Why"),
            changed("nodes", 0, "name", value="Begin"),
            changed("nodes", 3, "config", "with", "timeout_seconds", value=6),
            changed("nodes", 3, "config", "with", "timeout_seconds", value="5"),
            changed("edges", 0, "type", value="action"),
            changed("settings", value={"timeout_seconds": 60}),
            changed("inputs", value=None),
            changed("edges", value=BASE["edges"][:-1]),
        ],
    )
    def test_sees_everything_else(self, raw):
        assert content_hash(raw) != content_hash(BASE)

    def test_refuses_what_is_no_definition(self):
        with pytest.raises(ValueError, match="not a valid definition"):
            content_hash({"schema": 1})


class TestContentHashOfScopes:
    RAW = definition(
        "start > each > end",
        each=loop({"items": [1]}, "a > b", a={"retry": {"on": ["timeout"]}}),
        settings={"concurrency": {"max": 2}, "on_failure": {"workflow": "Alarm"}},
    )

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("nodes", 0, "parent"), None),
            (("nodes", 2, "retry", "when_lost"), "again"),
            (("nodes", 3, "retry"), {"on": None}),
            (("settings", "concurrency", "on_limit"), "queue"),
            (("settings", "concurrency", "key"), None),
            (("settings", "on_failure", "on"), ["failed", "timeout"]),
        ],
    )
    def test_ignores_defaults(self, path, value):
        assert content_hash(changed(*path, value=value, of=self.RAW)) == content_hash(self.RAW)

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            (("nodes", 3, "parent"), None),
            (("nodes", 2, "retry", "when_lost"), "fail"),
            (("nodes", 2, "retry", "on"), ["timeout", "dns"]),
            (("settings", "concurrency", "key"), "{{ trigger.a }}"),
            (("settings", "concurrency"), None),
            (("settings", "on_failure", "on"), ["failed"]),
        ],
    )
    def test_sees_everything_else(self, path, value):
        assert content_hash(changed(*path, value=value, of=self.RAW)) != content_hash(self.RAW)


class TestCanonicalJson:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ({"b": 1, "a": [1.0, 1.5, -0.0]}, '{"a":[1,1.5,0],"b":1}'),
            ({"ä": "\u2028 /"}, '{"ä":"\u2028 /"}'),
            ([True, None, "1"], '[true,null,"1"]'),
            (1e15, "1000000000000000"),
        ],
    )
    def test_has_one_way_to_write_a_value(self, value, text):
        assert canonical_json(value) == text
