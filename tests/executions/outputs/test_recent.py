"""The values that a process has read or written last."""

from __future__ import annotations

import pytest

from executions.outputs.recent import Recent


@pytest.fixture
def recent():
    return Recent(100)


def names(recent):
    return [name for name in "abcd" if recent.get(name) is not None]


class TestRecent:
    def test_knows_what_was_put(self, recent):
        recent.put("a", {"n": 1}, size=10)

        assert recent.get("a").value == {"n": 1}
        assert recent.get("b") is None

    def test_knows_null_from_nothing(self, recent):
        recent.put("a", None, size=4)

        assert recent.get("a").value is None

    def test_lets_go_of_what_was_asked_for_longest_ago(self, recent):
        for name in "abc":
            recent.put(name, name, size=33)
        recent.get("a")

        recent.put("d", "d", size=30)

        assert names(recent) == ["a", "c", "d"]

    def test_holds_as_much_as_fits_and_no_more(self, recent):
        recent.put("a", "a", size=50)
        recent.put("b", "b", size=50)
        assert names(recent) == ["a", "b"]

        recent.put("c", "c", size=1)

        assert names(recent) == ["b", "c"]

    def test_leaves_what_it_has_for_a_value_that_would_not_fit_alone(self, recent):
        recent.put("a", "a", size=50)

        recent.put("b", "b", size=101)

        assert names(recent) == ["a"]

    def test_counts_a_value_that_is_put_again_once(self, recent):
        for _ in range(5):
            recent.put("a", "a", size=50)
        recent.put("b", "b", size=50)

        assert names(recent) == ["a", "b"]
