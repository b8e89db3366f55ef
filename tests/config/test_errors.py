"""What Django answers when no view could: programs get our shape, people a page."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404
from django.test import Client, RequestFactory

from config import errors


def body(response):
    return response.status_code, response["Content-Type"], response.json()["code"]


@pytest.mark.django_db
class TestPathsThatDoNotExist:
    def test_are_told_in_json(self):
        response = Client().get("/api/nothing/here/")

        assert body(response) == (404, "application/json", "not_found")

    def test_are_told_in_json_below_webhooks(self):
        assert Client().get("/webhooks/nothing/here/at/all/")["Content-Type"] == "application/json"

    @pytest.mark.parametrize("method", ["get", "post", "put"])
    def test_hint_at_a_forgotten_slash(self, method):
        response = getattr(Client(), method)("/api/projects")

        assert response.status_code == 404
        assert response.json()["hint"] == "Paths of the API end with a slash: /api/projects/"

    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    def test_are_told_to_programs_that_have_no_cookies(self, method):
        client = Client(enforce_csrf_checks=True)

        assert body(getattr(client, method)("/api/nothing/here/")) == (404, "application/json", "not_found")

    def test_are_a_page_elsewhere(self):
        response = Client().get("/nothing/")

        assert response.status_code == 404
        assert response["Content-Type"].startswith("text/html")


class TestHandlers:
    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (lambda request: errors.bad_request(request, SuspiciousOperation()), 400),
            (lambda request: errors.bad_request(request, RequestDataTooBig()), 413),
            (lambda request: errors.bad_request(request, KeyError()), 400),
            (lambda request: errors.permission_denied(request, PermissionDenied()), 403),
            (lambda request: errors.not_found(request, Http404()), 404),
            (errors.server_error, 500),
        ],
    )
    @pytest.mark.parametrize("path", ["/api/projects/", "/webhooks/x"])
    def test_answer_programs_in_json(self, answer, status, path):
        response = answer(RequestFactory().get(path))

        assert (response.status_code, response["Content-Type"]) == (status, "application/json")

    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            (lambda request: errors.bad_request(request, SuspiciousOperation()), 400),
            (lambda request: errors.permission_denied(request, PermissionDenied()), 403),
            (lambda request: errors.not_found(request, Http404()), 404),
            (errors.server_error, 500),
        ],
    )
    def test_answer_people_with_a_page(self, answer, status):
        response = answer(RequestFactory().get("/admin/"))

        assert (response.status_code, response["Content-Type"].partition(";")[0]) == (status, "text/html")


@pytest.mark.django_db
def test_our_own_mistakes_are_told_without_details(monkeypatch, api):
    client = api("owner")
    client.raise_request_exception = False
    monkeypatch.setattr("projects.access.visible_projects", lambda *_: 1 / 0)

    response = client.get("/api/projects/")

    assert body(response) == (500, "application/json", "error")
    assert "division" not in response.content.decode()
