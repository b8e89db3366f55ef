"""S-DOS: JSON is bounded before it is built; R-14: what is stored is what PostgreSQL can hold."""

from __future__ import annotations

import contextlib
import json
import math
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.exceptions import Invalid, TooLarge
from projects.models import Role
from projects.payloads import (
    MAX_DEPTH,
    MAX_DIGITS,
    MAX_KEYS,
    MAX_STRING_BYTES,
    JsonNumberTooLong,
    JsonStringTooLong,
    JsonTooDeep,
    JsonTooManyKeys,
    NotJson,
    parse_json,
    pointer,
    storable,
    storable_text,
)
from tests.clock import NOON

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)
# Text as other languages have it: with NUL and with halves of surrogate pairs.
WILD_TEXT = st.text(st.characters(codec=None) | st.sampled_from(["\x00", "\ud83d", "\udc00"]))
WILD = st.recursive(
    st.none() | st.integers() | st.floats() | WILD_TEXT,
    lambda children: st.lists(children) | st.tuples(children) | st.dictionaries(WILD_TEXT, children),
)


def parse(data: bytes, **limits):
    return parse_json(data, max_bytes=10_000_000, **limits)


class TestParseJson:
    @given(PLAIN)
    def test_returns_what_was_written(self, value):
        assert parse(json.dumps(value).encode()) == value

    @pytest.mark.parametrize(
        "text",
        ["", "nul", "{", "[1,]", "{'a': 1}", "NaN", "Infinity", "-Infinity", "01", "1e400", '"\x01"', "1 2", "[" * 60],
    )
    def test_refuses_what_is_not_json_and_says_where(self, text):
        with pytest.raises(NotJson, match="at line 1, column") as caught:
            parse(text.encode())

        assert caught.value.offset >= 0

    def test_refuses_what_is_not_utf_8(self):
        with pytest.raises(NotJson):
            parse('"ä"'.encode("latin-1"))

    @pytest.mark.parametrize(("over", "fits"), [(0, True), (1, False)])
    def test_limits_the_size(self, over, fits):
        data = b'"' + b"x" * (998 + over) + b'"'

        if fits:
            assert parse_json(data, max_bytes=1000) == "x" * 998
        else:
            with pytest.raises(TooLarge, match="larger than the 1000 bytes"):
                parse_json(data, max_bytes=1000)

    @pytest.mark.parametrize("brackets", ["[]", "{}"])
    def test_limits_the_depth(self, brackets):
        def nested(depth: int) -> bytes:
            opening = "[" if brackets == "[]" else '{"a":'
            return (opening * (depth - 1) + brackets + brackets[1] * (depth - 1)).encode()

        parse(nested(MAX_DEPTH))
        with pytest.raises(JsonTooDeep, match="64"):
            parse(nested(MAX_DEPTH + 1))

    @pytest.mark.parametrize("depth", [1_000, 100_000, 2_000_000])
    def test_survives_any_depth(self, depth):
        with pytest.raises(JsonTooDeep):
            parse(b"[" * depth)

    def test_counts_only_brackets_that_nest(self):
        wide = [[]] * 1000
        brackets_in_text = ['[[[[{{{{\\"' * 1000, 'and "quoted" [[[[' * 100]

        assert parse(json.dumps(wide).encode()) == wide
        assert parse(json.dumps(brackets_in_text).encode()) == brackets_in_text

    def test_limits_the_keys_of_all_objects_together(self):
        def keys(count: int) -> bytes:
            return json.dumps([{str(index): 0} for index in range(count)]).encode()

        parse(keys(MAX_KEYS))
        with pytest.raises(JsonTooManyKeys, match="50000"):
            parse(keys(MAX_KEYS + 1))

    def test_counts_no_colons_in_text(self):
        text = ":" * (MAX_KEYS + 1)

        assert parse(json.dumps(text).encode()) == text

    def test_limits_the_digits_of_a_number(self):
        assert parse(b"0." + b"1" * (MAX_DIGITS - 2)) == pytest.approx(0.1111, abs=1e-3)
        with pytest.raises(JsonNumberTooLong, match="400"):
            parse(b"0." + b"1" * MAX_DIGITS)

    def test_counts_no_digits_in_text(self):
        digits = "1" * (MAX_DIGITS + 1)

        assert parse(json.dumps(digits).encode()) == digits

    def test_limits_the_length_of_a_text(self):
        def text(length: int) -> bytes:
            return b'["short", "' + b"x" * (length - 2) + b'\\n"]'

        assert len(parse(text(MAX_STRING_BYTES))[1]) == MAX_STRING_BYTES - 1
        with pytest.raises(JsonStringTooLong, match="1048576"):
            parse(text(MAX_STRING_BYTES + 1))

    @pytest.mark.parametrize("closed", [b"", b'"'])
    def test_goes_through_quotes_and_backslashes_once(self, closed):
        """S-DOS: a megabyte that is made to be gone through again from each of its quotes would take an hour."""
        with pytest.raises(JsonTooDeep):
            parse(b"[" * (MAX_DEPTH + 1) + b'"' + b'\\"' * 500_000 + closed)

    @pytest.mark.parametrize("number", [2**63 - 1, 2**64 - 1, -(2**63)])
    def test_keeps_whole_numbers_of_64_bits_exact(self, number):
        assert parse(str(number).encode()) == number

    def test_rounds_longer_ones_as_javascript_does(self):
        assert parse(b"123456789012345678901234567890") == 1.2345678901234568e29

    def test_takes_the_last_of_keys_that_come_twice(self):
        assert parse(b'{"a": 1, "a": 2}') == {"a": 2}

    def test_overlooks_a_byte_order_mark(self):
        assert parse(b"\xef\xbb\xbf{}") == {}

    def test_takes_halves_of_surrogate_pairs(self):
        assert parse(rb'{"text": "cut \ud83d", "number": 18446744073709551616}') == {
            "text": "cut \ud83d",
            "number": 18446744073709551616.0,
        }

    @pytest.mark.parametrize(
        "data", [rb'["\ud83d", NaN]', rb'["\ud83d", 1e400]', rb'["\ud83d"', b'["\\ud83d", "\xff"]']
    )
    def test_is_as_strict_beside_halves_of_surrogate_pairs(self, data):
        with pytest.raises(NotJson):
            parse(data)

    @given(st.binary(max_size=200))
    def test_answers_any_bytes_with_a_value_or_with_invalid(self, data):
        with contextlib.suppress(Invalid):
            parse(data)


class TestStorable:
    @given(PLAIN)
    def test_leaves_clean_data_as_it_is(self, value):
        if "\x00" not in repr(value).replace("\\x00", "\x00"):
            assert storable(value) == value

    @given(WILD)
    def test_returns_what_reads_back_the_same(self, value):
        stored = storable(value)

        text = json.dumps(stored, allow_nan=False)
        assert "\\u0000" not in text.replace("\\\\u0000", "")
        text.encode("utf-8")
        assert storable(stored) == stored

    @pytest.mark.parametrize(
        ("value", "stored"),
        [
            ("a\x00b", r"a\u0000b"),
            ("half \ud83d", r"half \ud83d"),
            ({"key\x00": [("\x00",)]}, {r"key\u0000": [[r"\u0000"]]}),
            (math.nan, None),
            ([math.inf, -math.inf], [None, None]),
            (["\ud83d", math.nan, True, None, 1.5], [r"\ud83d", None, True, None, 1.5]),
            ((1, 2), [1, 2]),
            ({"role": Role.OWNER}, {"role": "owner"}),
            (["\x00", Role.OWNER, UUID(int=1)], [r"\u0000", "owner", str(UUID(int=1))]),
            (2**64, 2.0**64),
            (10**400, None),
            ("\\u0000 written out", "\\u0000 written out"),
        ],
    )
    def test_makes_visible_what_cannot_be_stored(self, value, stored):
        assert storable(value) == stored

    @pytest.mark.parametrize(
        "value",
        [object(), b"bytes", {1: 2}, {"\ud83d": {1: 2}}, ["\ud83d", object()], {"a": {1, 2}}, NOON, [NOON, "\x00"]],
    )
    def test_refuses_what_is_not_json(self, value):
        with pytest.raises(Invalid, match="cannot be stored as JSON"):
            storable(value)

    @pytest.mark.parametrize("text", ["clean", "half \ud83d"])
    def test_refuses_what_contains_itself(self, text):
        value = [text]
        value.append(value)

        with pytest.raises(Invalid, match="cannot be stored as JSON"):
            storable(value)


def test_storable_text_makes_visible_what_postgresql_cannot_hold():
    assert storable_text("a\x00\ud800ü😀") == r"a\u0000\ud800ü😀"


def test_pointer_escapes_its_own_signs():
    assert pointer("a/b", 0, "m~n") == "/a~1b/0/m~0n"
