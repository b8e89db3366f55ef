"""Who may do what: the one table from role to permissions, and the one filter by project.

Whatever a request touches goes through :func:`scope` (what exists for the caller) and :func:`require` (what the
caller may do to it). Nobody else filters by project.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, User
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest

from projects.clients import client_address
from projects.exceptions import Forbidden, NotFound
from projects.models import ApiToken, Project, ProjectMember, Role

M = TypeVar("M", bound=Model)


class Permission(StrEnum):
    """What can be done in a project."""

    VIEW = "view"  # See everything but secrets.
    OPERATE = "operate"  # Start, cancel, rerun executions; pause and resume workflows.
    EDIT = "edit"  # Change and publish workflows, variables, triggers.
    ADMINISTER = "administer"  # Members, everybody's tokens, the audit log.
    OWN = "own"  # Make and unmake owners, remove the project.


# From the weakest to the strongest; each has the rights of those before it.
RANKS: tuple[Role, ...] = (Role.VIEWER, Role.OPERATOR, Role.EDITOR, Role.ADMIN, Role.OWNER)

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    role: frozenset(list(Permission)[: rank + 1]) for rank, role in enumerate(RANKS)
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person, perhaps through a token, perhaps from an address.

    A superuser without a token may do everything everywhere. With a token, everybody has at most the token's role,
    in the token's project alone.
    """

    user: User | AnonymousUser
    token: ApiToken | None = None
    ip_address: str | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> Actor:
        """Return who makes a request, Django's or REST framework's."""
        token = getattr(request, "auth", None)
        return cls(
            user=request.user,
            token=token if isinstance(token, ApiToken) else None,
            ip_address=client_address(request),
        )

    @property
    def is_somebody(self) -> bool:
        """Whether this is a person who may act at all."""
        return self.user.is_authenticated and self.user.is_active

    @property
    def person(self) -> User | None:
        """The account, for columns that remember people; None for nobody."""
        return self.user if isinstance(self.user, User) else None

    @property
    def user_id(self) -> int:
        """The person's id; 0 for nobody, which is nobody's."""
        return self.user.pk or 0

    @property
    def is_unlimited(self) -> bool:
        """Whether no membership is needed."""
        return self.is_somebody and self.user.is_superuser and self.token is None


def role_allows(role: Role | str | None, permission: Permission) -> bool:
    """Test whether a role carries a permission. No role carries none."""
    return role is not None and permission in PERMISSIONS[Role(role)]


def lesser(one: Role | str, other: Role | str) -> Role:
    """Return the weaker of two roles."""
    return min(Role(one), Role(other), key=RANKS.index)


def visible_projects(actor: Actor, permission: Permission = Permission.VIEW) -> QuerySet[Project]:
    """Return the projects in which the actor holds a permission; by default: all that exist for the actor."""
    projects = Project.objects.all()
    if not actor.is_somebody:
        return projects.none()
    if actor.token is not None:
        if not role_allows(actor.token.role, permission):
            return projects.none()
        projects = projects.filter(pk=actor.token.project_id)
    if actor.user.is_superuser:
        return projects
    memberships = ProjectMember.objects.filter(
        user_id=actor.user_id, role__in=[role for role in RANKS if role_allows(role, permission)]
    )
    return projects.filter(pk__in=memberships.values("project_id"))


def scope(
    queryset: QuerySet[M], actor: Actor, path: str = "project", permission: Permission = Permission.VIEW
) -> QuerySet[M]:
    """Keep the rows of projects in which the actor holds a permission.

    :param path: the way from the row to its project, as in a lookup: ``workflow__project``; empty for projects.
    """
    if actor.is_unlimited:
        return queryset
    return queryset.filter(**{f"{path or 'pk'}__in": visible_projects(actor, permission).values("pk")})


def scope_list(queryset: QuerySet[M], actor: Actor, path: str, permission: Permission) -> QuerySet[M]:
    """Keep what :func:`scope` keeps, asking for the projects first: one query more.

    With their ids the database can take the newest of a million rows from an index; with a subquery it guesses how many
    projects there are, and for a member of many it guesses wrong (measured: 42 ms for a page, and 0.4 ms with the ids).
    """
    if actor.is_unlimited:
        return queryset
    ids = list(visible_projects(actor, permission).values_list("pk", flat=True))
    return queryset.filter(**{f"{path or 'pk'}__in": ids})


def role_in(actor: Actor, project: Project | UUID) -> Role | None:
    """Return the role that the actor has in a project right now, or None for a stranger."""
    project_id = project.pk if isinstance(project, Project) else project
    if not actor.is_somebody or (actor.token is not None and actor.token.project_id != project_id):
        return None
    memberships = ProjectMember.objects.filter(project_id=project_id, user_id=actor.user_id)
    return effective_role(actor, memberships.values_list("role", flat=True).first())


def effective_role(actor: Actor, member_role: Role | str | None) -> Role | None:
    """Return what a membership amounts to: superusers need none, and a token may lessen it."""
    if actor.user.is_superuser:
        member_role = Role.OWNER
    if member_role is None:
        return None
    return Role(member_role) if actor.token is None else lesser(member_role, actor.token.role)


def with_member_role(projects: QuerySet[Project], actor: Actor) -> QuerySet[Project]:
    """Give each project the actor's ``member_role``, for :func:`effective_role`, in the same query."""
    memberships = ProjectMember.objects.filter(project_id=OuterRef("pk"), user_id=actor.user_id)
    return projects.annotate(member_role=Subquery(memberships.values("role")[:1]))


def require(actor: Actor, project: Project | UUID, permission: Permission) -> Role:
    """Return the actor's role in a project if it carries a permission.

    :raises NotFound: for strangers, who learn nothing.
    :raises Forbidden: for members whose role does not allow it.
    """
    role = role_in(actor, project)
    if role is None:
        raise NotFound("There is no such project.")
    if not role_allows(role, permission):
        raise Forbidden(refusal(role, permission))
    return role


def refusal(role: Role, permission: Permission) -> str:
    """Say why a member may not do something, and who may."""
    weakest = next(candidate for candidate in RANKS if role_allows(candidate, permission))
    return f"This needs the role {weakest.value} or more in the project; yours is {role.value}."


def may_somewhere(actor: Actor, permission: Permission) -> bool:
    """Test whether to look on at all: false for members of projects in none of which this is allowed to them.

    True for somebody without any project: for such a person the objects simply do not exist.
    """
    if actor.is_unlimited or permission == Permission.VIEW:
        return True
    return visible_projects(actor, permission).exists() or not visible_projects(actor).exists()


def project_id_of(target: Any, path: str = "project") -> UUID:
    """Return the id of the project that a row belongs to, by the same path that :func:`scope` takes."""
    *steps, last = path.split("__")
    for step in steps:
        target = getattr(target, step)
    project_id: UUID = getattr(target, f"{last}_id") if last else target.pk
    return project_id
