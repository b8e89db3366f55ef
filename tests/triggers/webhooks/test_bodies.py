"""How bodies are read: the content type decides, and nothing in the body does (S-WH-7)."""

from __future__ import annotations

import base64
import hashlib

import pytest

from triggers.webhooks.bodies import form, read
from triggers.webhooks.refusal import Refused


class TestRead:
    @pytest.mark.parametrize(
        ("body", "content_type", "value"),
        [
            (b'{"a": [1, 2.5, null]}', "application/json", {"a": [1, 2.5, None]}),
            (b'{"a": 1}', "Application/JSON; charset=utf-8", {"a": 1}),
            (b'{"a": 1}', "application/cloudevents+json", {"a": 1}),
            (b'"\xf0\x9f\x98\x80"', "application/json", "\U0001f600"),
            (b"a=1&b=x+y&a=2&c=", "application/x-www-form-urlencoded", {"a": ["1", "2"], "b": "x y", "c": ""}),
            (b"hello", "text/plain", "hello"),
            ("grüße".encode("latin-1"), "text/plain; charset=iso-8859-1", "grüße"),
            (b"<a/>", "text/xml", "<a/>"),
            (b"", "application/json", None),
            (b"", "", None),
        ],
    )
    def test_reads_what_the_content_type_says(self, body, content_type, value):
        assert read(body, content_type) == value

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "application/octet-stream",
            "image/png",
            "application/json/x",
            "nonsense",
            "json",
        ],
    )
    def test_takes_anything_else_for_bytes(self, content_type):
        """S-WH-7: nothing is ever opened because a body names it (CVE-2026-21858)."""
        body = b'{"files": {"data": {"filepath": "/etc/passwd"}}}'

        assert read(body, content_type) == {
            "content_type": content_type,
            "size": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "base64": base64.b64encode(body).decode(),
        }

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", "not_json"),
            (b"{'a': 1}", "not_json"),
            (b"NaN", "not_json"),
            (b"\xff", "not_json"),
            (b"[" * 65 + b"]" * 65, "json_too_deep"),
            (b"[" * 100_000, "json_too_deep"),
            (b"1" * 500, "json_number_too_long"),
        ],
    )
    def test_refuses_json_that_is_none(self, body, code):
        """S-WH-6, R-14"""
        with pytest.raises(Refused) as refused:
            read(body, "application/json")

        assert (refused.value.status, refused.value.code) == (400, code)

    @pytest.mark.parametrize("charset", ["utf-8", "ascii", "no-such-charset", "x" * 500])
    def test_refuses_text_that_is_none_in_its_charset(self, charset):
        with pytest.raises(Refused) as refused:
            read(b"\xff\xfe\xfd", f"text/plain; charset={charset}")

        assert refused.value.code == "not_text"

    @pytest.mark.parametrize("charset", ["rot13", "zlib", "hex", "idna", "punycode", "unicode_escape", "a\x00", '"'])
    def test_refuses_a_charset_that_is_none(self, charset):
        """S-DOS-4: decoding a long text as idna takes for ever."""
        with pytest.raises(Refused) as refused:
            read(b"hello", f"text/plain; charset={charset}")

        assert refused.value.code == "not_text"

    @pytest.mark.parametrize(
        "content_type", ["text/plain\r\nX-Evil: 1", ";;;", "text/plain; charset*=utf-8''utf%2D8", "/", "text/"]
    )
    def test_takes_any_content_type_without_falling_over(self, content_type):
        read(b"hello", content_type)


class TestForm:
    def test_keeps_what_jsonb_can_t_hold_for_later(self):
        assert form("a=%00&b=%ff") == {"a": "\x00", "b": "�"}

    def test_refuses_more_than_a_thousand_fields(self):
        assert len(form("&".join(f"f{number}=1" for number in range(1000)))) == 1000
        with pytest.raises(Refused) as refused:
            form("&".join(f"f{number}=1" for number in range(1001)))

        assert refused.value.code == "too_many_fields"
