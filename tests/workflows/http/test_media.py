from __future__ import annotations

import pytest

from projects.exceptions import Invalid
from workflows.http import Reply
from workflows.http.media import is_text, read, text_of


def reply(body, content_type=None):
    return Reply(200, {} if content_type is None else {"content-type": content_type}, body, "http://h/")


class TestRead:
    @pytest.mark.parametrize(
        ("body", "content_type", "expected"),
        [
            (b'{"a": 1}', "application/json", ("json", {"a": 1})),
            (b'{"a": 1}', "Application/JSON; charset=utf-8", ("json", {"a": 1})),
            (b'\xef\xbb\xbf"bom"', "application/json", ("json", "bom")),
            ('"ü"'.encode("latin-1"), "application/json; charset=latin-1", ("json", "ü")),
            (b"[1]", "application/problem+json", ("json", [1])),
            (b"null", "application/json", ("json", None)),
            (b"12345678901234567890123", "application/json", ("json", 1.2345678901234567e22)),
            (b"<a/>", "application/xml", ("text", "<a/>")),
            (b"<svg/>", "image/svg+xml", ("text", "<svg/>")),
            (b"a,b", "text/csv", ("text", "a,b")),
            ("ü".encode("latin-1"), "text/plain; charset=iso-8859-1", ("text", "ü")),
            ("ü".encode("utf-16"), 'text/plain; charset="UTF-16"', ("text", "ü")),
            (b"\xff\xfe", "text/plain", ("text", "��")),
            (b"plain", None, ("text", "plain")),
            (b'{"a": 1}', None, ("text", '{"a": 1}')),
            (b"\xff\x00", None, ("base64", "/wA=")),
            (b"a\x00b", None, ("base64", "YQBi")),
            (b"\x89PNG", "image/png", ("base64", "iVBORw==")),
            (b"plain", "application/octet-stream", ("base64", "cGxhaW4=")),
            (b"", "application/json", ("empty", None)),
            (b"", "image/png", ("empty", None)),
            (b"", None, ("empty", None)),
        ],
    )
    def test_auto_goes_by_the_content_type(self, body, content_type, expected):
        assert read(reply(body, content_type), "auto") == expected

    @pytest.mark.parametrize(
        ("read_as", "expected"),
        [("json", ("json", [1])), ("text", ("text", "[1]")), ("bytes", ("base64", "WzFd"))],
    )
    def test_the_author_can_say_how(self, read_as, expected):
        assert read(reply(b"[1]", "image/png"), read_as) == expected

    @pytest.mark.parametrize(
        ("read_as", "expected"), [("json", ("empty", None)), ("text", ("text", "")), ("bytes", ("base64", ""))]
    )
    def test_an_empty_body_has_the_type_that_was_asked_for(self, read_as, expected):
        assert read(reply(b""), read_as) == expected

    @pytest.mark.parametrize("body", [b"{", b"<html>", b"NaN", b"[1,]", b"[" * 65 + b"]" * 65, b"9" * 401])
    def test_json_is_read_strictly(self, body):
        """S-DOS-1: depth and digits are bounded."""
        with pytest.raises(Invalid):
            read(reply(body, "application/json"), "auto")

    def test_an_answer_may_hold_more_keys_than_a_webhook(self):
        body = b"[" + b",".join([b'{"a":1,"b":2}'] * 30_000) + b"]"

        assert len(read(reply(body, "application/json"), "auto")[1]) == 30_000


class TestTextOf:
    @pytest.mark.parametrize(
        "charset", ["nonsense", "punycode", "idna", "unicode_escape", "rot13", "zip", "utf-7", "hex"]
    )
    def test_what_is_no_character_set_counts_as_utf8(self, charset):
        """S-DOS-4: some of Python's encodings take quadratic time."""
        assert text_of(reply("ü+AOk-".encode(), f"text/plain; charset={charset}")) == "ü+AOk-"


class TestIsText:
    @pytest.mark.parametrize(
        ("content_type", "expected"), [("text/html", True), ("application/json", True), ("image/png", False)]
    )
    def test_tells_what_people_can_read(self, content_type, expected):
        assert is_text(reply(b"x", content_type)) is expected
