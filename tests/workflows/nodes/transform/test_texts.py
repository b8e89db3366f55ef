"""Text: changed, split, joined, replaced, extracted, encoded."""

from __future__ import annotations

import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.definition.strategies import patient
from tests.workflows.nodes.transform.stepping import failure, problems, result
from workflows.nodes.transform.encodings import read_bytes

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


class TestFieldOperations:
    """What all operations have in common that make one value of another."""

    def test_put_the_result_in_the_place_of_the_value_or_elsewhere(self):
        item = {"a": {"b": " x "}}

        assert result(item, "change_text", field="a.b", trim="both") == {"a": {"b": "x"}}
        assert result(item, "change_text", field="a.b", into="c.d", trim="both") == {"a": {"b": " x "}, "c": {"d": "x"}}
        assert result([" x ", "y "], "change_text", trim="both") == ["x", "y"]

    @pytest.mark.parametrize("item", [{}, {"a": None}, {"a": None, "b": 1}])
    def test_fail_where_there_is_no_value_unless_it_may_be_missing(self, item):
        error = failure([{"a": "x"}, item], "change_text", field="a", trim="both")

        assert error.code == "missing_field"
        assert "`a` of item 1" in error.message
        assert result([{"a": " x"}, item], "change_text", field="a", trim="both", if_missing="skip") == [
            {"a": "x"},
            item,
        ]

    def test_name_the_item_that_failed(self):
        error = failure([{"a": "x"}, {"a": 5}], "change_text", field="a", trim="both")

        assert (error.code, error.details) == ("wrong_type", {"item": 1, "path": "/steps/0"})
        assert error.message == "Step 1 (`change_text`): Item 1: This must be text, not a number."

    def test_put_nothing_into_what_is_no_object(self):
        assert failure(["x"], "change_text", into="a", trim="both").code == "not_an_object"

    def test_make_items_of_a_single_value_that_becomes_a_list(self):
        assert result("a,b", "split_text", separator=",") == ["a", "b"]
        assert result(["a,b"], "split_text", separator=",") == [["a", "b"]]


class TestChange:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("  a  b ", {"trim": "both"}, "a  b"),
            (" a ", {"trim": "start"}, "a "),
            (" a ", {"trim": "end"}, " a"),
            (" a \n\t b ", {"squeeze": True, "trim": "both"}, "a b"),
            ("straße", {"case": "upper"}, "STRASSE"),
            ("ÄB", {"case": "lower"}, "äb"),
            ("hELLO wORLD", {"case": "capital"}, "Hello world"),
            ("o'neill's big-deal", {"case": "title"}, "O'neill's Big-deal"),
            ("abcdef", {"truncate": 4}, "abc…"),
            ("abcd", {"truncate": 4}, "abcd"),
            ("abcdef", {"truncate": 4, "ellipsis": ""}, "abcd"),
            ("7", {"pad": 3, "pad_with": "0"}, "007"),
            ("ab", {"pad": 4, "pad_side": "end", "pad_with": "."}, "ab.."),
            ("Größe & Gewicht: Ærø!", {"slug": True}, "grosse-gewicht-aero"),
            ("  Crème Brûlée -- 2x ", {"slug": True}, "creme-brulee-2x"),
            ("Łódź Đà", {"slug": True}, "lodz-da"),
            ("...", {"slug": True}, ""),
        ],
    )
    def test_does_what_it_is_told(self, text, settings, expected):
        assert result(text, "change_text", **settings) == expected


class TestSplitAndJoin:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("a\nb\r\nc", {}, ["a", "b", "c"]),
            ("a\nb\nc", {"limit": 2}, ["a", "b\nc"]),
            ("a, b,,c", {"separator": ",", "trim": True}, ["a", "b", "", "c"]),
            ("a, b,,c", {"separator": ",", "trim": True, "drop_empty": True}, ["a", "b", "c"]),
            ("a|b|c", {"separator": "|", "limit": 2}, ["a", "b|c"]),
            ("", {"separator": ","}, [""]),
        ],
    )
    def test_split(self, text, settings, expected):
        assert result({"t": text}, "split_text", field="t", **settings) == {"t": expected}

    def test_join(self):
        assert result([1, "b", 2.5], "join_text", separator="-") == "1-b-2.5"
        assert result([{"tags": ["a", "b"]}], "join_text", field="tags", into="text") == [
            {"tags": ["a", "b"], "text": "a, b"}
        ]
        assert result([], "join_text") == ""

    @pytest.mark.parametrize("parts", [[None], [True], [["a"]], [{}]])
    def test_join_only_text_and_numbers(self, parts):
        assert failure(parts, "join_text").code == "wrong_type"
        assert failure({"a": parts}, "join_text", field="a").code == "wrong_type"

    def test_join_only_lists(self):
        assert failure({"a": "b"}, "join_text", field="a").code == "not_a_list"

    def test_s_dos_1_split_into_no_more_than_ten_thousand(self):
        assert failure("," * 10_000, "split_text", separator=",").code == "too_many_items"

    @patient
    @given(st.lists(st.text(alphabet="ab ", max_size=5), min_size=1, max_size=8))
    def test_undo_each_other(self, parts):
        assert result({"t": ",".join(parts)}, "split_text", field="t", separator=",") == {"t": parts}
        assert result(parts, "join_text", separator=",") == ",".join(parts)


class TestReplace:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("a.b.c", {"find": ".", "replacement": "-"}, "a-b-c"),
            ("a.b.c", {"find": ".", "replacement": "-", "count": 1}, "a-b.c"),
            ("a.b", {"find": "."}, "ab"),
            ("$1 a", {"find": "a", "replacement": "$1"}, "$1 $1"),
            ("x1y22", {"pattern": r"\d+", "replacement": "<$0>"}, "x<1>y<22>"),
            ("ab ab", {"pattern": "(?P<x>a)(b)", "replacement": "$2${x}$$"}, "ba$ ba$"),
            ("ab ab", {"pattern": "AB", "ignore_case": True, "count": 1}, " ab"),
            ("aXb", {"pattern": "X|(Y)", "replacement": "[$1]"}, "a[]b"),
            ("größe", {"pattern": "ö(.)", "replacement": "oe$1"}, "groeße"),
        ],
    )
    def test_replaces(self, text, settings, expected):
        assert result(text, "replace_text", **settings) == expected

    def test_s_dos_1_replaces_no_more_than_it_can(self):
        assert failure("a" * 100_001, "replace_text", pattern="a").code == "too_many_matches"
        assert result("a" * 100_001, "replace_text", pattern="a", count=2) == "a" * 99_999

    @pytest.mark.parametrize("operation", ["replace_text", "extract_text"])
    def test_refuses_halves_of_characters(self, operation):
        assert failure("a\ud800", operation, pattern="a").code == "invalid_text"

    def test_s_dos_1_makes_no_endless_text(self):
        assert failure("a" * 100_000, "replace_text", find="a", replacement="b" * 1000).code == "text_too_long"
        assert failure("a" * 9_000, "replace_text", pattern="a", replacement="b" * 1000).code == "text_too_long"


class TestExtract:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"pattern": r"\d+"}, "12"),
            ({"pattern": r"([a-z]+)-(\d+)"}, ["ab", "12"]),
            ({"pattern": r"(?P<n>\d+)", "all": True}, [{"n": "12"}, {"n": "3"}]),
            ({"pattern": r"\d+", "all": True}, ["12", "3"]),
            ({"pattern": "CD", "ignore_case": True}, "cd"),
            ({"pattern": "x(y)?"}, None),
            ({"pattern": "x", "all": True}, []),
            ({"pattern": "(ab)|(zz)"}, ["ab", None]),
        ],
    )
    def test_finds(self, settings, expected):
        assert result({"t": "ab-12 cd-3"}, "extract_text", field="t", **settings) == {"t": expected}

    def test_may_fail_where_nothing_matches(self):
        assert failure("abc", "extract_text", pattern="x", if_no_match="fail").code == "no_match"

    @pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "(.*a){20}$", "(?:a{0,100}){0,9}b"])
    @pytest.mark.parametrize("operation", ["extract_text", "replace_text"])
    def test_s_dos_4_takes_no_time_without_end(self, pattern, operation):
        started = time.monotonic()

        result("a" * 50_000 + "!", operation, pattern=pattern)

        assert time.monotonic() - started < 5


class TestEncode:
    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("Grüße?", {"encoding": "base64"}, "R3LDvMOfZT8="),
            ("Grüße?", {"encoding": "base64url"}, "R3LDvMOfZT8"),
            ("ü", {"encoding": "hex"}, "c3bc"),
            ("ü", {"encoding": "hex", "charset": "iso-8859-1"}, "fc"),
            ("a b/ü&", {"encoding": "url"}, "a%20b%2F%C3%BC%26"),
            ("<a href='x'>&</a>", {"encoding": "html"}, "&lt;a href=&#x27;x&#x27;&gt;&amp;&lt;/a&gt;"),
        ],
    )
    def test_writes_and_reads(self, text, settings, expected):
        assert result(text, "encode", **settings) == expected
        assert result(expected, "decode", **settings) == text

    @pytest.mark.parametrize(
        ("text", "settings"),
        [
            ("ab!c", {"encoding": "base64"}),
            ("a", {"encoding": "base64"}),
            ("ab+c", {"encoding": "base64url"}),
            ("abc", {"encoding": "hex"}),
            ("xy", {"encoding": "hex"}),
            ("/w==", {"encoding": "base64"}),
            ("%ff", {"encoding": "url"}),
        ],
    )
    def test_reads_nothing_that_is_not_written_so(self, text, settings):
        assert failure(text, "decode", **settings).code == "invalid_encoding"

    def test_writes_no_character_that_the_charset_lacks(self):
        error = failure("5 €", "encode", encoding="hex", charset="iso-8859-1")

        assert error.code == "invalid_encoding"
        assert "iso-8859-1 has no character '€'" in error.message

    def test_may_be_broken_into_lines_and_without_padding(self):
        assert result("R3LD\r\nvMOfZT8", "decode", encoding="base64") == "Grüße?"

    @pytest.mark.parametrize("encoding", ["base64", "hex"])
    def test_may_be_broken_into_very_many_lines_for_no_more_memory(self, encoding):
        text = "41\n" * 400_000
        tracemalloc.start()

        read_bytes(text, encoding)

        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 5 * len(text)

    @patient
    @given(TEXTS, st.sampled_from(["base64", "base64url", "hex", "url", "html"]))
    def test_undo_each_other(self, text, encoding):
        if text.startswith("\ufeff"):
            return  # The mark of byte order is no part of a text.
        assert result(result([text], "encode", encoding=encoding), "decode", encoding=encoding) == [text]


class TestConfig:
    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ({"operation": "change_text"}, ("missing_key", "/trim")),
            ({"operation": "change_text", "truncate": 2, "ellipsis": "..."}, ("invalid_value", "/ellipsis")),
            ({"operation": "split_text", "separator": ""}, ("too_short", "/separator")),
            ({"operation": "replace_text"}, ("exactly_one", "")),
            ({"operation": "replace_text", "find": "a", "pattern": "a"}, ("exactly_one", "")),
            ({"operation": "replace_text", "find": "a", "ignore_case": True}, ("unknown_key", "/ignore_case")),
            ({"operation": "replace_text", "pattern": "(a)", "replacement": "$2"}, ("unknown_group", "/replacement")),
            ({"operation": "replace_text", "pattern": "(a)", "replacement": "${b}"}, ("unknown_group", "/replacement")),
            ({"operation": "extract_text", "pattern": "("}, ("invalid_pattern", "/pattern")),
            ({"operation": "extract_text", "pattern": "(?=a)"}, ("invalid_pattern", "/pattern")),
            ({"operation": "extract_text", "pattern": r"(a)\1"}, ("invalid_pattern", "/pattern")),
            ({"operation": "extract_text", "pattern": "a" * 1001}, ("too_long", "/pattern")),
            ({"operation": "encode", "encoding": "rot13"}, ("invalid_choice", "/encoding")),
        ],
    )
    def test_is_checked_before_it_runs(self, step, problem):
        assert problems(**step) == [problem]
