"""The API of templates: everybody reads, editors install."""

from __future__ import annotations

import json
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.models import WorkflowExecution
from projects.models import AuditEntry
from templates_app.models import WorkflowTemplate
from tests.builders import definition, node
from tests.factories import ProjectFactory, TemplateFactory, WorkflowFactory
from tests.triggers.webhooks.senders import send
from triggers.models import WebhookRegistration
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

VARIABLES = [
    {"name": "URL", "description": "Where to call.", "is_secret": False, "schema": {"type": "string"}},
    {"name": "KEY", "description": "Its key.", "is_secret": True, "schema": {"type": "string", "minLength": 8}},
    {"name": "DAYS", "description": "How long.", "is_secret": False, "schema": {"type": "integer"}, "default": 3},
]
VALUES = {"URL": "https://example.com", "KEY": "hunter2-hunter2"}
HOOKS = definition(
    "shop > end",
    "github > end",
    github=node("trigger", {"kind": "webhook", "auth": {"scheme": "bearer"}}),
    shop=node("trigger", {"kind": "webhook", "methods": ["POST", "PUT"]}),
    end=node("output", join="any"),
)


def names(response):
    return [template["name"] for template in response.json()["results"]]


class TestList:
    def test_is_for_everybody_and_in_order_of_names(self, api):
        for name in ("Zebra", "Apple", "Mole"):
            TemplateFactory(name=name)

        assert names(api("nobody").get("/api/templates/")) == ["Apple", "Mole", "Zebra"]

    def test_shows_what_a_template_is_but_not_its_definition(self, api):
        template = TemplateFactory(
            slug="hello", category="sales", tags=["a", "b"], author="Ada", version="1.2.3", required_variables=VARIABLES,
            required_tools=["http.request"], rating="4.50", is_featured=True,
        )  # fmt: skip

        (shown,) = api("nobody").get("/api/templates/").json()["results"]

        assert "workflow_definition" not in shown
        assert {key: shown[key] for key in shown if key not in {"created_at", "updated_at"}} == {
            "id": str(template.pk),
            "slug": "hello",
            "name": template.name,
            "description": "",
            "category": "sales",
            "tags": ["a", "b"],
            "author": "Ada",
            "version": "1.2.3",
            "required_variables": VARIABLES,
            "required_tools": ["http.request"],
            "required_models": [],
            "preview_url": f"http://testserver/api/templates/{template.pk}/preview/",
            "usage_count": 0,
            "rating": "4.50",
            "is_featured": True,
            "is_verified": False,
        }

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("slug=hello", ["Hello"]),
            ("category=sales", ["Bye", "Hello"]),
            ("category=sale", []),
            ("tag=chat", ["Hello", "Sums"]),
            ("tag=cha", []),
            ("tag=CHAT%22", []),
            ("featured=true", ["Sums"]),
            ("featured=false", ["Bye", "Hello"]),
            ("search=HELL", ["Hello"]),
            ("search=numbers", ["Sums"]),
            ("search=%25", []),
            ("category=sales&tag=chat", ["Hello"]),
            ("search=", ["Bye", "Hello", "Sums"]),
        ],
    )
    def test_is_narrowed_down(self, api, query, found):
        TemplateFactory(slug="hello", name="Hello", category="sales", tags=["github", "chat"])
        TemplateFactory(name="Bye", category="sales", tags=["mail", "chatter"])
        TemplateFactory(name="Sums", category="maths", description="Adds NUMBERS.", tags=["chat"], is_featured=True)

        assert names(api("nobody").get(f"/api/templates/?{query}")) == found

    @pytest.mark.parametrize("query", ["featured=perhaps", "feature=true", "search=%00", f"tag={'x' * 65}", "cursor=x"])
    def test_refuses_what_means_nothing(self, api, query):
        """S-API-5"""
        assert api("nobody").get(f"/api/templates/?{query}").status_code == 400

    def test_comes_in_pages(self, api):
        for number in range(5):
            TemplateFactory(name=f"Template {number}")
        client, url, pages = api("nobody"), "/api/templates/?page_size=2", []

        while url:
            page = client.get(url)
            pages.append(names(page))
            url = page.json()["next"]

        assert pages == [["Template 0", "Template 1"], ["Template 2", "Template 3"], ["Template 4"]]

    def test_takes_as_many_queries_for_twenty_as_for_one(self, api):
        """S-API-6"""

        def queries():
            with CaptureQueriesContext(connection) as captured:
                assert api("nobody").get("/api/templates/").status_code == 200
            return [query["sql"] for query in captured]

        TemplateFactory(required_variables=VARIABLES)
        for_one = queries()
        TemplateFactory.create_batch(19, required_variables=VARIABLES)

        assert len(queries()) == len(for_one) == 1
        assert "workflow_definition" not in for_one[0]

    def test_is_among_the_endpoints_of_the_api(self, api):
        assert api("viewer").get("/api/").json()["templates"] == "http://testserver/api/templates/"


class TestDetail:
    def test_has_the_definition(self, api):
        template = TemplateFactory()

        shown = api("nobody").get(f"/api/templates/{template.pk}/").json()

        assert shown["workflow_definition"] == template.workflow_definition

    def test_is_found_by_its_id_whatever_else_is_asked(self, api):
        template = TemplateFactory(category="sales")

        assert api("nobody").get(f"/api/templates/{template.pk}/?category=maths").status_code == 200

    @pytest.mark.parametrize("pk", [uuid4(), "x", "1"])
    @pytest.mark.parametrize("page", ["", "preview/"])
    def test_of_nothing_is_not_found(self, api, pk, page):
        assert api("nobody").get(f"/api/templates/{pk}/{page}").status_code == 404


class TestPreview:
    def test_is_a_picture_that_can_do_nothing(self, api):
        """S-UI-2"""
        template = TemplateFactory(name="<b>Hello</b>")

        response = api("nobody").get(f"/api/templates/{template.pk}/preview/", HTTP_ACCEPT="image/png")

        assert (response.status_code, response["Content-Type"]) == (200, "image/svg+xml; charset=utf-8")
        assert response["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "public, max-age=300"
        picture = ElementTree.fromstring(response.content)  # noqa: S314 - our own
        assert picture.findtext("{*}title") == "Graph of <b>Hello</b>"

    def test_is_the_one_that_came_with_the_template(self, api):
        template = TemplateFactory(preview_image="<svg/>")

        assert api("nobody").get(f"/api/templates/{template.pk}/preview/").content == b"<svg/>"


class TestWriting:
    @pytest.mark.parametrize("who", ["nobody", "owner", "superuser"])
    @pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
    @pytest.mark.parametrize("is_detail", [True, False])
    def test_is_for_nobody(self, api, who, method, is_detail, django_user_model):
        """S-AUTHZ-2: templates are public, so that who could change one could change everybody's."""
        template = TemplateFactory(name="Hello")
        caller = django_user_model.objects.create_superuser("root") if who == "superuser" else who
        url = f"/api/templates/{template.pk}/" if is_detail else "/api/templates/"

        response = getattr(api(caller), method)(url, {"name": "Bye"})

        assert response.status_code in {401, 403, 405}
        assert WorkflowTemplate.objects.get().name == "Hello"


@pytest.fixture
def install(api, project):
    """Return a function that installs a template, by default as an editor into ``project``."""

    def do(template, *, who="editor", **body):
        return api(who).post(f"/api/templates/{template.pk}/install/", {"project": str(project.pk), **body})

    return do


class TestInstall:
    def test_answers_with_the_workflow(self, install, project):
        response = install(TemplateFactory(name="Hello"))

        workflow = Workflow.objects.get()
        assert response.status_code == 201, response.json()
        assert response.json() == {
            "id": str(workflow.pk),
            "project": str(project.pk),
            "name": "Hello",
            "status": "active",
            "version": 1,
            "webhooks": [],
        }

    def test_tells_where_callers_send_their_requests_and_how_they_prove_themselves(self, install, settings):
        """S-SEC-3: the secret is in this answer and nowhere else."""
        settings.WEBHOOK_BASE_URL = "https://hooks.example.com"

        response = install(TemplateFactory(workflow_definition=HOOKS))

        github, shop = response.json()["webhooks"]
        rows = {row.trigger.node_id: row for row in WebhookRegistration.objects.select_related("trigger")}
        assert (github["node_id"], shop["node_id"]) == ("github", "shop")
        assert github["url"] == f"https://hooks.example.com/webhooks/{rows['github'].path}"
        assert (github["auth"], shop["auth"]) == ({"scheme": "bearer"}, {"scheme": "none"})
        assert (shop["methods"], shop["secret"]) == (["POST", "PUT"], None)
        assert response["Cache-Control"] == "no-store"
        assert send(rows["github"], 1).status_code == 401
        assert send(rows["github"], 1, authorization=f"Bearer {github['secret']}").status_code == 202
        assert WorkflowExecution.objects.count() == 1
        assert github["secret"] not in json.dumps(list(AuditEntry.objects.values_list("details", flat=True)))

    def test_takes_a_name_and_variables(self, install):
        response = install(TemplateFactory(required_variables=VARIABLES), name="Mine", variables={**VALUES, "DAYS": 9})

        assert response.status_code == 201, response.json()
        workflow = Workflow.objects.get()
        assert workflow.name == "Mine"
        assert dict(workflow.variables.values_list("name", "is_secret")) == {"URL": False, "KEY": True, "DAYS": False}
        assert workflow.variables.get(name="DAYS").value == "9"

    def test_leaves_a_draft_where_that_is_asked_for(self, install):
        shown = install(TemplateFactory(workflow_definition=HOOKS), publish=False).json()

        assert (shown["status"], shown["version"], shown["webhooks"]) == ("draft", 0, [])

    def test_says_everything_that_is_wrong_with_the_variables(self, install):
        response = install(
            TemplateFactory(required_variables=VARIABLES), variables={"KEY": "hunter2", "DAYS": "x", "D": 1}
        )

        body = response.json()
        assert (response.status_code, body["code"]) == (400, "invalid_variables")
        assert [(problem["code"], problem["path"]) for problem in body["problems"]] == [
            ("unknown_variable", "/variables/D"),
            ("missing_variable", "/variables/URL"),
            ("invalid_input", "/variables/KEY"),
            ("invalid_input", "/variables/DAYS"),
        ]
        assert "hunter2" not in response.content.decode()
        assert not Workflow.objects.exists()

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"project": None}, "/project"),
            ({"project": "x"}, "/project"),
            ({"project": ["x"]}, "/project"),
            ({"name": ""}, "/name"),
            ({"name": "x" * 201}, "/name"),
            ({"name": ["x"]}, "/name"),
            ({"variables": []}, "/variables"),
            ({"variables": "URL"}, "/variables"),
            ({"variables": None}, "/variables"),
            ({"publish": "perhaps"}, "/publish"),
            ({"publish": None}, "/publish"),
            ({"colour": "red"}, "/colour"),
        ],
    )
    def test_takes_nothing_else(self, install, body, path):
        response = install(TemplateFactory(), **body)

        assert response.status_code == 400
        assert [problem["path"] for problem in response.json()["problems"]] == [path]
        assert not Workflow.objects.exists()

    @pytest.mark.parametrize("body", [[], "x", 5, None])
    def test_takes_an_object_alone(self, api, body):
        url = f"/api/templates/{TemplateFactory().pk}/install/"

        assert api("editor").generic("POST", url, json.dumps(body), "application/json").status_code == 400

    def test_needs_to_know_where(self, api):
        response = api("editor").post(f"/api/templates/{TemplateFactory().pk}/install/", {})

        assert response.json()["path"] == "/project"

    def test_refuses_a_name_that_is_taken(self, install, project):
        WorkflowFactory(project=project, name="Mine")

        response = install(TemplateFactory(), name="Mine")

        assert response.status_code == 409
        assert response.json() == {
            "code": "name_taken",
            "message": "The project has a workflow called 'Mine' already.",
            "path": "/name",
            "hint": "'Mine 2' is free.",
        }

    def test_refuses_what_this_installation_does_not_have(self, install):
        response = install(TemplateFactory(workflow_definition=definition("start > think", think=node("oracle"))))

        assert (response.status_code, response.json()["code"]) == (409, "missing_requirements")

    def test_of_nothing_is_not_found(self, api, project):
        for pk in (uuid4(), "x"):
            response = api("editor").post(f"/api/templates/{pk}/install/", {"project": str(project.pk)})
            assert response.status_code == 404

    def test_finds_no_foreign_project(self, install):
        """S-AUTHZ-1"""
        foreign = ProjectFactory()

        answers = [install(TemplateFactory(), project=str(pk)) for pk in (foreign.pk, uuid4())]

        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()
        assert not Workflow.objects.exists()

    @pytest.mark.parametrize(
        ("who", "status"), [("viewer", 403), ("operator", 403), ("stranger", 404), ("nobody", 401), ("admin", 201)]
    )
    def test_is_for_editors(self, install, who, status):
        response = install(TemplateFactory(), who=who)

        assert response.status_code == status
        assert Workflow.objects.count() == (1 if status == 201 else 0)
