"""What can be done with projects, members and tokens. The caller has checked the permission of the action itself;
what depends on roles beyond it (who makes owners, how far a token reaches) is decided here.
"""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import ProtectedError

from projects import audit, keys
from projects.access import Actor, Permission, lesser, require, role_in
from projects.exceptions import (
    AlreadyMember,
    Forbidden,
    Invalid,
    LastOwner,
    NoSuchPerson,
    ProjectInUse,
)
from projects.models import ApiToken, Project, ProjectMember, Role


@transaction.atomic
def create_project(name: str, *, description: str = "", by: Actor, now: datetime) -> Project:
    """Make a project that its maker owns.

    :raises Forbidden: through a token, which is good for one project only.
    """
    if by.token is not None:
        raise Forbidden("A token belongs to one project; log in to make another.")
    project = Project.objects.create(name=name, description=description, created_by_id=by.user_id, created_at=now)
    ProjectMember.objects.create(project=project, user_id=by.user_id, role=Role.OWNER, created_at=now)
    audit.record("project.created", project, project=project, by=by)
    return project


@transaction.atomic
def update_project(project: Project, *, by: Actor, **changes: str) -> Project:
    """Change a project's ``name`` or ``description``."""
    for column, value in changes.items():
        setattr(project, column, value)
    project.save(update_fields=[*changes, "updated_at"])
    audit.record("project.updated", project, project=project, by=by, details={"changed": sorted(changes)})
    return project


@transaction.atomic
def delete_project(project: Project, *, by: Actor) -> None:
    """Remove a project without workflows, with its members and tokens. What the audit log says of it stays.

    :raises ProjectInUse: if it has workflows; they and their executions are never removed by the way.
    """
    audit.record("project.deleted", project, project=project, by=by)
    try:
        project.delete()
    except ProtectedError:
        raise ProjectInUse(
            f"Project {project.name!r} still has workflows.", hint="Archive them instead of removing the project."
        ) from None


@transaction.atomic
def add_member(project: Project, *, user: User, role: Role, by: Actor, now: datetime) -> ProjectMember:
    """Give somebody a role in a project.

    :raises AlreadyMember: if they have one.
    :raises Forbidden: if the role is owner and ``by`` is none.
    """
    _lock(project)
    _check_may_handle(role, project, by)
    member, is_new = ProjectMember.objects.get_or_create(
        project=project, user=user, defaults={"role": role, "created_at": now}
    )
    if not is_new:
        raise AlreadyMember(f"{user} is a member already, as {member.role}.", hint="Change the role instead.")
    audit.record("member.added", member, project=project, by=by, details={"role": role, "user": user.username})
    return member


@transaction.atomic
def change_role(member: ProjectMember, role: Role, *, by: Actor) -> ProjectMember:
    """Give a member another role. Tokens follow: none can do more than its owner.

    :raises LastOwner: if nobody would own the project.
    :raises Forbidden: if the old or the new role is owner and ``by`` is none.
    """
    _lock(member.project)
    member.refresh_from_db()
    old = Role(member.role)
    _check_may_handle(old, member.project, by)
    _check_may_handle(role, member.project, by)
    if old == Role.OWNER and role != Role.OWNER:
        _check_not_last_owner(member)
    member.role = role
    member.save(update_fields=["role"])
    details = {"from": old, "to": role, "user": member.user.username}
    audit.record("member.role_changed", member, project=member.project, by=by, details=details)
    return member


@transaction.atomic
def remove_member(member: ProjectMember, *, by: Actor, now: datetime) -> None:
    """Take somebody's role away, and revoke their tokens of the project.

    :raises LastOwner: if nobody would own the project.
    :raises Forbidden: if they are an owner and ``by`` is none.
    """
    _lock(member.project)
    member.refresh_from_db()
    _check_may_handle(Role(member.role), member.project, by)
    if member.role == Role.OWNER:
        _check_not_last_owner(member)
    live = ApiToken.objects.filter(project_id=member.project_id, user_id=member.user_id, revoked_at__isnull=True)
    live.update(revoked_at=now)
    audit.record("member.removed", member, project=member.project, by=by, details={"user": member.user.username})
    member.delete()


def find_person(name: str) -> User:
    """Return the active person with this username, or with this e-mail address if it is only theirs.

    :raises NoSuchPerson: if there is none, or the address is not unique.
    """
    people = User.objects.filter(is_active=True)
    found = list(people.filter(username=name)[:2]) or list(people.filter(email__iexact=name)[:2] if name else [])
    if len(found) != 1:
        raise NoSuchPerson(
            f"Nobody has the username or e-mail address {name!r}." if not found else f"Several people have {name!r}.",
            path="/user",
            hint="Give the username. People get one from whoever runs this installation.",
        )
    return found[0]


@transaction.atomic
def issue_token(
    project: Project, *, name: str, role: Role, by: Actor, now: datetime, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Make an API token for ``by``. Returns it with its key, which is known to nobody afterwards.

    :raises Forbidden: if the role is more than ``by`` has in the project, or ``by`` came with a token itself.
    :raises Invalid: if it would have expired already.
    """
    if by.token is not None:
        raise Forbidden("A token cannot make tokens: a leaked one must not outlive its revocation. Log in.")
    own = require(by, project, Permission.VIEW)
    if lesser(own, role) != role:
        raise Forbidden(f"Your role is {own.value}; a token of yours cannot be {role.value}.")
    if expires_at is not None and expires_at <= now:
        raise Invalid("The token would have expired already.", path="/expires_at")
    key, prefix = keys.new_key()
    token = ApiToken.objects.create(
        project=project,
        user_id=by.user_id,
        name=name,
        role=role,
        prefix=prefix,
        digest=keys.digest_of(key),
        created_at=now,
        expires_at=expires_at,
    )
    audit.record("token.issued", token, project=project, by=by, details={"role": role, "expires_at": str(expires_at)})
    return token, key


def revoke_token(token: ApiToken, *, by: Actor, now: datetime) -> None:
    """End a token, at once and for good. Revoking it again changes nothing.

    :raises Forbidden: if it is somebody else's and ``by`` does not administer the project.
    """
    if token.user_id != by.user_id:
        require(by, token.project, Permission.ADMINISTER)
    end_token(token, by=by, now=now)


@transaction.atomic
def end_token(token: ApiToken, *, by: Actor, now: datetime) -> None:
    """End a token for somebody who may: an operator of the installation."""
    if ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(revoked_at=now):
        audit.record("token.revoked", token, project=token.project, by=by)


def _lock(project: Project) -> None:
    # Two owners who remove each other at the same moment must not both succeed.
    Project.objects.select_for_update().get(pk=project.pk)


def _check_may_handle(role: Role, project: Project, by: Actor) -> None:
    if role == Role.OWNER and role_in(by, project) != Role.OWNER:
        raise Forbidden("Only an owner makes, changes or removes owners.")


def _check_not_last_owner(member: ProjectMember) -> None:
    others = ProjectMember.objects.filter(project_id=member.project_id, role=Role.OWNER).exclude(pk=member.pk)
    if not others.exists():
        raise LastOwner(f"{member.user} is the only owner.", hint="Make somebody else owner first.")
