from __future__ import annotations

import pytest

from workflows.http import urls
from workflows.http.errors import BadUrl


class TestParse:
    @pytest.mark.parametrize(
        ("text", "origin"),
        [
            ("http://example.com/a?b=c#d", ("http", "example.com", 80)),
            ("HTTPS://Example.COM:443/", ("https", "example.com", 443)),
            ("https://example.com.:8443", ("https", "example.com", 8443)),
            ("http://bücher.example/", ("http", "xn--bcher-kva.example", 80)),
            ("http://[2606:4700::1111]:8080/", ("http", "2606:4700::1111", 8080)),
            ("http://[2606:4700:0:0:0:0:0:1111]/", ("http", "2606:4700::1111", 80)),
            ("http://[::FFFF:10.0.0.1]/", ("http", "::ffff:a00:1", 80)),
            ("http://127。0。0。1/", ("http", "127.0.0.1", 80)),
            ("http://under_score.example/", ("http", "under_score.example", 80)),
        ],
    )
    def test_tells_where_a_url_leads(self, text, origin):
        """S-SSRF-1: names are compared and looked up in one form."""
        assert urls.origin(urls.parse(text)) == origin

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "http:// or https://"),
            ("example.com", "http:// or https://"),
            ("//example.com/", "http:// or https://"),
            ("ftp://example.com/", "http:// or https://"),
            ("file:///etc/passwd", "http:// or https://"),
            ("gopher://127.0.0.1:6379/_x", "http:// or https://"),
            ("javascript:alert(1)", "http:// or https://"),
            ("http://", "no valid host"),
            ("http:///path", "no valid host"),
            ("http:example.com", "no valid host"),
            ("http://a..example/", "no valid host"),
            ("http://ex ample.com/", "no valid host"),
            ("http://127.0.0.%31/", "no valid host"),
            ("http://[fe80::1%25eth0]/", "no valid host"),
            (f"http://{'a' * 64}.example/", "no valid host"),
            (f"http://{'a.' * 127}example/", "no valid host"),
            ("http://\uff11\uff12\uff17.0.0.1/", "malformed"),  # Full-width digits.
            ("http://\u2460.example/", "malformed"),
            ("http://300.1.1.1/", "malformed"),
            ("http://[::1/", "malformed"),
            ("http://[1:2]/", "malformed"),
            ("http://example.com:port/", "malformed"),
            ("http://example.com/a\r\nX: y", "malformed"),
            ("http://example.com/a\x00", "malformed"),
            ("http://example.com:0/", "between 1 and 65535"),
            ("http://example.com:65536/", "between 1 and 65535"),
            ("http://user@example.com/", "user or a password"),
            ("http://user:pass@example.com/", "user or a password"),
            ("http://good.example\\@evil.example/", "user or a password"),
        ],
    )
    def test_refuses_what_the_door_does_not_call(self, text, reason):
        with pytest.raises(BadUrl, match=reason):
            urls.parse(text)

    @pytest.mark.parametrize(
        "path",
        [
            "/users/../admin",
            "/users/..",
            "/./x",
            "/users/%2e%2e/admin",
            "/users/.%2E/admin",
            "/users/..%2fadmin",
            "/users/..%5cadmin",
            "/users/..\\admin",
            "/users/..;v=1/admin",
            "/users/%252e%252e/admin",
            "/users/%2e%2e%3b/admin",
        ],
    )
    def test_refuses_dot_segments_however_they_are_spelled(self, path):
        """S-SSRF-5: a value that was put into a path cannot climb out of its place."""
        with pytest.raises(BadUrl, match="dot segment"):
            urls.parse(f"https://api.example.com{path}?q=1")

    @pytest.mark.parametrize("path", ["/a..b/.well-known/x.json", "/v1.2/..a", "/a?next=../b", "/a#../b", "/...", ""])
    def test_leaves_other_dots_alone(self, path):
        urls.parse(f"https://api.example.com{path}")

    def test_does_not_repeat_the_url_in_its_error(self):
        """S-SEC-4: a URL may hold secrets."""
        with pytest.raises(BadUrl) as caught:
            urls.parse("http://[s3cret/")

        assert "s3cret" not in caught.value.message


class TestHostMatches:
    @pytest.mark.parametrize(
        ("host", "pattern", "matches"),
        [
            ("api.example.com", "api.example.com", True),
            ("api.example.com", "API.Example.com.", True),
            ("api.example.com", "*.example.com", True),
            ("a.b.example.com", "*.example.com", True),
            ("example.com", "*.example.com", False),
            ("evilexample.com", "*.example.com", False),
            ("api.example.com.evil.com", "api.example.com", False),
            ("api.example.com", "example.com", False),
            ("2001:db8::1", "2001:DB8:0:0::1", True),
        ],
    )
    def test_knows_names_and_all_below_a_name(self, host, pattern, matches):
        assert urls.host_matches(host, pattern) is matches
