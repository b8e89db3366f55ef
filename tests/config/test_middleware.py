"""A database that is down or slow is a 503, wherever it is met."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django.test import Client

from projects.exceptions import Unavailable

pytestmark = pytest.mark.django_db


def failing(monkeypatch, error):
    """Return a client, of whose requests every one meets this error in a view outside REST framework."""

    def fail(*_):
        raise error

    monkeypatch.setattr("config.views.redirect", fail)
    return Client(raise_request_exception=False)


class TestSayUnavailable:
    @pytest.mark.parametrize("error", [OperationalError("gone"), Unavailable("Not now.", retry_after=3)])
    def test_answers_with_a_page_that_says_so(self, monkeypatch, error):
        response = failing(monkeypatch, error).get("/")

        assert response.status_code == 503
        assert response["Retry-After"]
        assert b"Not right now" in response.content

    def test_tells_nobody_what_the_database_said(self, monkeypatch):
        response = failing(monkeypatch, OperationalError("password authentication failed for segue")).get("/")

        assert b"password" not in response.content

    def test_leaves_our_own_mistakes_to_django(self, monkeypatch):
        assert failing(monkeypatch, ZeroDivisionError()).get("/").status_code == 500


class TestAskForLength:
    def test_refuses_a_body_for_the_api_that_django_would_not_read(self):
        response = Client().post("/api/projects/", headers={"Transfer-Encoding": "chunked"}, CONTENT_LENGTH="")

        assert (response.status_code, response.json()["code"]) == (411, "length_required")

    def test_leaves_everything_else_alone(self):
        assert Client().get("/api/projects/").status_code == 401
