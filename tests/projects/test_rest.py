"""What every endpoint shares. The routes of projects stand for all."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from django.db import OperationalError
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.test import APIClient

from projects.access import Permission
from projects.models import Project
from projects.rest import ProjectScopedViewSet, StrictSerializer
from tests.factories import MemberFactory, ProjectFactory, UserFactory


class TestDenyByDefault:
    """S-AUTHZ-1: an action that nobody thought about does not come into being."""

    def test_a_viewset_without_a_permission_for_an_action_is_refused(self):
        with pytest.raises(TypeError, match=r"missing \['list'\]"):

            class Forgetful(ListModelMixin, ProjectScopedViewSet):
                pass

    def test_so_is_one_that_forgot_an_extra_action(self):
        with pytest.raises(TypeError, match=r"missing \['publish'\]"):

            class Forgetful(ListModelMixin, ProjectScopedViewSet):
                permissions = {"list": Permission.VIEW}

                @action(detail=True, methods=["post"])
                def publish(self, request):
                    pass

    def test_so_is_one_that_names_an_action_which_does_not_exist(self):
        with pytest.raises(TypeError, match=r"unknown \['destroy'\]"):

            class Confused(ListModelMixin, ProjectScopedViewSet):
                permissions = {"list": Permission.VIEW, "destroy": Permission.OWN}


class TestStrictSerializer:
    class Order(StrictSerializer):
        class Line(StrictSerializer):
            sku = serializers.CharField()

        name = serializers.CharField()
        count = serializers.IntegerField()
        lines = Line(many=True, required=False)

    def problems(self, data):
        serializer = self.Order(data=data)
        assert not serializer.is_valid()
        return serializer.errors

    def test_takes_what_it_knows(self):
        assert self.Order(data={"name": "x", "count": 1, "lines": [{"sku": "y"}]}).is_valid()

    def test_suggests_what_was_meant(self):
        (problem,) = self.problems({"name": "x", "count": 1, "cuont": 1})["cuont"]

        assert (problem.code, str(problem)) == ("unknown_field", "There is no field cuont. Did you mean count?")

    def test_lists_what_there_is(self):
        (problem,) = self.problems({"name": "x", "count": 1, "zzz": 1})["zzz"]

        assert str(problem) == "There is no field zzz. Known are: count, lines, name."

    def test_tells_all_problems_at_once(self):
        assert set(self.problems({"zzz": 1, "count": "many"})) == {"zzz", "count", "name"}

    def test_looks_into_what_is_nested(self):
        assert "zzz" in self.problems({"name": "x", "count": 1, "lines": [{"sku": "y", "zzz": 1}]})["lines"][0]


@pytest.mark.django_db
class TestBodies:
    """S-DOS, R-14: whatever is sent, the answer is a 4xx in our shape."""

    def post(self, body: bytes, content_type: str = "application/json", **extra):
        client = APIClient(raise_request_exception=True)
        client.force_login(UserFactory())
        return client.generic("POST", "/api/projects/", body, content_type=content_type, **extra)

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (b"{", "not_json"),
            (b"", "invalid"),
            (b"null", "invalid"),
            (b"[]", "invalid"),
            (b"1", "invalid"),
            (b'"text"', "invalid"),
            (b'{"name": NaN}', "not_json"),
            (b"\xff\xfe{\x00}\x00", "not_json"),
            (b"[" * 100_000, "json_too_deep"),
            (b'{"a":' * 65 + b"1" + b"}" * 65, "json_too_deep"),
            (json.dumps({str(index): 0 for index in range(50_001)}).encode(), "json_too_many_keys"),
            (b'{"name": ' + b"1" * 401 + b"}", "json_number_too_long"),
            (rb'{"name": "\u0000"}', "invalid"),
            (rb'{"na\u0000me": "x"}', "invalid"),
            (rb'{"name": "\ud800"}', "invalid"),
            (rb'{"name": ["x", {"y": "\u0000"}]}', "invalid"),
        ],
        ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else value,
    )
    def test_that_are_wrong_are_refused(self, body, code):
        response = self.post(body)

        assert (response.status_code, response.json()["code"]) == (400, code)
        assert not Project.objects.exists()

    def test_with_text_that_cannot_be_stored_say_where_it_stands(self):
        assert self.post(rb'{"name": ["x", {"a/b": "\u0000"}]}').json()["path"] == "/name/1/a~1b"

    def test_may_write_escapes_that_are_none(self):
        assert self.post(rb'{"name": "\\u0000 \u00e4"}').json()["name"] == "\\u0000 ä"

    @pytest.mark.parametrize(("size", "status"), [(1000, 201), (1001, 413)])
    def test_have_a_limit(self, settings, size, status):
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        body = b'{"name": "x"' + b" " * (size - 13) + b"}"

        assert self.post(body).status_code == status

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "",
            "nonsense",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "text/xml",
        ],
    )
    def test_that_are_not_json_are_told_what_to_be(self, content_type):
        response = self.post(b"name=x", content_type)

        assert response.status_code in {400, 415}
        assert response["Content-Type"] == "application/json"

    def test_may_name_their_charset(self):
        assert self.post('{"name": "ä"}'.encode(), "application/json; charset=utf-8").status_code == 201


@pytest.mark.django_db
class TestPages:
    def rows(self, client, query=""):
        return client.get(f"/api/projects/{query}").json()

    @pytest.fixture
    def client(self):
        person = UserFactory()
        MemberFactory.create_batch(7, user=person)
        client = APIClient()
        client.force_login(person)
        return client

    def test_follow_each_other_without_gaps(self, client):
        seen, page = [], self.rows(client, "?page_size=3")
        while True:
            seen += [row["id"] for row in page["results"]]
            if page["next"] is None:
                break
            page = client.get(page["next"]).json()

        assert seen == [str(pk) for pk in Project.objects.order_by("-created_at", "-id").values_list("pk", flat=True)]

    def test_hold_together_when_all_rows_have_one_time(self, client):
        moment = Project.objects.first().created_at
        Project.objects.update(created_at=moment)

        self.test_follow_each_other_without_gaps(client)

    @pytest.mark.parametrize(("asked", "given"), [("", 50), ("?page_size=100", 100), ("?page_size=101", 100)])
    def test_have_a_largest_size(self, asked, given):
        person = UserFactory()
        MemberFactory.create_batch(101, user=person)
        client = APIClient()
        client.force_login(person)

        assert len(self.rows(client, asked)["results"]) == given

    @pytest.mark.parametrize(
        "position", ["p=%00", "p=2001-01-01", "p=2001-99-99 00:00:00", "p=1", "p=", "p=\u00e4", "o=x", "o=-1"]
    )
    def test_are_not_found_by_a_cursor_that_nobody_gave_out(self, client, position):
        response = client.get(f"/api/projects/?cursor={b64encode(position.encode()).decode()}")

        assert (response.status_code, response.json()["path"]) == (400, "?cursor")

    @pytest.mark.parametrize("cursor", ["x", "%00", "ä", "a" * 9000])
    def test_are_not_found_by_what_is_no_cursor(self, client, cursor):
        assert client.get(f"/api/projects/?cursor={cursor}").status_code in {200, 400}

    @pytest.mark.parametrize(
        ("query", "message"),
        [("nmae=x", "Known are"), ("curser=x", "Did you mean cursor?"), ("page=2", "Did you mean page_size?")],
    )
    def test_refuse_parameters_that_mean_nothing(self, client, query, message):
        response = client.get(f"/api/projects/?{query}")

        assert (response.status_code, response.json()["problems"][0]["code"]) == (400, "unknown_parameter")
        assert message in response.json()["message"]
        assert response.json()["path"] == "?" + query.partition("=")[0]


@pytest.mark.django_db
class TestFilters:
    @pytest.mark.parametrize(("terms", "status"), [(10, 200), (11, 400)])
    def test_are_at_most_ten_values(self, api, terms, status):
        """[S-DOS-2]"""
        response = api("viewer").get("/api/executions/?" + "&".join(["status=failed"] * terms))

        assert response.status_code == status
        if status == 400:
            assert "by 11 values; at most 10 are allowed" in response.json()["message"]


@pytest.mark.django_db
class TestAnswers:
    @pytest.mark.parametrize("method", ["put", "delete", "patch"])
    def test_say_which_methods_there_are(self, api, method):
        response = getattr(api("owner"), method)("/api/projects/")

        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert "GET" in response["Allow"]

    def test_describe_a_route_to_options(self, api, project):
        assert api("viewer").options(f"/api/projects/{project.pk}/").status_code == 200

    @pytest.mark.parametrize("who", ["owner", "viewer", "stranger"])
    def test_are_pages_for_browsers(self, api, project, who):
        client = api(who)
        for path in ("/api/", "/api/projects/", f"/api/projects/{project.pk}/", "/api/tokens/", "/api/audit/"):
            assert client.get(path, headers={"Accept": "text/html"})["Content-Type"].startswith("text/html")

    def test_come_with_503_when_the_database_does_not_answer(self, api, monkeypatch):
        def fail(*_, **__):
            raise OperationalError("the connection is lost")

        client = api("owner")
        monkeypatch.setattr("projects.access.visible_projects", fail)

        response = client.get("/api/projects/")

        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response["Retry-After"] == "1"


@pytest.mark.django_db
class TestReferences:
    """S-API-3: ids in bodies obey the same scope as ids in paths."""

    def post(self, client, project):
        return client.post("/api/tokens/", {"project": project, "name": "CI", "role": "viewer"})

    @pytest.mark.parametrize("value", [1, True, [], {}, 1.5])
    def test_that_are_no_ids_are_refused(self, api, value):
        response = self.post(api("viewer"), value)

        assert (response.status_code, response.json()["problems"][0]["code"]) == (400, "incorrect_type")

    @pytest.mark.parametrize("value", ["x", "00000000-0000-0000-0000-000000000000"])
    def test_that_lead_nowhere_are_refused(self, api, value):
        response = self.post(api("viewer"), value)

        assert response.status_code == 400

    def test_that_are_foreign_lead_nowhere(self, api):
        response = self.post(api("viewer"), str(ProjectFactory().pk))

        assert response.json()["problems"][0]["code"] == "does_not_exist"

    def test_that_are_ones_own_are_taken(self, api, project):
        assert self.post(api("viewer"), str(project.pk)).status_code == 201
