"""The API of projects, members, tokens and the audit log, over HTTP. Who may do what is in ``test_permissions``."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from projects.models import ApiToken, AuditEntry, Project
from tests.factories import AuditEntryFactory, MemberFactory, ProjectFactory, TokenFactory, UserFactory, WorkflowFactory


@pytest.mark.django_db
class TestProjects:
    def test_are_made_and_owned(self, api, charlie):
        response = api(charlie).post("/api/projects/", {"name": "Orders", "description": "All of them"})

        assert response.status_code == 201
        body = response.json()
        assert (body["name"], body["description"], body["role"]) == ("Orders", "All of them", "owner")
        assert api(charlie).get(f"/api/projects/{body['id']}/").json() == body

    def test_are_listed_newest_first_with_the_callers_role(self, api, bob, project):
        newer = MemberFactory(user=bob, role="viewer").project
        ProjectFactory()

        rows = api(bob).get("/api/projects/").json()["results"]

        assert [(row["id"], row["role"]) for row in rows] == [(str(newer.pk), "viewer"), (str(project.pk), "editor")]

    def test_are_all_listed_to_superusers(self, api, project):
        rows = api(UserFactory(superuser=True)).get("/api/projects/").json()["results"]

        assert [row["role"] for row in rows] == ["owner"]

    @pytest.mark.parametrize(
        ("body", "path", "code"),
        [
            ({}, "/name", "required"),
            ({"name": ""}, "/name", "blank"),
            ({"name": "x" * 201}, "/name", "max_length"),
            ({"name": "x", "nmae": "y"}, "/nmae", "unknown_field"),
            ({"name": "x", "id": "y"}, "/id", "unknown_field"),
            ({"name": ["x"]}, "/name", "invalid"),
            (["name"], "", "invalid"),
        ],
    )
    def test_are_refused_with_the_place_of_the_mistake(self, api, body, path, code):
        response = api("owner").post("/api/projects/", body, format="json")

        assert response.status_code == 400
        assert [(problem["path"], problem["code"]) for problem in response.json()["problems"]] == [(path, code)]
        assert Project.objects.count() == 1

    def test_are_renamed(self, api, project):
        response = api("admin").patch(f"/api/projects/{project.pk}/", {"name": "Renamed"})

        assert (response.status_code, response.json()["name"]) == (200, "Renamed")

    def test_are_removed(self, api, project):
        assert api("owner").delete(f"/api/projects/{project.pk}/").status_code == 204

    def test_are_kept_while_they_have_workflows(self, api, project):
        WorkflowFactory(project=project)

        response = api("owner").delete(f"/api/projects/{project.pk}/")

        assert (response.status_code, response.json()["code"]) == (409, "project_in_use")

    @pytest.mark.parametrize("key", ["x", "0", "00000000-0000-0000-0000-000000000000", "%00", "a" * 5000])
    def test_are_not_found_by_any_other_id(self, api, key):
        response = api("owner").get(f"/api/projects/{key}/")

        assert (response.status_code, response.json()["code"]) == (404, "not_found")


class TestMembers:
    def url(self, project, member=None):
        return f"/api/projects/{project.pk}/members/" + (f"{member.pk}/" if member else "")

    def test_are_listed_without_their_addresses(self, api, alice, project):
        (row,) = api(alice).get(self.url(project)).json()["results"]

        assert {key: row[key] for key in ("user", "role")} == {"user": "alice", "role": "owner"}
        assert "email" not in row

    def test_are_only_those_of_the_project_in_the_url(self, api, alice, project):
        other = MemberFactory(user=alice, role="owner")

        assert len(api(alice).get(self.url(project)).json()["results"]) == 1
        assert api(alice).get(self.url(project, other)).status_code == 404

    @pytest.mark.parametrize("name", ["dora", "dora@example.com"])
    def test_are_added_by_name_or_address(self, api, project, name):
        UserFactory(username="dora")

        response = api("admin").post(self.url(project), {"user": name, "role": "editor"})

        assert response.status_code == 201
        assert (response.json()["user"], response.json()["role"]) == ("dora", "editor")

    def test_have_one_role(self, api, bob, project):
        response = api("admin").post(self.url(project), {"user": "bob", "role": "viewer"})

        assert (response.status_code, response.json()["code"]) == (409, "already_member")

    @pytest.mark.parametrize(
        ("body", "path"),
        [
            ({"user": "nobody", "role": "viewer"}, "/user"),
            ({"user": "bob", "role": "king"}, "/role"),
            ({"user": "bob\x00", "role": "viewer"}, "/user"),
        ],
    )
    def test_are_refused_with_the_place_of_the_mistake(self, api, project, body, path):
        response = api("admin").post(self.url(project), body)

        assert (response.status_code, response.json()["path"]) == (400, path)

    def test_get_another_role(self, api, bob, project):
        member = bob.memberships.get()

        response = api("admin").patch(self.url(project, member), {"role": "viewer"})

        assert (response.status_code, response.json()["role"]) == (200, "viewer")

    def test_go(self, api, bob, project):
        assert api("admin").delete(self.url(project, bob.memberships.get())).status_code == 204
        assert api(bob).get(self.url(project)).status_code == 404

    def test_keep_an_owner(self, api, alice, project):
        response = api(alice).delete(self.url(project, alice.memberships.get()))

        assert (response.status_code, response.json()["code"]) == (409, "last_owner")

    def test_are_made_owners_by_owners_alone(self, api, bob, project):
        response = api("admin").patch(self.url(project, bob.memberships.get()), {"role": "owner"})

        assert (response.status_code, response.json()["code"]) == (403, "forbidden")


class TestTokens:
    def test_show_their_key_once(self, api, project):
        client = api("editor")

        made = client.post("/api/tokens/", {"project": str(project.pk), "name": "CI", "role": "editor"})

        assert made.status_code == 201
        key = made.json()["key"]
        assert APIClient().get("/api/projects/", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        (listed,) = client.get("/api/tokens/").json()["results"]
        assert listed == {name: value for name, value in made.json().items() if name != "key"} | {
            "last_used_at": listed["last_used_at"]
        }
        assert key.split("_")[2] not in str(listed)

    def test_end_at_once_and_stay_in_the_list(self, api, bob, project):
        token = TokenFactory(member=bob.memberships.get())

        assert api(bob).delete(f"/api/tokens/{token.pk}/").status_code == 204

        (row,) = api(bob).get("/api/tokens/").json()["results"]
        assert row["revoked_at"] is not None

    def test_of_others_are_seen_by_those_who_administer(self, api, bob, project):
        token = TokenFactory(member=bob.memberships.get())

        assert api("operator").get("/api/tokens/").json()["results"] == []
        assert api("operator").delete(f"/api/tokens/{token.pk}/").status_code == 404
        assert len(api("admin").get("/api/tokens/").json()["results"]) == 1
        assert api("admin").delete(f"/api/tokens/{token.pk}/").status_code == 204

    def test_reach_no_further_than_their_maker(self, api, project):
        response = api("editor").post("/api/tokens/", {"project": str(project.pk), "name": "CI", "role": "admin"})

        assert response.status_code == 403
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("body", [{"expires_at": "2001-01-01T00:00:00Z"}, {"expires_at": "soon"}])
    def test_have_a_future(self, api, project, body):
        response = api("editor").post(
            "/api/tokens/", {"project": str(project.pk), "name": "CI", "role": "viewer"} | body
        )

        assert (response.status_code, response.json()["path"]) == (400, "/expires_at")

    def test_of_a_foreign_project_are_refused_like_those_of_none(self, api, charlie, project):
        def answer(project_id: str) -> str:
            response = api(charlie).post("/api/tokens/", {"project": project_id, "name": "CI", "role": "viewer"})
            assert response.status_code == 400
            return response.content.decode().replace(project_id, "ID")

        assert answer(str(project.pk)) == answer("00000000-0000-0000-0000-000000000000")


class TestAuditLog:
    def test_tells_who_did_what(self, api, project):
        api("owner").patch(f"/api/projects/{project.pk}/", {"name": "Renamed"}, REMOTE_ADDR="192.0.2.7")

        (row,) = api("admin").get("/api/audit/").json()["results"]

        assert (row["actor_name"], row["action"], row["ip_address"]) == ("alice", "project.updated", "192.0.2.7")
        assert row["project"] == str(project.pk)

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ("action=project.created", 1),
            ("action=nothing", 0),
            ("target_type=project", 1),
            ("actor=0", 0),
            ("created_after=2026-01-01T00:00:00Z", 1),
            ("created_before=2026-01-01T00:00:00Z", 0),
        ],
    )
    def test_is_filtered(self, api, project, query, count):
        AuditEntryFactory(project=project)
        AuditEntryFactory()

        assert len(api("admin").get(f"/api/audit/?{query}").json()["results"]) == count

    def test_is_filtered_by_project(self, api, alice, project):
        AuditEntryFactory(project=MemberFactory(user=alice, role="admin").project)
        mine = AuditEntryFactory(project=project)

        rows = api(alice).get(f"/api/audit/?project={project.pk}").json()["results"]

        assert [row["id"] for row in rows] == [str(mine.pk)]

    def test_keeps_to_projects_that_the_caller_administers(self, api, alice, project):
        AuditEntryFactory(project=MemberFactory(user=alice, role="editor").project)

        assert api(alice).get("/api/audit/").json()["results"] == []

    @pytest.mark.parametrize("query", ["project=x", "created_after=x", "actor=x"])
    def test_refuses_filters_that_mean_nothing(self, api, query):
        response = api("admin").get(f"/api/audit/?{query}")

        assert response.status_code == 400
        assert response.json()["path"].startswith("?")

    def test_cannot_be_written(self, api, project):
        entry = AuditEntryFactory(project=project)

        for method in ("put", "patch", "delete"):
            assert getattr(api("owner"), method)(f"/api/audit/{entry.pk}/").status_code == 405
        assert api("owner").post("/api/audit/").status_code == 405
        assert AuditEntry.objects.count() == 1


@pytest.mark.django_db
class TestQueries:
    """Lists cost the same for one row and for twenty."""

    @pytest.mark.parametrize(
        ("path", "make"),
        [
            ("/api/projects/", lambda member: MemberFactory(user=member.user)),
            ("/api/projects/{project}/members/", lambda member: MemberFactory(project=member.project)),
            ("/api/tokens/", lambda member: TokenFactory(member=MemberFactory(project=member.project))),
            ("/api/audit/", lambda member: AuditEntryFactory(project=member.project)),
        ],
    )
    def test_do_not_grow_with_the_rows(self, api, path, make, django_assert_max_num_queries):
        member = MemberFactory(role="owner")
        url = path.format(project=member.project_id)
        client = api(member.user)
        make(member)
        with django_assert_max_num_queries(10) as one:
            client.get(url)

        for _ in range(19):
            make(member)
        with django_assert_max_num_queries(len(one)):
            rows = client.get(url).json()["results"]

        assert len(rows) >= 20
