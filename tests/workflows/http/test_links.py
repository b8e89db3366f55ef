from __future__ import annotations

import pytest

from workflows.http.links import target_of


class TestTargetOf:
    @pytest.mark.parametrize(
        ("header", "target"),
        [
            ('<https://h/?page=2>; rel="next"', "https://h/?page=2"),
            ("<https://h/?page=2>; rel=next", "https://h/?page=2"),
            ('<https://h/1>; rel="prev", <https://h/3>; rel="next"', "https://h/3"),
            ('<https://h/1>;rel="prev",<https://h/3>;rel="next"', "https://h/3"),
            ('</p?a=1,2>; rel="next last"', "/p?a=1,2"),
            ('<3>; title="a, <b>; rel=\\"next\\""; REL="NEXT"', "3"),
            ('<https://h/a>; title="x, y", <https://h/b>; rel="next"', "https://h/b"),
            ("<>; rel=next", ""),
            ('<a>; rel = "next"', "a"),
            (', ,<a>; rel="next",', "a"),
            ('<a>; rel="prev"; rel="next", <b>; rel="next"', "b"),
            ('<a>; rel="next"; anchor="#other", <b>; rel="next"', "b"),
        ],
    )
    def test_finds_the_link_as_it_is_written(self, header, target):
        assert target_of(header, "next") == target

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "nonsense",
            '<https://h/1>; rel="prev"',
            '<https://h/1>; rel="nextone"',
            '<https://h/1>; title="rel=next"',
            "https://h/1; rel=next",
            '<https://h/1; rel="next"',
            '<https://h/1>; title="never closed; rel=next',
        ],
    )
    def test_finds_none_where_none_is(self, header):
        assert target_of(header, "next") is None

    @pytest.mark.parametrize(
        "header", ['<a>;a="' * 8_000, "<a>;" + "a" * 60_000, "<" * 60_000, '<a>;"\\' * 12_000, ", " * 30_000]
    )
    def test_takes_no_time_with_what_is_made_to_take_long(self, header):
        """S-SSRF-4: what a server answers does not keep a worker busy."""
        assert target_of(header, "next") is None
