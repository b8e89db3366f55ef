"""What senders get to read."""

from __future__ import annotations

import json

import pytest

from tests.factories import ExecutionFactory
from triggers.webhooks import answers

pytestmark = pytest.mark.django_db


def result(value=None, *, status=200, encoded=None, **headers):
    execution = ExecutionFactory(ended=True)
    names = {name.replace("_", "-"): header for name, header in headers.items()}
    return answers.finished(execution, {"value": value, "status": status, "headers": names, "encoded": encoded})


class TestResult:
    @pytest.mark.parametrize("value", [None, True, 12, "text", [1, 2], {"a": {"b": None}}])
    def test_is_the_value_as_json(self, value):
        response = result(value)

        assert response.status_code == 200
        assert response["Content-Type"] == "application/json"
        assert json.loads(response.content) == value

    def test_has_the_status_of_the_output_node(self):
        assert result({}, status=201).status_code == 201

    def test_is_not_kept_by_caches_unless_the_workflow_says_so(self):
        assert result({})["Cache-Control"] == "no-store"

    @pytest.mark.parametrize("status", [204, 205, 304])
    def test_has_no_body_where_http_allows_none(self, status):
        answer = result({"a": 1}, status=status)

        assert (answer.content, "Content-Type" in answer) == (b"", False)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-Order", "12"),
            ("Retry-After", "5"),
            ("Cache-Control", "max-age=60"),
            ("Location", "https://example.com/x"),
            ("Location", "/there"),
            ("Access-Control-Allow-Origin", "*"),
        ],
    )
    def test_has_the_headers_of_the_output_node(self, name, value):
        assert result({}, **{name: value})[name] == value

    @pytest.mark.parametrize(
        "name",
        [
            "Set-Cookie",
            "set-cookie2",
            "Connection",
            "Transfer-Encoding",
            "Content-Length",
            "Content-Encoding",
            "Clear-Site-Data",
            "Strict-Transport-Security",
            "Refresh",
            "X-Accel-Redirect",
            "X-Sendfile",
            "Service-Worker-Allowed",
            "WWW-Authenticate",
            "Proxy-Authenticate",
            "Alt-Svc",
            "Bad Name",
            "",
        ],
    )
    def test_has_none_that_concern_the_connection_or_the_site(self, name):
        """S-UI-2"""
        assert name not in result({}, **{name: "x"})

    @pytest.mark.parametrize("value", ["javascript:alert(1)", "//evil.example", "data:text/html,x"])
    def test_leads_nowhere_but_to_the_web(self, value):
        """S-UI-3"""
        assert "Location" not in result({}, Location=value)

    @pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\nb", "é", 12, None])
    def test_has_no_header_that_would_begin_another_one(self, value):
        assert "X-Order" not in result({}, **{"X-Order": value})

    @pytest.mark.parametrize("name", ["Content-Security-Policy", "content-security-policy", "X-Content-Type-Options"])
    def test_stays_sealed_whatever_the_workflow_says(self, name):
        response = result({}, **{name: "anything"})

        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox; frame-ancestors 'none'"
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("kind", ["text/plain", "text/xml; charset=utf-8", "text/csv", "application/hal+json"])
    def test_is_text_where_the_workflow_says_so(self, kind):
        response = result("<Response/>", **{"Content-Type": kind})

        assert (response["Content-Type"], response.content) == (kind, b"<Response/>")

    @pytest.mark.parametrize(
        ("kind", "told", "data"),
        [
            ("text/plain; charset=iso-8859-1", "text/plain; charset=iso-8859-1", b"\xfc"),
            ("text/plain; charset=ascii", "text/plain; charset=utf-8", "ü".encode()),
            ("text/csv; charset=klingon", "text/csv; charset=utf-8", "ü".encode()),
            ("text/csv; charset=punycode", "text/csv; charset=utf-8", "ü".encode()),
            ("text/csv; charset=rot13", "text/csv; charset=utf-8", "ü".encode()),
        ],
    )
    def test_is_in_the_character_set_that_it_names_or_else_in_utf_8(self, kind, told, data):
        response = result("ü", **{"Content-Type": kind})

        assert (response["Content-Type"], response.content) == (told, data)

    @pytest.mark.parametrize("kind", ["application/problem+json", "application/problem+json; charset=klingon"])
    def test_is_json_of_a_kind_where_the_workflow_says_so(self, kind):
        response = result({"title": "ü"}, **{"Content-Type": kind})

        assert response["Content-Type"] == "application/problem+json"
        assert json.loads(response.content) == {"title": "ü"}

    @pytest.mark.parametrize(
        "kind", ["text/html", "TEXT/HTML", "image/svg+xml", "application/xhtml+xml", "text/javascript"]
    )
    def test_is_never_something_that_a_browser_runs(self, kind):
        """S-UI-2"""
        response = result("<script>alert(1)</script>", **{"Content-Type": kind})

        assert response["Content-Type"] == "application/json"

    def test_is_bytes_for_download_where_the_workflow_says_so(self):
        response = result("UEsDBA==", encoded="base64", **{"Content-Type": "application/zip"})

        assert (response.content, response["Content-Type"]) == (b"PK\x03\x04", "application/zip")
        assert response["Content-Disposition"] == "attachment"
        assert response["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ('attachment; filename="a.xlsx"', 'attachment; filename="a.xlsx"'),
            ("inline", "attachment"),
            ("", "attachment"),
        ],
    )
    def test_is_never_shown_as_a_page_of_our_site_when_it_is_bytes(self, given, sent):
        """S-UI-2"""
        page = "PGgxPkhpPC9oMT4="
        response = result(page, encoded="base64", **{"Content-Type": "text/html", "Content-Disposition": given})

        assert response["Content-Disposition"] == sent
        assert "sandbox" in response["Content-Security-Policy"]

    @pytest.mark.parametrize("kind", [None, "", "nonsense", "a/b\r\nX-Evil: 1", 5, "ä/b"])
    def test_is_bytes_of_some_kind_where_it_is_not_said_which(self, kind):
        response = result("UEsDBA==", encoded="base64", **{"Content-Type": kind})

        assert response["Content-Type"] == "application/octet-stream"

    def test_is_its_text_where_masking_has_left_no_bytes(self):
        assert json.loads(result("UE••••••A==", encoded="base64").content) == "UE••••••A=="

    def test_is_the_execution_s_result_where_no_output_node_ran(self):
        response = answers.finished(ExecutionFactory(ended=True, result=None), None)

        assert (response.status_code, response.content) == (200, b"null")


class TestOtherEnds:
    @pytest.mark.parametrize(
        ("status", "http_status", "code"),
        [
            ("failed", 502, "execution_failed"),
            ("cancelled", 502, "execution_cancelled"),
            ("timeout", 504, "execution_timeout"),
        ],
    )
    def test_say_which_execution_it_was_and_nothing_else(self, status, http_status, code):
        """S-WH-11"""
        error = {"code": "node_failed", "message": "Password 'hunter2' was wrong.", "node_id": "login"}
        execution = ExecutionFactory(ended=True, status=status, error=error)

        response = answers.finished(execution, None)

        body = json.loads(response.content)
        assert (response.status_code, body["code"], body["execution_id"]) == (http_status, code, str(execution.pk))
        assert "hunter2" not in str(body)
        assert "login" not in str(body)

    @pytest.mark.parametrize(
        ("code", "http_status", "says"),
        [
            ("concurrency_skipped", 429, "The workflow is busy, and skips what comes meanwhile."),
            ("concurrency_replaced", 409, "A newer request has taken the place of this one."),
        ],
    )
    def test_tell_senders_that_a_limit_left_no_room(self, code, http_status, says):
        error = {"code": code, "message": "at most 1 executions with the key `acme` may be under way at once"}
        execution = ExecutionFactory(ended=True, status="cancelled", error=error)

        response = answers.finished(execution, None)

        body = json.loads(response.content)
        assert response.status_code == http_status
        assert (body["code"], body["message"], body["execution_id"]) == (code, says, str(execution.pk))

    def test_take_a_node_s_own_code_for_nothing_but_a_failure(self):
        execution = ExecutionFactory(failed=True, error={"code": "concurrency_skipped", "message": "x"})

        assert answers.finished(execution, None).status_code == 502
