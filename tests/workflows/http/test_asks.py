from __future__ import annotations

import pytest

from workflows.http import asks
from workflows.http.errors import BadRedirect, BadRequest

HERE = "https://api.example.com/v1/things"


def ask(method="GET", url=HERE, content=b"", **headers):
    return asks.build(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def names(asked):
    return {name.lower() for name, _ in asked.headers}


class TestBuild:
    @pytest.mark.parametrize("method", ["get", "CONNECT", "TRACE", "GET / HTTP/1.1\r\nX: y\r\n\r\nGET", ""])
    def test_refuses_methods_that_nobody_needs(self, method):
        with pytest.raises(BadRequest, match="method must be one of"):
            ask(method)

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7f"])
    def test_refuses_a_value_that_could_end_its_header(self, value):
        with pytest.raises(BadRequest, match="X-Note holds a line end") as caught:
            ask(X_Note=value)

        assert value not in caught.value.message

    @pytest.mark.parametrize("name", ["X Note", "X-Note:", "X\r\nY", "", "X-Nöte"])
    def test_refuses_a_name_that_is_none(self, name):
        with pytest.raises(BadRequest, match="header's name"):
            asks.build("GET", HERE, {name: "x"}, b"")

    @pytest.mark.parametrize(
        "name",
        ["Host", "content-length", "Transfer-Encoding", "Connection", "Upgrade", "Expect", "Proxy-Authorization"],
    )
    def test_refuses_the_headers_that_frame_a_message(self, name):
        with pytest.raises(BadRequest, match="set by Segue itself"):
            asks.build("GET", HERE, {name: "x"}, b"")

    def test_refuses_half_a_character(self):
        with pytest.raises(BadRequest, match="lone surrogate"):
            ask(X_Note="\ud800")

    def test_a_given_header_takes_the_place_of_a_default(self):
        asked = ask(user_agent="Mine")

        assert ("user-agent", "Mine") in asked.headers
        assert "User-Agent" not in dict(asked.headers)


class TestRedirected:
    """S-SSRF-2, RFC 9110, 15.4."""

    @pytest.mark.parametrize(
        ("status", "before", "after"),
        [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (303, "POST", "GET"),
            (307, "POST", "POST"),
            (308, "POST", "POST"),
            (301, "PUT", "PUT"),
            (302, "DELETE", "DELETE"),
            (303, "PUT", "GET"),
            (303, "DELETE", "GET"),
            (303, "HEAD", "HEAD"),
            (301, "GET", "GET"),
            (302, "HEAD", "HEAD"),
        ],
    )
    def test_changes_the_method_only_where_the_standard_says_so(self, status, before, after):
        asked = asks.redirected(ask(before, content=b"x", content_type="text/plain"), status, "/elsewhere")

        assert asked.method == after
        has_body = after == before
        assert asked.content == (b"x" if has_body else b"")
        assert ("content-type" in names(asked)) is has_body

    @pytest.mark.parametrize("location", ["/elsewhere", "?page=2", HERE + "/1", "https://api.example.com:443/"])
    def test_keeps_credentials_at_the_same_origin(self, location):
        asked = asks.redirected(ask(Authorization="Bearer x", Cookie="a=b", X_Api_Key="k"), 302, location)

        assert {"authorization", "cookie", "x-api-key"} <= names(asked)

    @pytest.mark.parametrize(
        "location",
        [
            "https://other.example.com/",
            "https://api.example.com:8443/",
            "http://api.example.com/v1/things",
            "//evil.example/",
            "https://api.example.com.evil.example/",
        ],
    )
    def test_drops_whatever_could_be_a_credential_at_another_origin(self, location):
        before = ask(Authorization="Bearer x", Cookie="a=b", X_Api_Key="k", Accept="text/csv", Idempotency_Key="i")

        asked = asks.redirected(before, 302, location)

        assert names(asked) == {"accept", "accept-encoding", "user-agent", "idempotency-key"}

    @pytest.mark.parametrize(
        "location", ["ftp://example.com/", "file:///etc/passwd", "http://u:p@example.com/", "http:///x", "http://[::1"]
    )
    def test_refuses_places_that_the_door_does_not_call(self, location):
        with pytest.raises(BadRedirect, match=r"\(302\)"):
            asks.redirected(ask(), 302, location)

    def test_does_not_send_over_http_what_was_meant_for_https(self):
        with pytest.raises(BadRedirect, match="from https to http"):
            asks.redirected(ask("POST", content=b"secret"), 307, "http://api.example.com/")
