from __future__ import annotations

import json
from email import message_from_bytes
from urllib.parse import parse_qsl, urlsplit

import pytest

from workflows.http import bodies

NASTY = "a&b=c d/e?f#g%é\r\n+☃"


class TestJsonContent:
    def test_reads_back_the_same(self):
        content = bodies.json_content({"a": [1, 2.5, None, True, NASTY, "\ud800"]})

        assert json.loads(content.data) == {"a": [1, 2.5, None, True, NASTY, "\ud800"]}
        assert content.media_type == "application/json"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_refuses_what_json_does_not_know(self, value):
        with pytest.raises(ValueError, match="not JSON compliant"):
            bodies.json_content([value])


class TestFormContent:
    def test_values_are_data_whatever_they_hold(self):
        content = bodies.form_content([("a", NASTY), ("a", ""), (NASTY, "b")])

        assert parse_qsl(content.data.decode(), keep_blank_values=True) == [("a", NASTY), ("a", ""), (NASTY, "b")]
        assert content.media_type == "application/x-www-form-urlencoded"


class TestTextContent:
    def test_is_utf8(self):
        assert bodies.text_content("naïve\ud800").data == "naïve?".encode()


class TestMultipartContent:
    def test_keeps_order_names_and_bytes(self):
        content = bodies.multipart_content(
            [
                bodies.Part("note", "ü".encode()),
                bodies.Part("file", b"\x00\xff\r\n--x", 'a"b\r\n.png', "image/png"),
                bodies.Part("note", b"again"),
            ]
        )

        message = message_from_bytes(b"Content-Type: " + content.media_type.encode() + b"\r\n\r\n" + content.data)
        parts = message.get_payload()
        assert [part.get_payload(decode=True) for part in parts] == ["ü".encode(), b"\x00\xff\r\n--x", b"again"]
        assert [part.get_param("name", header="content-disposition") for part in parts] == ["note", "file", "note"]
        assert parts[1].get_content_type() == "image/png"
        assert parts[1].get_filename() == "a%22b%0D%0A.png"

    def test_refuses_a_media_type_that_ends_its_line(self):
        with pytest.raises(ValueError, match="control character"):
            bodies.multipart_content([bodies.Part("a", b"", "a.txt", "text/plain\r\nX-Evil: 1")])


class TestWithQuery:
    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("http://h/p", "http://h/p?a=1"),
            ("http://h/p?", "http://h/p?a=1"),
            ("http://h/p?x=y", "http://h/p?x=y&a=1"),
            ("http://h/p?x=y&", "http://h/p?x=y&a=1"),
            ("http://h/p#top", "http://h/p?a=1"),
        ],
    )
    def test_adds_to_what_is_there(self, url, expected):
        assert bodies.with_query(url, [("a", "1")]) == expected

    def test_leaves_the_url_alone_when_there_is_nothing_to_add(self):
        assert bodies.with_query("http://h/p#top", []) == "http://h/p#top"

    def test_values_cannot_leave_their_place(self):
        """S-SSRF-5: positional encoding."""
        url = bodies.with_query("http://h/p", [("a", NASTY), (NASTY, "b")])

        assert parse_qsl(urlsplit(url).query) == [("a", NASTY), (NASTY, "b")]
