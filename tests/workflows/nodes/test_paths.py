"""Paths with parameters: what they match, and that the patterns that are looked up are all there are."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.nodes.trigger.paths import (
    MAX_PARAMETERS,
    MAX_PARTS,
    candidates,
    overlap,
    parameters_of,
    pattern_of,
    values_in,
)


class TestPatternOf:
    def test_forgets_the_names(self):
        assert pattern_of("orders/{id}/items/{item}") == "orders/{}/items/{}"
        assert parameters_of("orders/{id}/items/{item}") == ["id", "item"]


class TestCandidates:
    def test_are_what_a_request_can_match_the_most_particular_first(self):
        assert candidates(["a", "b", "c"]) == ["a/b/c", "a/b/{}", "a/{}/c", "a/{}/{}"]

    def test_of_one_part_are_one(self):
        assert candidates(["a"]) == ["a"]

    @pytest.mark.parametrize("first", ["{}", "ä", "a b", ".", "a%2fb"])
    def test_are_none_where_the_first_part_is_nothing_that_a_path_has(self, first):
        assert candidates([first, "b"]) == []

    def test_of_very_long_paths_are_one(self):
        parts = ["a"] * (MAX_PARTS + 1)

        assert candidates(parts) == ["/".join(parts)]

    def test_are_never_more_than_64(self):
        assert len(candidates(["a"] * MAX_PARTS)) == 64


class TestValuesIn:
    def test_gives_the_parts_by_name(self):
        assert values_in("orders/{id}/items/{item}", ["orders", "7", "items", "ä b"]) == {"id": "7", "item": "ä b"}
        assert values_in("orders", ["orders"]) == {}


class TestOverlap:
    @pytest.mark.parametrize(
        ("one", "other", "is_so"),
        [
            ("a/{}", "a/b", True),
            ("a/{}", "a/{}", True),
            ("a/{}/c", "a/b/{}", True),
            ("a/{}/c", "a/{}/d", False),
            ("a/{}", "b/{}", False),
            ("a/{}", "a/{}/{}", False),
            ("a", "a", True),
        ],
    )
    def test_is_there_if_some_request_matches_both(self, one, other, is_so):
        assert overlap(one, other) is overlap(other, one) is is_so


PATTERNS = ["/".join(("a", *rest)) for count in range(4) for rest in product(["a", "b", "{}"], repeat=count)]
PATTERNS = [pattern for pattern in PATTERNS if pattern.count("{}") <= MAX_PARAMETERS]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=3))
def test_a_pattern_is_a_candidate_exactly_if_it_fits_part_for_part(rest):
    parts = ["a", *rest]

    fitting = {pattern for pattern in PATTERNS if overlap(pattern, "/".join(parts))}

    assert fitting == set(candidates(parts)) & set(PATTERNS)


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=3))
def test_two_patterns_that_one_request_matches_overlap(rest):
    found = candidates(["a", *rest])

    assert all(overlap(one, other) for one in found for other in found)
