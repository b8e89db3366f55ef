"""The API of projects, members, tokens and the audit log."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from projects import access, services
from projects.access import Permission
from projects.filters import AuditEntryFilter
from projects.models import ApiToken, AuditEntry, Project, ProjectMember, Role
from projects.rest import Parent, ProjectScopedViewSet
from projects.serializers import (
    AuditEntrySerializer,
    MemberSerializer,
    NewMemberInput,
    NewTokenSerializer,
    ProjectInput,
    ProjectSerializer,
    RoleInput,
    TokenInput,
    TokenSerializer,
)


class ProjectViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Projects that the caller is a member of. Whoever makes one owns it."""

    queryset = Project.objects.all()
    project_path = ""
    serializer_class = ProjectSerializer
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": None,
        "partial_update": Permission.ADMINISTER,
        "destroy": Permission.OWN,
    }

    def get_queryset(self) -> QuerySet[Project]:
        return access.with_member_role(super().get_queryset(), self.actor)

    @extend_schema(request=ProjectInput, responses={201: ProjectSerializer})
    def create(self, request: Request) -> Response:
        project = services.create_project(**self.validated(ProjectInput), by=self.actor, now=timezone.now())
        return Response(self._shown(project), status=status.HTTP_201_CREATED)

    @extend_schema(request=ProjectInput, responses=ProjectSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        project = self.get_object()
        services.update_project(project, by=self.actor, **self.validated(ProjectInput, partial=True))
        return Response(self._shown(project))

    def destroy(self, request: Request, pk: str) -> Response:
        services.delete_project(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _shown(self, project: Project) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=project.pk)).data


class MemberViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """The people of a project and their roles."""

    queryset = ProjectMember.objects.select_related("user", "project")
    parent = Parent(Project, kwarg="project_id", project_path="")
    serializer_class = MemberSerializer
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.ADMINISTER,
        "partial_update": Permission.ADMINISTER,
        "destroy": Permission.ADMINISTER,
    }

    @extend_schema(request=NewMemberInput, responses={201: MemberSerializer})
    def create(self, request: Request, project_id: str) -> Response:
        data = self.validated(NewMemberInput)
        member = services.add_member(
            self.parent_object,
            user=services.find_person(data["user"]),
            role=Role(data["role"]),
            by=self.actor,
            now=timezone.now(),
        )
        return Response(self.get_serializer(member).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RoleInput, responses=MemberSerializer)
    def partial_update(self, request: Request, project_id: str, pk: str) -> Response:
        member = self.get_object()
        role = Role(self.validated(RoleInput)["role"])
        return Response(self.get_serializer(services.change_role(member, role, by=self.actor)).data)

    def destroy(self, request: Request, project_id: str, pk: str) -> Response:
        services.remove_member(self.get_object(), by=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class TokenViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Keys for programs: one's own, and everybody's in projects that one administers."""

    queryset = ApiToken.objects.select_related("user", "project")
    serializer_class = TokenSerializer
    # Members handle their own; services decide about those of others.
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.VIEW,
        "destroy": Permission.VIEW,
    }

    def get_queryset(self) -> QuerySet[ApiToken]:
        administered = access.visible_projects(self.actor, Permission.ADMINISTER)
        return super().get_queryset().filter(Q(user_id=self.actor.user_id) | Q(project__in=administered.values("pk")))

    @extend_schema(request=TokenInput, responses={201: NewTokenSerializer})
    def create(self, request: Request) -> Response:
        data = self.validated(TokenInput)
        token, key = services.issue_token(
            data["project"],
            name=data["name"],
            role=Role(data["role"]),
            expires_at=data["expires_at"],
            by=self.actor,
            now=timezone.now(),
        )
        shown = {**self.get_serializer(token).data, "key": key}
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(description="Revoke the token, at once and for good. It stays in the list.")
    def destroy(self, request: Request, pk: str) -> Response:
        services.revoke_token(self.get_object(), by=self.actor, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class AuditEntryViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Who did what to what, when."""

    queryset = AuditEntry.objects.all()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditEntryFilter
    permissions = {"list": Permission.ADMINISTER, "retrieve": Permission.ADMINISTER}
