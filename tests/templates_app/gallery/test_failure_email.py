"""A workflow has failed, and people get an e-mail. How it comes to that is told in ``tests/journeys/test_patterns.py``."""

from __future__ import annotations

import pytest

from tests.mail import mail_server


@pytest.fixture
def mail(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "127.0.0.1", False
    with mail_server() as running:
        settings.EMAIL_PORT = running.port
        yield running


def failure(**changes):
    execution = {"id": "e-1", "status": "failed", "started_at": "2026-03-02T06:00:00Z"}
    return {
        "execution": execution | {"completed_at": "2026-03-02T06:00:01Z", "url": "https://segue.example.com/e-1"},
        "workflow": {"id": "w-1", "name": "Rates", "version": 3},
        "error": {"code": "http_status", "message": "It answered 404.", "node_id": "fetch", "iteration": None},
        "trigger": {},
        **changes,
    }


class TestFailureEmail:
    def test_says_what_failed_where_and_why(self, stage, mail):
        owner = stage("failure-email", ALERT_EMAILS=["ann@example.com"])
        owner.start(failure())

        assert owner.ended().status == "completed"
        (message,) = mail.messages
        lines = message.get_content().splitlines()
        assert (message["To"], message["Subject"]) == ("ann@example.com", "Rates: failed")
        assert lines[0] == "Rates (version 3) ended as failed."
        assert lines[2:5] == ["Node: fetch", "Code: http_status", "It answered 404."]
        assert lines[-1] == "https://segue.example.com/e-1"

    @pytest.mark.parametrize("error", [None, {"code": "deadline", "message": "It took too long.", "node_id": None}])
    def test_has_something_to_say_where_no_node_failed(self, stage, mail, error):
        owner = stage("failure-email", ALERT_EMAILS=["ann@example.com"])
        owner.start(failure(error=error))

        assert owner.ended().status == "completed"
        assert "Not at a node." in mail.messages[0].get_content()

    def test_tries_again_when_the_mail_server_is_busy(self, stage, mail):
        answers = iter(["451 busy", "451 busy"])
        mail.answer = lambda _: next(answers, "250 OK")
        owner = stage("failure-email", ALERT_EMAILS=["ann@example.com"])
        owner.start(failure())

        assert owner.ended().status == "completed"
        assert len(mail.messages) == 1
