"""S-DOS: what JSON a definition may be made of, at each limit and one beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.workflows.definition.strategies import any_json, patient
from workflows.definition.limits import MAX_DIGITS, MAX_KEYS, limit_problems
from workflows.definition.shape import MAX_BYTES, MAX_DEPTH


def nested(levels: int) -> object:
    value: object = 1
    for level in range(levels):
        value = [value] if level % 2 else {"k": value}
    return value


def codes(raw: object) -> list[str]:
    return [problem.code for problem in limit_problems(raw)]


class TestDepth:
    def test_may_be_as_deep_as_the_limit(self):
        assert codes(nested(MAX_DEPTH)) == []

    @pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100_000])
    def test_may_not_be_deeper(self, levels):
        assert codes(nested(levels)) == ["too_deep"]


class TestSize:
    def test_may_be_as_large_as_the_limit(self):
        assert codes("x" * (MAX_BYTES - 2)) == []

    def test_may_not_be_larger(self):
        assert codes("x" * (MAX_BYTES - 1)) == ["definition_too_large"]

    def test_counts_bytes_of_utf8_and_not_characters(self):
        assert codes("ä" * (MAX_BYTES // 2)) == ["definition_too_large"]


class TestNumbers:
    def test_may_have_as_many_digits_as_the_limit(self):
        assert codes(int("9" * (MAX_DIGITS - 1))) == []

    def test_may_not_have_more(self):
        assert codes(int("9" * (MAX_DIGITS + 1))) == ["number_too_large"]

    @pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
    def test_must_be_numbers_of_json(self, number):
        assert codes({"a": number}) == ["invalid_number"]


class TestKeys:
    def test_may_be_as_many_as_the_limit(self):
        assert codes([{str(key): 1 for key in range(MAX_KEYS // 2)}] * 2) == []

    def test_may_not_be_more(self):
        assert codes([{str(key): 1 for key in range(MAX_KEYS // 2)}] * 2 + [{"one": 1}]) == ["too_many_keys"]


class TestText:
    @pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800", "x\udfff"])
    @pytest.mark.parametrize("put", [lambda text: [text], lambda text: {"a": text}, lambda text: {text: 1}])
    def test_that_cannot_be_stored_is_refused_wherever_it_is(self, text, put):
        assert codes(put(text)) == ["invalid_text"]

    def test_with_real_characters_beyond_the_first_plane_is_fine(self):
        assert codes(["\U0001f600", "\u2028"]) == []


class TestObjects:
    def test_have_text_for_keys(self):
        assert codes({1: 2}) == ["wrong_type"]

    def test_hold_nothing_that_json_does_not_know(self):
        assert codes([object(), (1, 2), b"x"]) == ["wrong_type"] * 3


class TestMany:
    def test_problems_are_answered_only_in_part(self):
        assert len(codes(["\x00"] * 1000)) == 20


class TestPaths:
    def test_lead_to_the_place(self):
        problems = limit_problems({"nodes": [{"id": "a"}, {"n/o~tes": "\x00"}]})

        assert [problem.path for problem in problems] == ["/nodes/1/n~1o~0tes"]


@patient
@given(any_json)
def test_says_nothing_about_ordinary_json(raw):
    assert limit_problems(raw) == []
