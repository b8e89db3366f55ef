"""S-AUTHZ-1, S-API-3: who sees what, and who may do what, is decided here and nowhere else."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from projects import access
from projects.access import Actor, Permission
from projects.exceptions import Forbidden, NotFound
from projects.models import Project, Role
from tests.factories import (
    ExecutionFactory,
    MemberFactory,
    NodeRunFactory,
    ProjectFactory,
    TokenFactory,
    UserFactory,
    VersionFactory,
    WorkflowFactory,
)
from workflows.models import Workflow

ALLOWED = {
    "viewer": {"view"},
    "operator": {"view", "operate"},
    "editor": {"view", "operate", "edit"},
    "admin": {"view", "operate", "edit", "administer"},
    "owner": {"view", "operate", "edit", "administer", "own"},
}


class TestRoleAllows:
    @pytest.mark.parametrize("role", Role.values)
    @pytest.mark.parametrize("permission", list(Permission))
    def test_follows_the_one_table(self, role, permission):
        assert access.role_allows(role, permission) == (permission in ALLOWED[role])

    @pytest.mark.parametrize("permission", list(Permission))
    def test_allows_nothing_without_a_role(self, permission):
        assert not access.role_allows(None, permission)


def people():
    """Each kind of actor in a project of theirs, with the role that they have in it."""
    member = MemberFactory(role="editor")
    viewer_token = TokenFactory(member=member, role="viewer")
    return {
        "member": (Actor(member.user), member.project, Role.EDITOR),
        "token with less than its owner": (Actor(member.user, viewer_token), member.project, Role.VIEWER),
        "token with more than its owner": (
            Actor(member.user, TokenFactory(member=member, role="owner")),
            member.project,
            Role.EDITOR,
        ),
        "superuser": (Actor(UserFactory(superuser=True)), member.project, Role.OWNER),
        "superuser with a token": (
            Actor(UserFactory(superuser=True), viewer_token),
            member.project,
            Role.VIEWER,
        ),
        "token of a removed member": (Actor(UserFactory(), viewer_token), member.project, None),
        "token of another project": (Actor(member.user, TokenFactory()), member.project, None),
        "token of another project in a superuser's hand": (
            Actor(UserFactory(superuser=True), TokenFactory()),
            member.project,
            None,
        ),
        "stranger": (Actor(MemberFactory(role="owner").user), member.project, None),
        "inactive member": (
            Actor(MemberFactory(project=member.project, user__is_active=False).user),
            member.project,
            None,
        ),
        "inactive superuser": (Actor(UserFactory(superuser=True, is_active=False)), member.project, None),
        "nobody": (Actor(AnonymousUser()), member.project, None),
    }


KINDS = [
    "member",
    "token with less than its owner",
    "token with more than its owner",
    "superuser",
    "superuser with a token",
    "token of a removed member",
    "token of another project",
    "token of another project in a superuser's hand",
    "stranger",
    "inactive member",
    "inactive superuser",
    "nobody",
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
class TestEveryKindOfActor:
    def test_has_the_role_that_membership_and_token_leave(self, kind):
        actor, project, role = people()[kind]

        assert access.role_in(actor, project) == role
        assert access.role_in(actor, project.pk) == role

    @pytest.mark.parametrize("permission", list(Permission))
    def test_sees_a_project_where_the_role_carries_the_permission(self, kind, permission):
        actor, project, role = people()[kind]

        seen = access.visible_projects(actor, permission)

        assert (project in seen) == access.role_allows(role, permission)

    @pytest.mark.parametrize("permission", list(Permission))
    def test_may_do_what_the_role_carries(self, kind, permission):
        actor, project, role = people()[kind]

        if access.role_allows(role, permission):
            assert access.require(actor, project, permission) == role
        else:
            with pytest.raises(NotFound if role is None else Forbidden):
                access.require(actor, project, permission)

    def test_has_the_same_role_when_the_membership_is_known_already(self, kind):
        actor, project, role = people()[kind]
        seen = access.with_member_role(access.scope(Project.objects.all(), actor, ""), actor).filter(pk=project.pk)

        assert [access.effective_role(actor, row.member_role) for row in seen] == ([role] if role else [])

    @pytest.mark.parametrize("permission", list(Permission))
    def test_finds_a_row_exactly_where_its_project_is_seen(self, kind, permission):
        actor, project, role = people()[kind]
        workflow = WorkflowFactory(project=project)
        WorkflowFactory()

        rows = access.scope(Workflow.objects.filter(project=project), actor, "project", permission)

        assert list(rows) == ([workflow] if access.role_allows(role, permission) else [])


@pytest.mark.django_db
class TestScope:
    def test_follows_a_path_of_several_steps(self):
        mine, foreign = NodeRunFactory(), NodeRunFactory()
        member = MemberFactory(project=mine.execution.project)

        found = access.scope(type(mine).objects.all(), Actor(member.user), "execution__workflow__project")

        assert list(found) == [mine]
        assert foreign not in found

    def test_gives_a_row_once_to_a_member_of_many_projects(self):
        member = MemberFactory()
        MemberFactory.create_batch(3, user=member.user)
        MemberFactory.create_batch(3, project=member.project)
        workflow = WorkflowFactory(project=member.project)

        assert list(access.scope(Workflow.objects.all(), Actor(member.user))) == [workflow]

    def test_costs_one_query(self, django_assert_num_queries):
        member = MemberFactory()

        with django_assert_num_queries(1):
            list(access.scope(Workflow.objects.all(), Actor(member.user)))


@pytest.mark.django_db
class TestRequire:
    def test_tells_strangers_nothing(self):
        project = ProjectFactory(name="Secret plans")

        with pytest.raises(NotFound, match=r"^There is no such project\.$"):
            access.require(Actor(UserFactory()), project, Permission.VIEW)

    def test_tells_members_who_may(self):
        member = MemberFactory(role="viewer")

        with pytest.raises(Forbidden, match="needs the role editor or more in the project; yours is viewer"):
            access.require(Actor(member.user), member.project, Permission.EDIT)


@pytest.mark.django_db
class TestMaySomewhere:
    def test_refuses_members_who_may_nowhere(self):
        member = MemberFactory(role="viewer")
        MemberFactory(user=member.user, role="operator")

        assert not access.may_somewhere(Actor(member.user), Permission.EDIT)

    def test_lets_members_look_on_who_may_in_one_project(self):
        member = MemberFactory(role="viewer")
        MemberFactory(user=member.user, role="editor")

        assert access.may_somewhere(Actor(member.user), Permission.EDIT)

    def test_lets_people_without_projects_find_nothing(self):
        assert access.may_somewhere(Actor(UserFactory()), Permission.OWN)

    def test_lets_superusers(self):
        assert access.may_somewhere(Actor(UserFactory(superuser=True)), Permission.OWN)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("make", "path"),
    [
        (ProjectFactory, ""),
        (WorkflowFactory, "project"),
        (VersionFactory, "workflow__project"),
        (ExecutionFactory, "workflow_version__workflow__project"),
    ],
)
def test_a_row_tells_its_project_by_the_path_that_scopes_it(make, path):
    row = make()
    project_id = access.project_id_of(row, path)

    assert list(type(row).objects.filter(**{path or "pk": project_id})) == [row]


@pytest.mark.parametrize(("one", "other", "expected"), [("owner", "viewer", "viewer"), ("editor", "admin", "editor")])
def test_lesser_is_the_weaker_role(one, other, expected):
    assert access.lesser(one, other) == access.lesser(other, one) == expected
