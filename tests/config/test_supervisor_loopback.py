from __future__ import annotations

import pytest
from werkzeug import Response

from config.supervisor.health import is_up
from config.supervisor.listener import listen, url
from config.supervisor.loopback import Answer, NoAnswer, ask


class TestAsk:
    def test_sends_json_and_reads_json(self, httpserver):
        httpserver.expect_request("/echo", method="POST", json={"a": 1}, headers={"X-Mark": "m"}).respond_with_json([1])

        assert ask("POST", httpserver.url_for("/echo"), body={"a": 1}, headers={"X-Mark": "m"}) == Answer(200, [1])

    def test_takes_every_status_for_an_answer(self, httpserver):
        httpserver.expect_request("/").respond_with_json({"code": "not_found"}, status=404)

        assert ask("GET", httpserver.url_for("/")) == Answer(404, {"code": "not_found"})

    def test_minds_no_answer_that_is_not_json(self, httpserver):
        httpserver.expect_request("/").respond_with_response(Response("<html>", status=502))

        assert ask("GET", httpserver.url_for("/")) == Answer(502, None)

    def test_asks_no_proxy(self, httpserver, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        httpserver.expect_request("/").respond_with_json({})

        assert ask("GET", httpserver.url_for("/")).status == 200

    def test_says_that_nobody_answers(self):
        with pytest.raises(NoAnswer, match=r"GET http://127\.0\.0\.1:1/"):
            ask("GET", "http://127.0.0.1:1/")

    def test_does_not_wait_for_ever(self):
        with listen("127.0.0.1", 0) as silent, pytest.raises(NoAnswer, match="timed out"):
            ask("GET", url(silent), timeout_seconds=0.1)


class TestIsUp:
    @pytest.mark.parametrize(("status", "expected"), [(200, True), (503, False), (400, False)])
    def test_wants_the_health_page_to_say_so(self, httpserver, status, expected):
        httpserver.expect_request("/health/").respond_with_json({}, status=status)

        assert is_up(httpserver.url_for("").rstrip("/")) is expected

    def test_is_false_while_nobody_answers(self):
        assert not is_up("http://127.0.0.1:1")
