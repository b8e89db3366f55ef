"""Projects, members, tokens and the audit log in the admin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role
from tests.admin.pages import messages_of, offered, open_page, press
from tests.admin.rows import url
from tests.factories import (
    AuditEntryFactory,
    ExecutionFactory,
    MemberFactory,
    ProjectFactory,
    TokenFactory,
    UserFactory,
    WorkflowFactory,
)

pytestmark = pytest.mark.django_db


class TestProject:
    def test_is_made_by_the_service_so_that_its_maker_owns_it(self, browser, superuser):
        browser.post(url("add", Project), {"name": "Parcels", "description": "All of them."})

        project = Project.objects.get()
        assert project.members.get().user == superuser
        assert project.members.get().role == Role.OWNER
        assert AuditEntry.objects.filter(action="project.created", actor=superuser).exists()

    def test_is_renamed_by_the_service(self, browser):
        project = ProjectFactory(description="Old.")

        browser.post(url("change", Project, project.pk), {"name": "Letters", "description": "Old."})

        assert Project.objects.get().name == "Letters"
        assert AuditEntry.objects.get(action="project.updated").details == {"changed": ["name"]}

    def test_is_removed_with_its_members_and_tokens(self, browser):
        project = TokenFactory().project

        browser.post(url("delete", Project, project.pk), {"post": "yes"})

        assert not Project.objects.exists()
        assert AuditEntry.objects.filter(action="project.deleted").exists()

    def test_stays_while_it_has_workflows(self, browser):
        workflow = WorkflowFactory()

        browser.post(url("delete", Project, workflow.project_id), {"post": "yes"})

        assert Project.objects.exists()

    def test_page_shows_members_statistics_and_latest_executions(self, browser):
        execution = ExecutionFactory(ended=True, created_at=timezone.now())
        member = MemberFactory(project=execution.project)

        page = open_page(browser, execution.project)

        assert url("change", ProjectMember, member.pk) in page
        assert 'aria-label="Executions by day"' in page
        assert url("change", type(execution), execution.pk) in page


class TestMember:
    def test_is_added_by_the_service(self, browser, superuser):
        project, user = ProjectFactory(), UserFactory()

        browser.post(url("add", ProjectMember), {"project": project.pk, "user": user.pk, "role": "editor"})

        assert project.members.get().role == Role.EDITOR
        assert AuditEntry.objects.filter(action="member.added", actor=superuser).exists()

    def test_is_not_added_twice(self, browser):
        member = MemberFactory()

        response = browser.post(
            url("add", ProjectMember), {"project": member.project_id, "user": member.user_id, "role": "editor"}
        )

        assert response.status_code == 200
        assert ProjectMember.objects.get().role == Role.VIEWER

    def test_gets_another_role_by_the_service(self, browser):
        member = MemberFactory()

        browser.post(url("change", ProjectMember, member.pk), {"role": "operator"})

        assert AuditEntry.objects.get(action="member.role_changed").details["from"] == "viewer"
        assert ProjectMember.objects.get().role == Role.OPERATOR

    def test_the_last_owner_stays(self, browser):
        owner = MemberFactory(role=Role.OWNER)

        refused = browser.post(url("change", ProjectMember, owner.pk), {"role": "viewer"})
        browser.post(url("delete", ProjectMember, owner.pk), {"post": "yes"})

        assert "is the only owner" in messages_of(refused)[0]
        assert ProjectMember.objects.get().role == Role.OWNER

    def test_staff_who_own_nothing_make_no_owners(self, staff):
        member = MemberFactory()
        client = staff("projects.view_projectmember", "projects.change_projectmember")

        refused = client.post(url("change", ProjectMember, member.pk), {"role": "owner"})

        assert "Only an owner" in messages_of(refused)[0]
        assert ProjectMember.objects.get().role == Role.VIEWER


class TestToken:
    def test_shows_neither_key_nor_digest(self, browser):
        token = TokenFactory()

        page = open_page(browser, token) + browser.get(url("changelist", ApiToken)).content.decode()

        assert token.prefix in page
        assert token.digest not in page

    def test_is_revoked(self, browser, superuser):
        token = TokenFactory()

        press(browser, token, "revoke")

        token.refresh_from_db()
        assert token.revoked_at is not None
        assert AuditEntry.objects.filter(action="token.revoked", actor=superuser).exists()
        assert offered(open_page(browser, token)) == []

    def test_says_whether_it_is_good(self, browser):
        TokenFactory(name="good")
        TokenFactory(name="old", expires_at=timezone.now() - timedelta(days=1))
        TokenFactory(name="gone", revoked=True)

        page = browser.get(url("changelist", ApiToken)).content.decode()

        assert [word for word in ("valid", "expired", "revoked") if f"sg-is-{word}" in page] == [
            "valid",
            "expired",
            "revoked",
        ]


class TestAuditLog:
    def test_outlives_what_it_speaks_of(self, browser):
        token = TokenFactory()
        entry = AuditEntryFactory(project=token.project, actor=token.user, token=token, details={"reason": "because"})
        user = token.user
        token.project.delete()
        user.delete()

        assert "&quot;reason&quot;: &quot;because&quot;" in open_page(browser, entry)
        assert browser.get(url("changelist", AuditEntry)).status_code == 200

    def test_of_a_row_is_one_click_away(self, browser):
        project = ProjectFactory()
        AuditEntryFactory(project=project)
        AuditEntryFactory()
        link = f"{url('changelist', AuditEntry)}?target_id__exact={project.pk}"

        assert link in open_page(browser, project)
        assert browser.get(link).context["cl"].result_count == 1
