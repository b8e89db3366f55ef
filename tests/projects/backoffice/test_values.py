"""How single values look on a page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils.safestring import SafeString

from projects.backoffice import values
from tests.clock import NOON


class TestPayload:
    def test_is_indented_and_escaped(self):
        shown = values.payload({"a": "</pre><script>x</script>"})

        assert isinstance(shown, SafeString)
        assert "&lt;script&gt;" in shown
        assert "<script>" not in shown
        assert "{\n  &quot;a&quot;" in shown

    def test_ends_after_so_many_characters_with_a_note(self):
        shown = values.payload(["é" * 100], most=50)

        assert shown.count("é") < 50
        assert "50 of 108 characters are shown" in shown

    @pytest.mark.parametrize("value", ["\ud800", {"a": "\x00"}, {"\udfff": 1}])
    def test_shows_what_no_page_could_hold_as_its_escape(self, value):
        values.payload(value).encode()

    def test_of_nothing_is_a_dash(self):
        assert values.payload(None) == "-"
        assert ">null<" not in values.payload({})


class TestExcerpt:
    def test_is_one_short_line(self):
        assert values.excerpt("a\n b\t c") == "a b c"
        assert values.excerpt({"a": "x" * 500}, most=10) == '{"a": "xx…'


class TestPill:
    def test_escapes_what_it_is_given(self):
        assert "<script" not in values.pill('"><script>')


class TestSeconds:
    @pytest.mark.parametrize(
        ("value", "text"),
        [(None, "-"), (0, "0 ms"), (0.25, "250 ms"), (1.5, "1.5 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")],
    )
    def test_are_said_as_people_say_them(self, value, text):
        assert values.seconds(value) == text


class TestAgo:
    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (None, "-"),
            (NOON - timedelta(seconds=5), "5 s ago"),
            (NOON + timedelta(seconds=5), "in 5 s"),
            (NOON - timedelta(minutes=90), "1\xa0hour, 30\xa0minutes ago"),
            (NOON + timedelta(days=2), "in 2\xa0days"),
        ],
    )
    def test_says_how_far_a_moment_is(self, moment, text):
        assert values.ago(moment, now=NOON) == text


class TestTable:
    def test_escapes_every_cell(self):
        shown = values.table(["<b>"], [["<i>"], [SafeString("<a>x</a>")]], most=10)

        assert "<b>" not in shown
        assert "<i>" not in shown
        assert "<a>x</a>" in shown

    def test_shows_so_many_rows_and_where_the_others_are(self):
        shown = values.table(["n"], [[number] for number in range(5)], most=3, more="Elsewhere.")

        assert shown.count("<td>") == 3
        assert "The first 3 are shown. Elsewhere." in shown

    def test_of_no_rows_is_nothing(self):
        assert values.table(["n"], [], most=3) == ""
