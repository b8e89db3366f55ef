"""The API of templates: everybody may read them, editors install them into their projects."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from projects.access import Permission
from projects.models import Project
from projects.pagination import NewestFirstPagination
from projects.pictures import AnyAccept, svg_response
from projects.rest import ProjectScopedViewSet
from templates_app import services
from templates_app.filters import TemplateFilter
from templates_app.models import WorkflowTemplate
from templates_app.serializers import (
    InstallationInput,
    InstallationSerializer,
    TemplateDetailSerializer,
    TemplateSerializer,
)
from workflows.drawing import draw


class ByName(NewestFirstPagination):
    ordering = ("name", "id")


class TemplateViewSet(ReadOnlyModelViewSet[WorkflowTemplate]):
    """Ready-made workflows. They belong to no project, and nobody needs to log in to read them."""

    queryset = WorkflowTemplate.objects.all()
    serializer_class = TemplateDetailSerializer
    filterset_class = TemplateFilter
    pagination_class = ByName
    permission_classes = [AllowAny]

    def get_queryset(self) -> QuerySet[WorkflowTemplate]:
        templates = super().get_queryset()
        return templates.defer("workflow_definition", "preview_image") if self.action == "list" else templates

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter lists alone: a single template is found by its id, whatever else the query string asks of it."""
        return super().filter_queryset(queryset) if self.action == "list" else queryset

    def get_serializer_class(self) -> type[TemplateSerializer]:
        return TemplateSerializer if self.action == "list" else TemplateDetailSerializer

    @extend_schema(responses={(200, "image/svg+xml"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def preview(self, request: Request, pk: str) -> HttpResponse:
        """Show its graph."""
        template = self.get_object()
        picture = template.preview_image or draw(template.workflow_definition, title=f"Graph of {template.name}")
        return svg_response(picture, cache="public, max-age=300")


class InstallationViewSet(ProjectScopedViewSet):
    """From a template to a workflow of a project."""

    queryset = WorkflowTemplate.objects.all()
    serializer_class = InstallationInput
    permissions = {"install": Permission.EDIT}

    @extend_schema(request=InstallationInput, responses={201: InstallationSerializer})
    @action(detail=True, methods=["post"])
    def install(self, request: Request, pk: str) -> Response:
        """Make the template a workflow of a project, with its variables, and publish it. All of it, or nothing."""
        # Not get_object(): templates belong to no project, what they become does.
        template = get_object_or_404(self.queryset, pk=pk)
        wanted = self.validated(InstallationInput)
        project = self.find(Project, project_path="", pk=wanted["project"])
        installation = services.install_template(
            template,
            project=project,
            name=wanted.get("name"),
            variables=wanted.get("variables", {}),
            publish=wanted["publish"],
            by=self.actor,
            now=timezone.now(),
        )
        # It may hold secrets.
        headers = {"Cache-Control": "no-store"}
        return Response(InstallationSerializer(installation).data, status.HTTP_201_CREATED, headers=headers)
