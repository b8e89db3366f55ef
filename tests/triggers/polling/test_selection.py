"""What is new in a list, as a table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.polling.selection import Item, Unusable, choose, key_of


def items(*pairs):
    """Return items from keys, from cursors (in a tuple with None before them), or from both."""
    return [Item(value, *(value if isinstance(value, tuple) else (value, None))) for value in pairs]


def chosen(found, *, known=(), cursor=None, is_first=False, skips_first=False, most=100):
    result = choose(found, known=set(known), cursor=cursor, is_first=is_first, skips_first=skips_first, most=most)
    return [item.value for item in result.new], result.seen, result.cursor, result.left_over


class TestByKeys:
    def test_takes_what_is_not_known_in_the_order_of_the_list(self):
        assert chosen(items("c", "b", "a"), known=["b"]) == (["c", "a"], {"a", "b", "c"}, None, 0)

    def test_takes_what_comes_twice_once(self):
        assert chosen(items("a", "b", "a"))[0] == ["a", "b"]

    def test_leaves_what_is_too_much_for_the_next_time(self):
        assert chosen(items("a", "b", "c"), most=2) == (["a", "b"], {"a", "b"}, None, 1)

    def test_skips_what_is_there_at_first_and_remembers_it(self):
        assert chosen(items("a", "b"), is_first=True, skips_first=True, most=1) == ([], {"a", "b"}, None, 0)

    def test_takes_what_is_there_at_first_if_it_is_to(self):
        assert chosen(items("a", "b"), is_first=True)[0] == ["a", "b"]


class TestByCursors:
    def test_takes_what_is_beyond_the_furthest_so_far(self):
        assert chosen(items((None, 1), (None, 3), (None, 2)), cursor=1)[0::2] == ([(None, 2), (None, 3)], 3)

    def test_takes_all_that_are_as_far_as_the_last_that_has_room(self):
        found = items((None, 1), (None, 2), (None, 2), (None, 3))

        assert chosen(found, most=2) == ([(None, 1), (None, 2), (None, 2)], frozenset(), 2, 1)

    def test_never_goes_back(self):
        assert chosen(items((None, 1)), cursor=5) == ([], frozenset(), 5, 0)
        assert chosen([], cursor=5)[2] == 5

    def test_skips_up_to_the_furthest_at_first(self):
        assert chosen(items((None, "a"), (None, "c")), is_first=True, skips_first=True)[0::2] == ([], "c")

    @pytest.mark.parametrize(
        ("found", "known"),
        [([(None, 1), (None, "a")], None), ([(None, 1)], "a"), ([(None, True)], None), ([(None, [])], None)],
    )
    def test_that_cannot_be_compared_are_refused(self, found, known):
        with pytest.raises(Unusable, match="all numbers or all texts"):
            chosen(items(*found), cursor=known)


class TestByBoth:
    def test_what_is_at_the_cursor_is_told_apart_by_its_key(self):
        found = items(("a", 1), ("b", 2), ("c", 2), ("d", 3))

        assert chosen(found, cursor=2, known=["b"])[0] == [("c", 2), ("d", 3)]

    def test_what_is_left_over_is_further_than_what_is_taken(self):
        assert chosen(items(("b", 2), ("a", 1)), most=1) == ([("a", 1)], {"a"}, 1, 1)


class TestByNothing:
    def test_all_are_new(self):
        """The service's own mark says so."""
        assert chosen([Item("a"), Item("a")])[0] == ["a", "a"]


class TestKeyOf:
    def test_tells_values_apart_and_knows_the_same_again(self):
        keys = [key_of(value, index=0) for value in (7, "7", 7.5, True, ["7"], {"a": 1, "b": 2}, "é")]

        assert len(set(keys)) == len(keys)
        assert key_of({"b": 2, "a": 1}, index=0) == key_of({"a": 1, "b": 2}, index=0)
        assert {len(key) for key in keys} == {64}

    def test_refuses_null(self):
        with pytest.raises(Unusable, match="item 3"):
            key_of(None, index=3)


feeds = st.lists(st.integers(0, 30), max_size=12)


@given(st.lists(feeds, max_size=8), st.integers(1, 4))
def test_by_keys_nothing_is_taken_twice_and_nothing_that_stays_is_lost(lists, most):
    known: set[str] = set()
    taken: list[str] = []
    # At the end the last list stays until all of it had its turn.
    for found in [*lists, *([lists[-1]] * 12 if lists else [])]:
        result = choose(
            [Item(value, str(value)) for value in found],
            known=known,
            cursor=None,
            is_first=False,
            skips_first=False,
            most=most,
        )
        taken += [item.key for item in result.new]
        known |= result.seen
        assert len(result.new) <= most
    assert len(taken) == len(set(taken))
    assert {str(value) for value in (lists[-1] if lists else [])} <= set(taken)


@given(st.lists(st.integers(0, 10), max_size=8), st.integers(1, 4))
def test_by_cursors_a_growing_list_is_taken_once_from_beginning_to_end(steps, most):
    """Each step adds items further than all before, as a service does that numbers them."""
    numbers: list[int] = []
    cursor, taken = None, []
    for count in [*steps, *[0] * 100]:
        numbers += range(len(numbers), len(numbers) + count)
        result = choose(
            [Item(number, None, number) for number in reversed(numbers)],
            known=(),
            cursor=cursor,
            is_first=False,
            skips_first=False,
            most=most,
        )
        cursor = result.cursor
        taken += [item.value for item in result.new]
    assert taken == numbers
