"""The API of workflows: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.builders import definition, node
from tests.factories import DEFINITION, MemberFactory, UserFactory, VersionFactory, WorkflowFactory
from workflows.models import Workflow, WorkflowStatus

pytestmark = pytest.mark.django_db

BROKEN: dict[str, Any] = {"schema": 1, "nodes": [], "edges": [{"source": "nowhere", "target": "here"}]}
INJECTIONS = [
    "'; DROP TABLE workflows; --",
    "{{ 7 * 7 }}",
    "{% load static %}{{ settings.SECRET_KEY }}",
    "${7*7}",
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "%s %(name)s {0.__class__}",
    "\u202e\ufeff\U0001f600",
]


def url(workflow: Workflow | str, *rest: str) -> str:
    """Return the address of a workflow, or of something of it."""
    return "/".join(["/api/workflows", str(getattr(workflow, "pk", workflow)), *rest]) + "/"


def queries_of(client: Any, address: str) -> int:
    """Return how many queries a list costs."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.fixture
def workflow(project) -> Workflow:
    return WorkflowFactory(project=project, name="Orders")


@pytest.fixture
def published(project) -> Workflow:
    return WorkflowFactory(project=project, name="Orders", published=True)


class TestList:
    def test_shows_the_workflows_of_ones_projects_newest_first(self, api, project):
        older, newer = WorkflowFactory(project=project), WorkflowFactory(project=project)
        WorkflowFactory()

        answer = api("viewer").get("/api/workflows/").json()

        assert [row["id"] for row in answer["results"]] == [str(newer.pk), str(older.pk)]
        assert "definition" not in answer["results"][0]

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ["b", "a"]),
            ("?status=paused", ["b"]),
            ("?status=paused&status=archived", ["gone", "b"]),
            ("?status=archived", ["gone"]),
            ("?include_archived=true", ["gone", "b", "a"]),
            ("?include_archived=false", ["b", "a"]),
            ("?search=B", ["b"]),
            ("?search=%25", []),
            ("?search=_", []),
            ("?search=gone", []),
            ("?search=gone&include_archived=true", ["gone"]),
        ],
    )
    def test_can_be_narrowed(self, api, project, query, names):
        WorkflowFactory(project=project, name="a")
        WorkflowFactory(project=project, name="b", paused=True)
        WorkflowFactory(project=project, name="gone", archived=True)

        answer = api("viewer").get(f"/api/workflows/{query}").json()

        assert [row["name"] for row in answer["results"]] == names

    def test_can_be_narrowed_to_one_of_several_projects(self, api, project, bob):
        here = WorkflowFactory(project=project)
        there = WorkflowFactory(project=MemberFactory(user=bob, role="viewer").project)
        client = api(bob)

        assert len(client.get("/api/workflows/").json()["results"]) == 2
        for workflow in (here, there):
            rows = client.get(f"/api/workflows/?project={workflow.project_id}").json()["results"]
            assert [row["id"] for row in rows] == [str(workflow.pk)]

    def test_a_foreign_project_has_nothing(self, api, project):
        foreign = WorkflowFactory()

        assert api("owner").get(f"/api/workflows/?project={foreign.project_id}").json()["results"] == []

    @pytest.mark.parametrize(
        "query",
        ["?project=7", "?status=running", "?search=%00", "?include_archived=perhaps", "?cursor=x", "?stat=paused", "?search=" + "x" * 201],
    )  # fmt: skip
    def test_says_which_parameter_is_wrong(self, api, query):
        answer = api("viewer").get(f"/api/workflows/{query}")

        assert answer.status_code == 400, answer.content
        assert answer.json()["path"] == query.partition("=")[0]

    def test_costs_the_same_for_one_row_and_for_twenty(self, api, bob):
        client, costs = api(bob), []
        for rows in (1, 19):
            for _ in range(rows):
                there = MemberFactory(user=bob).project
                WorkflowFactory(project=there, created_by=UserFactory())
            costs.append(queries_of(client, "/api/workflows/"))

        assert costs[0] == costs[1]

    def test_hands_out_pages(self, api, project):
        for _ in range(3):
            WorkflowFactory(project=project)
        client = api("viewer")

        first = client.get("/api/workflows/?page_size=2").json()
        second = client.get(first["next"]).json()

        assert [len(page["results"]) for page in (first, second)] == [2, 1]
        assert second["next"] is None


class TestRetrieve:
    def test_shows_the_draft_and_its_entity_tag(self, api, workflow):
        answer = api("viewer").get(url(workflow))

        assert answer.json()["definition"] == DEFINITION
        assert answer.json()["status"] == "draft"
        assert answer["ETag"] == '"1"'

    def test_shows_an_archived_one(self, api, project):
        assert api("viewer").get(url(WorkflowFactory(project=project, archived=True))).status_code == 200

    @pytest.mark.parametrize("who", ["viewer", "stranger"])
    @pytest.mark.parametrize("key", ["7", "x" * 300, "00000000-0000-0000-0000-000000000000", "%00", "' OR 1=1"])
    def test_what_is_not_there_is_not_found(self, api, workflow, who, key):
        assert api(who).get(url(key)).status_code == 404

    def test_a_stranger_finds_nothing(self, api, workflow):
        """S-AUTHZ-2"""
        assert api("stranger").get(url(workflow)).status_code == 404

    def test_nobody_is_asked_who_they_are(self, api, workflow):
        assert api("nobody").get(url(workflow)).status_code == 401


class TestCreate:
    def test_makes_a_draft(self, api, project):
        body = {"project": str(project.pk), "name": "Orders", "description": "All of them", "definition": DEFINITION}

        answer = api("editor").post("/api/workflows/", body)

        assert answer.status_code == 201, answer.content
        assert answer["ETag"] == '"1"'
        made = Workflow.objects.get(pk=answer.json()["id"])
        assert (made.name, made.description, made.status, made.project) == ("Orders", "All of them", "draft", project)
        assert made.created_by.username == "bob"
        assert made.definition == DEFINITION

    def test_starts_empty_without_a_definition(self, api, project):
        answer = api("editor").post("/api/workflows/", {"project": str(project.pk), "name": "Orders"})

        assert answer.json()["definition"] == {"schema": 1, "nodes": [], "edges": []}

    def test_a_name_that_is_taken_is_a_conflict(self, api, workflow):
        body = {"project": str(workflow.project_id), "name": "Orders"}

        answer = api("editor").post("/api/workflows/", body)

        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")

    @pytest.mark.parametrize(
        ("who", "status"), [("viewer", 403), ("operator", 403), ("stranger", 400), ("nobody", 401)]
    )
    def test_is_for_editors(self, api, project, who, status):
        answer = api(who).post("/api/workflows/", {"project": str(project.pk), "name": "Orders"})

        assert answer.status_code == status
        assert not Workflow.objects.exists()


# What somebody may send for a draft, and where it is wrong.
BAD_DRAFTS: list[tuple[Any, str]] = [
    ([], ""),
    ("text", ""),
    (None, ""),
    (7, ""),
    ({"name": ""}, "/name"),
    ({"name": "  "}, "/name"),
    ({"name": None}, "/name"),
    ({"name": "x" * 201}, "/name"),
    ({"name": ["a"]}, "/name"),
    ({"name": {"a": 1}}, "/name"),
    ({"name": True}, "/name"),
    ({"name": "a\x00b"}, "/name"),
    ({"name": "\ud800"}, "/name"),
    ({"description": 7.5, "name": []}, "/name"),
    ({"description": "x" * 10_001}, "/description"),
    ({"description": None}, "/description"),
    ({"definition": None}, "/definition"),
    ({"definition": []}, "/definition"),
    ({"definition": "{}"}, "/definition"),
    ({"definition": {"nodes": ["\x00"]}}, "/definition/nodes/0"),
    ({"definition": {"a\x00": 1}}, "/definition"),
    ({"status": "active"}, "/status"),
    ({"version": 9}, "/version"),
    ({"revision": 9}, "/revision"),
    ({"id": str(uuid4())}, "/id"),
    ({"created_by": 1}, "/created_by"),
    ({"nmae": "typo"}, "/nmae"),
    ({"name'; --": 1}, "/name'; --"),
    ({"__class__": {}}, "/__class__"),
    ({"definition__icontains": "x"}, "/definition__icontains"),
]


class TestSave:
    def test_patch_changes_what_is_sent(self, api, workflow):
        answer = api("editor").patch(url(workflow), {"definition": BROKEN})

        assert answer.status_code == 200, answer.content
        assert answer["ETag"] == '"2"'
        assert (answer.json()["definition"], answer.json()["name"]) == (BROKEN, "Orders")

    def test_put_writes_all_of_it(self, api, project):
        workflow = WorkflowFactory(project=project, description="Old")

        answer = api("editor").put(url(workflow), {"name": "New", "definition": BROKEN})

        assert (answer.status_code, answer.json()["name"], answer.json()["description"]) == (200, "New", "")

    def test_put_needs_all_of_it(self, api, workflow):
        answer = api("editor").put(url(workflow), {"description": "New"})

        assert answer.status_code == 400
        assert {problem["path"] for problem in answer.json()["problems"]} == {"/name", "/definition"}

    def test_a_draft_that_was_saved_since_is_not_overwritten(self, api, workflow):
        client = api("editor")
        tag = client.get(url(workflow))["ETag"]
        assert client.patch(url(workflow), {"name": "Mine"}, headers={"If-Match": tag}).status_code == 200

        answer = client.patch(url(workflow), {"name": "Theirs"}, headers={"If-Match": tag})

        assert (answer.status_code, answer.json()["code"]) == (412, "draft_changed")
        assert Workflow.objects.get().name == "Mine"

    @pytest.mark.parametrize("method", ["post", "patch", "put"])
    @pytest.mark.parametrize(("body", "path"), BAD_DRAFTS)
    def test_bad_input_is_refused_with_its_place(self, api, workflow, method, body, path):
        """S-API-4: the same for each way to write."""
        before = Workflow.objects.values().get()
        whole = {"name": "New", "definition": {}, **({} if method != "post" else {"project": str(workflow.project_id)})}
        if isinstance(body, dict):
            body = {**whole, **body}

        at = "/api/workflows/" if method == "post" else url(workflow)
        answer = api("editor").generic(method.upper(), at, json.dumps(body), content_type="application/json")

        assert answer.status_code == 400, answer.content
        assert path in [problem.get("path") for problem in [answer.json(), *answer.json().get("problems", [])]]
        assert Workflow.objects.values().get() == before

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_text_is_only_text(self, api, project, text):
        """S-CODE-1: what looks like SQL or a template is stored and shown as it is."""
        definition = {"schema": 1, "nodes": [{"id": text, "type": text, "name": text}], text: {text: text}}
        body = {"project": str(project.pk), "name": text, "description": text, "definition": definition}
        client = api("editor")

        made = client.post("/api/workflows/", body)

        assert made.status_code == 201, made.content
        shown = client.get(url(made.json()["id"])).json()
        assert (shown["name"], shown["description"], shown["definition"]) == (text, text, definition)
        assert client.get("/api/workflows/", {"search": text}).json()["results"][0]["name"] == text
        assert client.post(url(made.json()["id"], "validate"), {}).json()["valid"] is False
        assert client.post(url(made.json()["id"], "publish"), {"message": text}).status_code == 400
        assert client.get(url(made.json()["id"], "graph")).status_code == 200

    def test_a_draft_that_is_too_large_is_refused(self, api, workflow):
        """S-DOS-1"""
        definition = {**DEFINITION, "ui": {"note": "x" * (1024 * 1024)}}

        answer = api("editor").patch(url(workflow), {"definition": definition})

        assert answer.status_code == 400
        assert answer.json()["problems"][0]["code"] == "definition_too_large"

    def test_a_body_that_is_too_large_is_refused(self, api, workflow):
        """S-DOS-1"""
        answer = api("editor").patch(url(workflow), {"description": "x" * (3 * 1024 * 1024)})

        assert answer.status_code == 413

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"\xff\xfe", b'{"name": NaN}', b"[" * 100_000, b'{"name": 1e999}', b'{"definition": {"a": ' + b"9" * 500 + b"}}"],
    )  # fmt: skip
    def test_a_body_that_is_not_json_is_refused(self, api, workflow, body):
        client = api("editor")

        answer = client.generic("PATCH", url(workflow), body, content_type="application/json")

        assert answer.status_code == 400 or not body
        assert Workflow.objects.get().name == "Orders"

    def test_a_foreign_project_cannot_be_written_into(self, api, project):
        """S-AUTHZ-2"""
        foreign = WorkflowFactory()

        answer = api("owner").post("/api/workflows/", {"project": str(foreign.project_id), "name": "New"})

        assert answer.status_code == 400
        assert answer.json()["path"] == "/project"

    def test_an_archived_one_is_read_only(self, api, project):
        workflow = WorkflowFactory(project=project, archived=True)

        answer = api("editor").patch(url(workflow), {"name": "New"})

        assert (answer.status_code, answer.json()["code"]) == (409, "workflow_archived")

    def test_there_is_no_removing(self, api, workflow):
        assert api("owner").delete(url(workflow)).status_code == 405


class TestValidate:
    def test_tells_whether_the_draft_can_be_published(self, api, workflow):
        assert api("viewer").post(url(workflow, "validate"), {}).json() == {"valid": True, "problems": []}

    def test_tells_everything_that_is_wrong_with_another_definition(self, api, workflow):
        answer = api("viewer").post(url(workflow, "validate"), {"definition": BROKEN})

        assert answer.status_code == 200
        assert answer.json()["valid"] is False
        assert len(answer.json()["problems"]) > 1
        assert set(answer.json()["problems"][0]) == {"code", "path", "message", "hint"}
        assert Workflow.objects.get().definition == DEFINITION

    @pytest.mark.parametrize(
        "definition",
        [
            {},
            {"schema": 99},
            {"schema": 1, "nodes": [None, 7, [], "a"]},
            {"schema": 1, "nodes": [{"id": 1, "type": [], "config": "x"}], "edges": [{}, None]},
            {"schema": 1, "nodes": [{"id": "a", "type": "agent"}]},
            {"schema": 1, "nodes": [{"id": "a", "type": "transform", "config": {"x": "{{ " + "(" * 5000}}]},
            {"schema": 1, "nodes": [{"id": "a", "type": "output", "config": {"value": "{{ process.exit() }}"}}]},
        ],
    )
    def test_answers_whatever_the_definition(self, api, workflow, definition):
        answer = api("editor").post(url(workflow, "validate"), {"definition": definition})

        assert answer.status_code == 200
        assert answer.json()["valid"] is False


class TestPublish:
    def test_makes_a_version(self, api, workflow):
        answer = api("editor").post(url(workflow, "publish"), {"message": "The first"})

        assert answer.status_code == 200, answer.content
        assert (answer.json()["number"], answer.json()["message"], answer.json()["created_by"]) == (
            1,
            "The first",
            "bob",
        )
        assert Workflow.objects.get().status == WorkflowStatus.ACTIVE

    def test_refuses_with_all_problems(self, api, project):
        workflow = WorkflowFactory(project=project, definition=BROKEN)

        answer = api("editor").post(url(workflow, "publish"), {})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_definition")
        assert len(answer.json()["problems"]) > 1
        assert Workflow.objects.get().version == 0

    def test_publishes_only_what_was_read(self, api, workflow):
        answer = api("editor").post(url(workflow, "publish"), {}, headers={"If-Match": '"7"'})

        assert answer.status_code == 412

    @pytest.mark.parametrize(
        "body", [{"message": ["a"]}, {"message": "x" * 501}, {"massage": "a"}, [], "a", {"message": None}]
    )
    def test_bad_input_is_refused(self, api, workflow, body):
        assert api("editor").post(url(workflow, "publish"), body).status_code == 400
        assert Workflow.objects.get().version == 0


class TestStatus:
    def test_a_story(self, api, published):
        operator, editor = api("operator"), api("editor")

        story = [
            (operator, "pause", {"reason": "The shop moves."}, "paused", "The shop moves."),
            (operator, "resume", {}, "active", ""),
            (editor, "disable", {"reason": "It is wrong."}, "disabled", "It is wrong."),
            (editor, "enable", {}, "active", ""),
            (editor, "archive", {}, "archived", ""),
            (editor, "restore", {}, "disabled", "Brought back from the archive."),
        ]
        for client, verb, body, status, reason in story:
            answer = client.post(url(published, verb), body)
            assert answer.status_code == 200, answer.content
            assert (answer.json()["status"], answer.json()["status_reason"]) == (status, reason)

    def test_the_wrong_moment_is_a_conflict(self, api, published):
        answer = api("operator").post(url(published, "resume"), {})

        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")

    @pytest.mark.parametrize("verb", ["disable", "enable", "archive", "restore", "publish"])
    def test_operators_do_not_edit(self, api, published, verb):
        assert api("operator").post(url(published, verb), {}).status_code == 403

    @pytest.mark.parametrize(
        "verb", ["pause", "resume", "disable", "enable", "archive", "restore", "publish", "validate", "graph"]
    )
    def test_strangers_find_nothing(self, api, published, verb):
        client = api("stranger")
        answer = client.get(url(published, verb)) if verb == "graph" else client.post(url(published, verb), {})

        assert answer.status_code == 404
        assert Workflow.objects.get(pk=published.pk).status == WorkflowStatus.ACTIVE

    @pytest.mark.parametrize("verb", ["pause", "disable", "enable", "archive", "restore", "resume"])
    def test_nothing_happens_on_get(self, api, published, verb):
        """S-API-6"""
        assert api("owner").get(url(published, verb)).status_code == 405

    @pytest.mark.parametrize(
        ("verb", "body"), [("pause", {"reason": "x" * 501}), ("pause", {"why": "a"}), ("resume", {"reason": "a"}), ("archive", [])]
    )  # fmt: skip
    def test_bad_input_is_refused(self, api, published, verb, body):
        assert api("editor").post(url(published, verb), body).status_code == 400
        assert Workflow.objects.get().status == WorkflowStatus.ACTIVE


class TestGraph:
    def test_draws_the_draft(self, api, workflow):
        answer = api("viewer").get(url(workflow, "graph"))

        assert answer["Content-Type"] == "image/svg+xml; charset=utf-8"
        root = ElementTree.fromstring(answer.content)  # noqa: S314 -- Our own text.
        assert root.findtext("{http://www.w3.org/2000/svg}title") == "Graph of Orders"

    def test_draws_a_version(self, api, published):
        Workflow.objects.update(definition={})

        shown = api("viewer").get(url(published, "graph") + "?version=1").content.decode()

        assert "Graph of Orders v1" in shown
        assert "no nodes yet" not in shown

    def test_runs_and_loads_nothing_when_opened_by_itself(self, api, workflow):
        """S-UI-2"""
        answer = api("viewer").get(url(workflow, "graph"))

        assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'; style-src 'unsafe-inline'"
        assert answer["X-Content-Type-Options"] == "nosniff"

    @pytest.mark.parametrize("accept", ["image/svg+xml", "text/html", "application/json", "nonsense", "*/*"])
    def test_is_a_picture_whatever_is_accepted(self, api, workflow, accept):
        answer = api("viewer").get(url(workflow, "graph"), headers={"Accept": accept})

        assert answer["Content-Type"].startswith("image/svg+xml")

    def test_refuses_in_json(self, api, workflow):
        answer = api("stranger").get(url(workflow, "graph"), headers={"Accept": "image/svg+xml"})

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize(
        ("version", "status"), [("9", 404), ("0", 404), ("x", 400), ("-1", 400), ("²", 400), ("9" * 30, 400), ("", 400)]
    )
    def test_knows_which_versions_there_are(self, api, published, version, status):
        assert api("viewer").get(url(published, "graph"), {"version": version}).status_code == status


class TestVersions:
    def test_are_listed_latest_first_without_their_definitions(self, api, published):
        VersionFactory(workflow=published, number=2)

        rows = api("viewer").get(url(published, "versions")).json()["results"]

        assert [row["number"] for row in rows] == [2, 1]
        assert "definition" not in rows[0]

    def test_the_list_costs_the_same_for_one_row_and_for_twenty(self, api, published):
        client, costs = api("viewer"), []
        for upto in (1, 20):
            for number in range(published.versions.count() + 1, upto + 1):
                VersionFactory(workflow=published, number=number, created_by=MemberFactory().user)
            costs.append(queries_of(client, url(published, "versions")))

        assert costs[0] == costs[1]

    def test_one_is_shown_by_its_number(self, api, published):
        answer = api("viewer").get(url(published, "versions", "1"))

        assert answer.json()["definition"] == DEFINITION

    @pytest.mark.parametrize("number", ["0", "2", "x", "-1", "9" * 40])
    def test_what_is_not_there_is_not_found(self, api, published, number):
        assert api("viewer").get(url(published, "versions", number)).status_code == 404

    def test_one_becomes_the_draft_again(self, api, published):
        Workflow.objects.update(definition=BROKEN)

        answer = api("editor").post(url(published, "versions", "1", "restore"), {})

        assert (answer.status_code, answer.json()["definition"], answer["ETag"]) == (200, DEFINITION, '"2"')

    def test_restoring_does_not_overwrite_what_somebody_saved(self, api, published):
        answer = api("editor").post(url(published, "versions", "1", "restore"), {}, headers={"If-Match": '"9"'})

        assert answer.status_code == 412

    def test_two_are_compared(self, api, published):
        other = deepcopy(DEFINITION)
        other["nodes"][1]["name"] = "The very end"
        VersionFactory(workflow=published, number=2, definition=other)
        client = api("viewer")

        answer = client.get(url(published, "versions", "1", "compare") + "?with=2").json()

        assert (answer["version"], answer["compared_with"]) == (1, "2")
        assert [change["path"] for change in answer["changes"]] == ["/nodes/end/name"]
        assert client.get(url(published, "versions", "1", "compare")).json()["changes"] == []

    @pytest.mark.parametrize(("other", "status"), [("9", 404), ("x", 400), ("", 400), ("1;--", 400)])
    def test_comparing_knows_which_versions_there_are(self, api, published, other, status):
        answer = api("viewer").get(url(published, "versions", "1", "compare"), {"with": other})

        assert answer.status_code == status

    def test_a_draft_without_shape_cannot_be_compared(self, api, published):
        Workflow.objects.update(definition={"nodes": 7})

        answer = api("viewer").get(url(published, "versions", "1", "compare"))

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_definition")

    @pytest.mark.parametrize("rest", [[], ["1"], ["1", "compare"]])
    def test_strangers_find_nothing(self, api, published, rest):
        assert api("stranger").get(url(published, "versions", *rest)).status_code == 404

    def test_of_another_workflow_are_not_found(self, api, published, project):
        other = WorkflowFactory(project=project)

        assert api("owner").get(url(other, "versions", "1")).status_code == 404

    def test_viewers_do_not_restore(self, api, published):
        assert api("viewer").post(url(published, "versions", "1", "restore"), {}).status_code == 403

    @pytest.mark.parametrize("method", ["put", "patch", "delete"])
    def test_never_change(self, api, published, method):
        answer = getattr(api("owner"), method)(url(published, "versions", "1"), {"message": "rewritten"})

        assert answer.status_code == 405


class TestVariables:
    def test_are_set_and_listed_by_name(self, api, workflow):
        editor = api("editor")
        for name, value in [("LIMIT", 3), ("COUNTRY", "DE"), ("LIMIT", {"max": [4]})]:
            assert editor.put(url(workflow, "variables", name), {"value": value}).status_code == 200

        rows = api("viewer").get(url(workflow, "variables")).json()["results"]

        assert [(row["name"], row["value"], row["is_secret"]) for row in rows] == [
            ("COUNTRY", "DE", False),
            ("LIMIT", {"max": [4]}, False),
        ]

    def test_null_is_a_value(self, api, workflow):
        assert api("editor").put(url(workflow, "variables", "NOTHING"), {"value": None}).json()["value"] is None

    def test_secrets_are_never_shown(self, api, workflow):
        """S-SEC-3"""
        editor, at = api("editor"), url(workflow, "variables", "API_KEY")

        answers = [
            editor.put(at, {"value": "hunter2hunter2", "is_secret": True}),
            editor.get(at),
            editor.get(url(workflow, "variables")),
            api("owner").get(at),
            api("owner").get(url(workflow)),
            editor.put(at, {"value": "another-secret"}),
        ]

        assert all(answer.status_code == 200 for answer in answers)
        assert answers[1].json() | {"created_at": "", "updated_at": ""} == {
            "name": "API_KEY", "value": None, "is_secret": True, "allowed_hosts": [], "created_at": "", "updated_at": "",
        }  # fmt: skip
        assert not any(b"hunter2" in answer.content or b"another" in answer.content for answer in answers)

    def test_a_secret_becomes_plain_only_with_a_new_value(self, api, workflow):
        editor, at = api("editor"), url(workflow, "variables", "API_KEY")
        editor.put(at, {"value": "hunter2", "is_secret": True})

        assert editor.put(at, {"is_secret": False}).status_code == 400
        assert editor.patch(at, {"is_secret": False}).status_code == 400
        assert editor.get(at).json()["is_secret"] is True

    def test_are_removed(self, api, workflow):
        editor, at = api("editor"), url(workflow, "variables", "LIMIT")
        editor.put(at, {"value": 1})

        assert editor.delete(at).status_code == 204
        assert editor.delete(at).status_code == 404
        assert editor.get(at).status_code == 404

    @pytest.mark.parametrize("name", ["limit", "_X", "1A", "A-B", "A" * 65, "__proto__", "Ä"])
    def test_a_name_is_refused_with_advice(self, api, workflow, name):
        answer = api("editor").put(url(workflow, "variables", name), {"value": 1})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_variable")
        assert "upper case" in answer.json()["hint"]

    @pytest.mark.parametrize(
        "body",
        [
            {},
            [],
            "a",
            {"value": 1, "is_secret": "perhaps"},
            {"value": 1, "is_secret": None},
            {"value": 1, "name": "OTHER"},
            {"value": 7, "is_secret": True},
            {"value": "", "is_secret": True},
            {"value": "x" * 70_000},
            {"value": "a\x00"},
            {"value": {"deep": "\ud800"}},
        ],
    )
    def test_bad_input_is_refused(self, api, workflow, body):
        at = url(workflow, "variables", "LIMIT")
        answer = api("editor").generic("PUT", at, json.dumps(body), content_type="application/json")

        assert answer.status_code == 400, answer.content
        assert not workflow.variables.exists()

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_text_is_only_text(self, api, workflow, text):
        answer = api("editor").put(url(workflow, "variables", "TEXT"), {"value": text})

        assert answer.json()["value"] == text

    @pytest.mark.parametrize(
        ("who", "status"), [("viewer", 403), ("operator", 403), ("stranger", 404), ("nobody", 401)]
    )
    def test_are_set_by_editors(self, api, workflow, who, status):
        client = api(who)

        assert client.put(url(workflow, "variables", "LIMIT"), {"value": 1}).status_code == status
        assert client.delete(url(workflow, "variables", "LIMIT")).status_code == status
        assert not workflow.variables.exists()

    def test_the_list_costs_the_same_for_one_row_and_for_twenty(self, api, workflow):
        client, costs = api("editor"), []
        for upto in (1, 20):
            for number in range(upto):
                client.put(url(workflow, "variables", f"V{number}"), {"value": "x", "is_secret": number % 2 == 0})
            costs.append(queries_of(client, url(workflow, "variables")))

        assert costs[0] == costs[1]


class TestVariablesOfProjects:
    def address(self, project, *rest):
        return f"/api/projects/{project.pk}/variables/" + "".join(f"{each}/" for each in rest)

    def test_have_the_shape_of_those_of_workflows(self, api, project, workflow):
        """[S-SEC-3]"""
        editor = api("editor")
        body = {"value": "hunter2hunter2", "is_secret": True, "allowed_hosts": ["API.example.com"]}

        made = editor.put(self.address(project, "API_KEY"), body).json()
        listed = editor.get(self.address(project)).json()["results"]

        assert made == listed[0]
        assert made | {"created_at": "", "updated_at": ""} == {
            "name": "API_KEY", "value": None, "is_secret": True, "allowed_hosts": ["api.example.com"],
            "created_at": "", "updated_at": "",
        }  # fmt: skip
        assert set(made) == set(editor.put(url(workflow, "variables", "LIMIT"), {"value": 1}).json())

    def test_hosts_become_fewer_without_the_value_and_more_with_it(self, api, project):
        """[S-SEC-5]"""
        editor, at = api("editor"), self.address(project, "API_KEY")
        editor.put(at, {"value": "hunter2", "is_secret": True, "allowed_hosts": ["*.example.com"]})

        fewer = editor.patch(at, {"allowed_hosts": ["api.example.com"]})
        more = editor.patch(at, {"allowed_hosts": ["api.example.com", "evil.example"]})

        assert (fewer.status_code, fewer.json()["allowed_hosts"]) == (200, ["api.example.com"])
        assert (more.status_code, more.json()["code"], more.json()["path"]) == (
            400,
            "invalid_variable",
            "/allowed_hosts",
        )
        again = editor.put(at, {"value": "hunter2", "allowed_hosts": ["evil.example"]})
        assert again.json()["allowed_hosts"] == ["evil.example"]

    @pytest.mark.parametrize("hosts", ["a.example", [["a"]], [None], {"a": 1}, ["a"] * 51, None])
    def test_bad_hosts_are_refused(self, api, project, hosts):
        body = {"value": "hunter2", "is_secret": True, "allowed_hosts": hosts}

        assert api("editor").put(self.address(project, "API_KEY"), body).status_code == 400

    def test_usages_are_told(self, api, project):
        editor = api("editor")
        editor.put(self.address(project, "LIMIT"), {"value": 3})
        raw = definition("start > end", end=node("output", {"value": "{{ vars.LIMIT }}"}))
        made = editor.post("/api/workflows/", {"project": str(project.pk), "name": "Uses", "definition": raw}).json()
        editor.post(f"/api/workflows/{made['id']}/publish/", {})

        assert api("viewer").get(self.address(project, "LIMIT", "usages")).json() == {
            "results": [
                {
                    "workflow": made["id"], "workflow_name": "Uses", "status": "active",
                    "in_draft": True, "in_latest": True, "versions": [1], "is_certain": True,
                }
            ]
        }  # fmt: skip

    def test_one_in_use_is_removed_only_by_force(self, api, project):
        editor, at = api("editor"), self.address(project, "LIMIT")
        editor.put(at, {"value": 3})
        raw = definition("start > end", end=node("output", {"value": "{{ vars.LIMIT }}"}))
        made = editor.post("/api/workflows/", {"project": str(project.pk), "name": "Uses", "definition": raw}).json()
        editor.post(f"/api/workflows/{made['id']}/publish/", {})

        refused = editor.delete(at)

        assert (refused.status_code, refused.json()["code"]) == (409, "variable_in_use")
        assert editor.delete(f"{at}?force=perhaps").status_code == 400
        assert editor.delete(f"{at}?force=true").status_code == 204


class TestSchema:
    def test_describes_what_each_endpoint_takes_and_gives(self, client):
        schema = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()

        described = {
            f"{method.upper()} {path}": operation
            for path, methods in schema["paths"].items()
            if path.startswith(("/api/workflows/", "/api/node-types/", "/api/tools/"))
            for method, operation in methods.items()
        }
        assert len(described) >= 25
        for name, operation in described.items():
            done = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            assert done, name
            assert operation["description"], name
            assert all("content" in answer for answer in done) or name.startswith("DELETE"), name
            assert "requestBody" in operation or name.split()[0] not in ("PUT", "PATCH"), name
