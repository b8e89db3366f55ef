"""A page is called by the clock; the chat hears of it only when something is wrong."""

from __future__ import annotations

import pytest


@pytest.fixture
def check(stage, service, chat):
    return stage(
        "website-health-check",
        URL=service.url_for("/"),
        EXPECTED_TEXT="Welcome",
        CHAT_WEBHOOK_URL=service.url_for("/chat"),
    )


class TestWebsiteHealthCheck:
    def test_is_quiet_while_all_is_well(self, check, service, chat):
        service.expect_request("/").respond_with_data("<h1>Welcome</h1>", content_type="text/html")

        execution = check.fire()

        assert execution.result == {"healthy": True, "url": service.url_for("/"), "status": 200}
        assert (execution.triggered_by, chat()) == ("schedule", [])
        assert check.way() == ["every_five_minutes", "call", "content", "healthy"]

    @pytest.mark.parametrize("body", ["<h1>Buy cheap watches</h1>", ""])
    def test_alerts_when_it_is_the_wrong_page(self, check, service, chat, body):
        service.expect_request("/").respond_with_data(body, content_type="text/html")

        execution = check.fire()

        reason = 'The page does not hold the text "Welcome".'
        assert execution.result == {"healthy": False, "url": service.url_for("/"), "reason": reason}
        assert chat() == [f"{service.url_for('/')} is in trouble. {reason}"]
        assert check.way() == ["every_five_minutes", "call", "content", "trouble", "alert", "alerted"]

    def test_alerts_when_the_page_fails_three_times(self, check, service, chat):
        service.expect_request("/").respond_with_data("down", status=500)

        execution = check.fire()

        assert (execution.status, execution.result["healthy"]) == ("completed", False)
        assert [request.path for request, _ in service.log] == ["/", "/", "/", "/chat"]
        assert "answered with status 500" in chat()[0]
        assert check.way() == ["every_five_minutes", "call", "trouble", "alert", "alerted"]

    def test_is_quiet_when_the_second_try_succeeds(self, check, service, chat):
        service.expect_oneshot_request("/").respond_with_data("down", status=502)
        service.expect_request("/").respond_with_data("Welcome")

        assert check.fire().result["healthy"] is True
        assert chat() == []

    def test_alerts_at_once_when_trying_again_cannot_help(self, check, service, chat):
        service.expect_request("/").respond_with_data("gone", status=404)

        assert check.fire().result["healthy"] is False
        assert [request.path for request, _ in service.log] == ["/", "/chat"]

    def test_takes_any_page_where_no_text_is_expected(self, stage, service, chat):
        service.expect_request("/").respond_with_data("whatever")
        any_page = stage("website-health-check", URL=service.url_for("/"), CHAT_WEBHOOK_URL=service.url_for("/chat"))

        assert any_page.fire().result["healthy"] is True
