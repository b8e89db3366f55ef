from __future__ import annotations

import pytest

from workflows.http.pointers import NOTHING, at, keys, placed


class TestAt:
    @pytest.mark.parametrize(
        ("pointer", "value"),
        [("", {"a": [1, {"b/c": None}]}), ("/a", [1, {"b/c": None}]), ("/a/0", 1), ("/a/1/b~1c", None)],
    )
    def test_leads_to_the_value(self, pointer, value):
        assert at({"a": [1, {"b/c": None}]}, pointer) == value

    @pytest.mark.parametrize("pointer", ["/b", "/a/2", "/a/-1", "/a/x", "/a/0/c", "/a/99999999999999999999", "/a/²"])
    def test_leads_to_nothing_where_nothing_is(self, pointer):
        assert at({"a": [1]}, pointer) is NOTHING


class TestPlaced:
    def test_leaves_the_rest_and_the_original_as_they_are(self):
        original = {"variables": {"first": 10}, "query": "q"}

        changed = placed(original, keys("/variables/after"), "m")

        assert changed == {"variables": {"first": 10, "after": "m"}, "query": "q"}
        assert original == {"variables": {"first": 10}, "query": "q"}

    def test_makes_the_objects_on_the_way(self):
        assert placed({}, ["a", "b"], 1) == {"a": {"b": 1}}

    def test_refuses_to_go_through_anything_else(self):
        with pytest.raises(ValueError, match="something else than an object"):
            placed({"a": [1]}, ["a", "b"], 1)
