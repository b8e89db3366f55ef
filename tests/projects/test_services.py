from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connections, transaction

from projects import keys, services
from projects.access import Actor
from projects.exceptions import AlreadyMember, Forbidden, Invalid, LastOwner, NoSuchPerson, NotFound, ProjectInUse
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role
from tests.clock import NOON
from tests.factories import MemberFactory, ProjectFactory, TokenFactory, UserFactory, WorkflowFactory


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


@pytest.fixture
def owner(db) -> ProjectMember:
    return MemberFactory(role="owner")


@pytest.mark.django_db
class TestCreateProject:
    def test_makes_its_maker_the_owner(self):
        person = UserFactory()

        project = services.create_project("Orders", description="All of them", by=Actor(person), now=NOON)

        member = project.members.get()
        assert (member.user, member.role) == (person, "owner")
        assert (project.created_by, project.created_at) == (person, NOON)
        assert actions() == ["project.created"]

    def test_is_not_for_tokens(self):
        token = TokenFactory(role="owner")

        with pytest.raises(Forbidden, match="belongs to one project"):
            services.create_project("Orders", by=Actor(token.user, token), now=NOON)


@pytest.mark.django_db
class TestUpdateProject:
    def test_changes_what_is_given_alone(self):
        project = ProjectFactory(name="Old", description="Kept")
        before = project.updated_at

        services.update_project(project, by=Actor(UserFactory()), name="New")

        project.refresh_from_db()
        assert (project.name, project.description) == ("New", "Kept")
        assert project.updated_at > before
        assert AuditEntry.objects.get().details == {"changed": ["name"]}


class TestDeleteProject:
    def test_removes_it_with_its_people_and_tokens(self, owner):
        TokenFactory(member=owner)

        services.delete_project(owner.project, by=Actor(owner.user))

        assert not Project.objects.exists()
        assert not ApiToken.objects.exists()
        assert actions() == ["project.deleted"]

    def test_leaves_workflows_alone(self, owner):
        WorkflowFactory(project=owner.project)

        with pytest.raises(ProjectInUse, match="still has workflows"):
            services.delete_project(owner.project, by=Actor(owner.user))

        assert Project.objects.filter(pk=owner.project_id).exists()
        assert actions() == []


class TestAddMember:
    def test_gives_a_role(self, owner):
        person = UserFactory()

        member = services.add_member(owner.project, user=person, role=Role.EDITOR, by=Actor(owner.user), now=NOON)

        assert (member.user, member.role, member.created_at) == (person, "editor", NOON)
        assert actions() == ["member.added"]

    def test_refuses_somebody_who_has_one(self, owner):
        member = MemberFactory(project=owner.project, role="viewer")

        with pytest.raises(AlreadyMember, match="as viewer"):
            services.add_member(owner.project, user=member.user, role=Role.EDITOR, by=Actor(owner.user), now=NOON)

        member.refresh_from_db()
        assert member.role == "viewer"

    def test_lets_owners_alone_make_owners(self, owner):
        admin = MemberFactory(project=owner.project, role="admin")

        with pytest.raises(Forbidden, match="Only an owner"):
            services.add_member(owner.project, user=UserFactory(), role=Role.OWNER, by=Actor(admin.user), now=NOON)

        services.add_member(owner.project, user=UserFactory(), role=Role.OWNER, by=Actor(owner.user), now=NOON)

    def test_lets_an_owners_lesser_token_make_no_owners(self, owner):
        token = TokenFactory(member=owner, role="admin")

        with pytest.raises(Forbidden, match="Only an owner"):
            services.add_member(
                owner.project, user=UserFactory(), role=Role.OWNER, by=Actor(owner.user, token), now=NOON
            )


class TestChangeRole:
    def test_gives_another_role(self, owner):
        member = MemberFactory(project=owner.project)

        services.change_role(member, Role.ADMIN, by=Actor(owner.user))

        member.refresh_from_db()
        assert member.role == "admin"
        assert AuditEntry.objects.get().details == {"from": "viewer", "to": "admin", "user": member.user.username}

    @pytest.mark.parametrize(("old", "new"), [("owner", "viewer"), ("viewer", "owner")])
    def test_lets_owners_alone_make_and_unmake_owners(self, owner, old, new):
        admin = MemberFactory(project=owner.project, role="admin")
        member = MemberFactory(project=owner.project, role=old)

        with pytest.raises(Forbidden, match="Only an owner"):
            services.change_role(member, Role(new), by=Actor(admin.user))

        services.change_role(member, Role(new), by=Actor(owner.user))

    def test_leaves_an_owner(self, owner):
        with pytest.raises(LastOwner, match="the only owner"):
            services.change_role(owner, Role.ADMIN, by=Actor(owner.user))

    def test_lets_the_only_owner_stay_one(self, owner):
        services.change_role(owner, Role.OWNER, by=Actor(owner.user))

    def test_goes_by_the_row_and_not_by_what_was_read_before(self, owner):
        member = MemberFactory(project=owner.project, role="owner")
        stale = ProjectMember.objects.get(pk=member.pk)
        services.change_role(member, Role.VIEWER, by=Actor(owner.user))

        services.change_role(stale, Role.EDITOR, by=Actor(owner.user))

        assert AuditEntry.objects.order_by("-id")[0].details["from"] == "viewer"


class TestRemoveMember:
    def test_takes_role_and_tokens_away(self, owner):
        member = MemberFactory(project=owner.project, role="editor")
        token, other_project = TokenFactory(member=member), TokenFactory(member=MemberFactory(user=member.user))

        services.remove_member(member, by=Actor(owner.user), now=NOON)

        token.refresh_from_db()
        other_project.refresh_from_db()
        assert not ProjectMember.objects.filter(pk=member.pk).exists()
        assert token.revoked_at == NOON
        assert other_project.revoked_at is None
        assert actions() == ["member.removed"]

    def test_leaves_an_owner(self, owner):
        with pytest.raises(LastOwner, match="the only owner"):
            services.remove_member(owner, by=Actor(owner.user), now=NOON)

    def test_lets_owners_alone_remove_owners(self, owner):
        admin = MemberFactory(project=owner.project, role="admin")

        with pytest.raises(Forbidden, match="Only an owner"):
            services.remove_member(owner, by=Actor(admin.user), now=NOON)


@pytest.mark.django_db(transaction=True)
def test_two_owners_who_remove_each_other_at_once_leave_one():
    project = ProjectFactory()
    first, second = MemberFactory.create_batch(2, project=project, role="owner")
    refused = []

    def remove_the_first() -> None:
        try:
            services.remove_member(first, by=Actor(second.user), now=NOON)
        except (LastOwner, Forbidden) as error:
            refused.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=remove_the_first)
    with transaction.atomic():
        services.remove_member(second, by=Actor(first.user), now=NOON)
        thread.start()
        thread.join(0.5)  # It waits for the end of this transaction. If it did not, it would be through by now.
    thread.join()

    assert len(refused) == 1
    assert list(project.members.values_list("user", flat=True)) == [first.user_id]


@pytest.mark.django_db
class TestFindPerson:
    def test_finds_by_username(self):
        person = UserFactory(username="dora")

        assert services.find_person("dora") == person

    def test_finds_by_email_in_any_case(self):
        person = UserFactory(email="dora@example.com")

        assert services.find_person("Dora@Example.com") == person

    @pytest.mark.parametrize("name", ["", "dora", "nobody@example.com"])
    def test_refuses_what_nobody_is_called(self, name):
        UserFactory(username="dora", email="", is_active=False)

        with pytest.raises(NoSuchPerson, match="Nobody has") as caught:
            services.find_person(name)

        assert caught.value.path == "/user"

    def test_refuses_an_address_that_two_people_have(self):
        UserFactory.create_batch(2, email="team@example.com")

        with pytest.raises(NoSuchPerson, match="Several people"):
            services.find_person("team@example.com")


class TestIssueToken:
    def issue(self, by: Actor, project: Project, role: str = "viewer", **attributes):
        return services.issue_token(project, name="CI", role=Role(role), by=by, now=NOON, **attributes)

    def test_tells_the_key_once(self, owner):
        token, key = self.issue(Actor(owner.user), owner.project)

        token.refresh_from_db()
        assert keys.prefix_of(key) == token.prefix
        assert keys.is_key_of(key, token.digest)
        assert (token.user, token.created_at) == (owner.user, NOON)
        assert key not in str(AuditEntry.objects.get().details)

    @pytest.mark.parametrize("own", Role.values)
    @pytest.mark.parametrize("wanted", Role.values)
    def test_reaches_no_further_than_its_maker(self, owner, own, wanted):
        ranks = ["viewer", "operator", "editor", "admin", "owner"]
        member = MemberFactory(project=owner.project, role=own)

        if ranks.index(wanted) <= ranks.index(own):
            self.issue(Actor(member.user), owner.project, wanted)
        else:
            with pytest.raises(Forbidden, match=f"Your role is {own}"):
                self.issue(Actor(member.user), owner.project, wanted)

    def test_is_not_made_by_a_token(self, owner):
        token = TokenFactory(member=owner, role="owner")

        with pytest.raises(Forbidden, match="A token cannot make tokens"):
            self.issue(Actor(owner.user, token), owner.project)

    def test_is_not_made_by_strangers(self, owner):
        with pytest.raises(NotFound):
            self.issue(Actor(UserFactory()), owner.project)

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_has_a_future(self, owner, seconds):
        with pytest.raises(Invalid, match="expired already") as caught:
            self.issue(Actor(owner.user), owner.project, expires_at=NOON + timedelta(seconds=seconds))

        assert caught.value.path == "/expires_at"


@pytest.mark.django_db
class TestRevokeToken:
    def test_ends_ones_own(self):
        token = TokenFactory(role="viewer", member__role="viewer")

        services.revoke_token(token, by=Actor(token.user), now=NOON)

        token.refresh_from_db()
        assert token.revoked_at == NOON
        assert actions() == ["token.revoked"]

    @pytest.mark.parametrize(("role", "may"), [("editor", False), ("admin", True), ("owner", True)])
    def test_lets_those_who_administer_end_others(self, role, may):
        token = TokenFactory()
        member = MemberFactory(project=token.project, role=role)

        if may:
            services.revoke_token(token, by=Actor(member.user), now=NOON)
        else:
            with pytest.raises(Forbidden):
                services.revoke_token(token, by=Actor(member.user), now=NOON)

        token.refresh_from_db()
        assert (token.revoked_at is not None) == may

    def test_changes_nothing_the_second_time(self):
        token = TokenFactory()
        services.revoke_token(token, by=Actor(token.user), now=NOON)

        services.revoke_token(token, by=Actor(token.user), now=NOON + timedelta(days=1))

        token.refresh_from_db()
        assert token.revoked_at == NOON
        assert actions() == ["token.revoked"]
