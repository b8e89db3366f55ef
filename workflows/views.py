"""The API of workflows, their versions and variables, and the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from hashlib import sha256
from typing import Any

import orjson
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.http import quote_etag
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from projects.access import Permission
from projects.exceptions import Invalid, NotFound
from projects.models import Project
from projects.pagination import NewestFirstPagination
from projects.pictures import AnyAccept, svg_response
from projects.rest import Parent, ProjectScopedViewSet
from workflows import catalogue, services
from workflows.drawing import draw
from workflows.filters import WorkflowFilter
from workflows.models import ProjectVariable, Workflow, WorkflowVariable, WorkflowVersion
from workflows.serializers import (
    ComparisonSerializer,
    DraftInput,
    NewWorkflowInput,
    NodeTypeSerializer,
    NothingInput,
    ProjectVariableSerializer,
    PublicationInput,
    ReasonInput,
    RestrictionInput,
    ToolSerializer,
    UsagesSerializer,
    ValidationInput,
    VariableInput,
    VariableSerializer,
    VerdictSerializer,
    VersionDetailSerializer,
    VersionSerializer,
    WorkflowDetailSerializer,
    WorkflowSerializer,
)

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The `ETag` of the draft that was read. If somebody saved it since, the answer is 412 and nothing is done.",
)
ETAG = OpenApiParameter(
    "ETag", str, OpenApiParameter.HEADER, description="The draft's entity tag, for `If-Match`.", response=[200, 201]
)


@extend_schema_view(
    list=extend_schema(responses=WorkflowSerializer(many=True)),
    retrieve=extend_schema(parameters=[ETAG]),
)
class WorkflowViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Workflows: the named things that people edit. What runs are their published versions."""

    queryset = Workflow.objects.select_related("created_by", "project")
    serializer_class = WorkflowDetailSerializer
    filterset_class = WorkflowFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.EDIT,
        "update": Permission.EDIT,
        "partial_update": Permission.EDIT,
        "validate": Permission.VIEW,
        "publish": Permission.EDIT,
        "pause": Permission.OPERATE,
        "resume": Permission.OPERATE,
        "disable": Permission.EDIT,
        "enable": Permission.EDIT,
        "archive": Permission.EDIT,
        "restore": Permission.EDIT,
        "graph": Permission.VIEW,
    }

    def get_queryset(self) -> QuerySet[Workflow]:
        workflows = super().get_queryset()
        return workflows.defer("definition") if self.action == "list" else workflows

    def get_serializer_class(self) -> type[WorkflowSerializer]:
        return WorkflowSerializer if self.action == "list" else WorkflowDetailSerializer

    @extend_schema(request=NewWorkflowInput, responses={201: WorkflowDetailSerializer}, parameters=[ETAG])
    def create(self, request: Request) -> Response:
        """Make a workflow. Its draft may have problems; only publishing refuses them."""
        data = self.validated(NewWorkflowInput)
        workflow = services.create_workflow(data.pop("project"), **data, by=self.actor, now=timezone.now())
        return self._shown(workflow, status.HTTP_201_CREATED)

    @extend_schema(request=DraftInput, parameters=[IF_MATCH, ETAG])
    def update(self, request: Request, pk: str) -> Response:
        """Write the draft anew. It may have problems; only publishing refuses them."""
        return self._save(self.get_object(), {"description": "", **self.validated(DraftInput)})

    @extend_schema(request=DraftInput, parameters=[IF_MATCH, ETAG])
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change some of the draft, the name and the description. The draft may have problems."""
        return self._save(self.get_object(), self.validated(DraftInput, partial=True))

    @extend_schema(request=ValidationInput, responses=VerdictSerializer)
    @action(detail=True, methods=["post"])
    def validate(self, request: Request, pk: str) -> Response:
        """Tell everything that keeps the draft, or the definition that is sent, from being published."""
        workflow = self.get_object()
        problems = services.validate(workflow, definition=self.validated(ValidationInput).get("definition"))
        return Response({"valid": not problems, "problems": [problem.to_json() for problem in problems]})

    @extend_schema(request=PublicationInput, responses=VersionSerializer, parameters=[IF_MATCH])
    @action(detail=True, methods=["post"])
    def publish(self, request: Request, pk: str) -> Response:
        """Make the draft the next version, with its triggers. Without a change, the latest version is the answer."""
        workflow = self.get_object()
        version = services.publish(
            workflow, **self.validated(PublicationInput), if_match=_if_match(request), by=self.actor, now=timezone.now()
        )
        return Response(VersionSerializer(version).data)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Hold it for a while: what comes in is accepted and waits."""
        workflow = self.get_object()
        services.pause(workflow, **self.validated(ReasonInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let it go on after a pause."""
        workflow = self.get_object()
        services.resume(workflow, **self.validated(NothingInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Switch it off: what comes in is refused and recorded."""
        workflow = self.get_object()
        services.disable(workflow, **self.validated(ReasonInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Switch it on again."""
        workflow = self.get_object()
        services.enable(workflow, **self.validated(NothingInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(request=ReasonInput)
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        """Put it away: read-only, hidden from lists, its triggers silent."""
        workflow = self.get_object()
        services.archive(workflow, **self.validated(ReasonInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(request=NothingInput)
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, pk: str) -> Response:
        """Bring it back from the archive: disabled if it was ever published, else as a draft."""
        workflow = self.get_object()
        services.unarchive(workflow, **self.validated(NothingInput), by=self.actor, now=timezone.now())
        return self._shown(workflow)

    @extend_schema(
        parameters=[OpenApiParameter("version", int, description="A version's number; by default the draft.")],
        responses={(200, "image/svg+xml"): OpenApiTypes.STR},
    )
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def graph(self, request: Request, pk: str) -> HttpResponse:
        """Draw the draft, or a version."""
        workflow = self.get_object()
        number = request.query_params.get("version")
        shown = workflow if number is None else services.version_of(workflow, _number(number, "version"))
        picture = draw(shown.definition, title=f"Graph of {shown}")
        return svg_response(picture, cache="private, no-cache")

    def _save(self, workflow: Workflow, changes: dict[str, Any]) -> Response:
        if_match = _if_match(self.request)
        services.save_draft(workflow, **changes, if_match=if_match, by=self.actor, now=timezone.now())
        return self._shown(workflow)

    def _shown(self, workflow: Workflow, status_code: int = status.HTTP_200_OK) -> Response:
        return Response(self.get_serializer(workflow).data, status=status_code)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Send the draft's entity tag with every answer that shows it."""
        shown = getattr(response, "data", None)
        if isinstance(shown, Mapping) and "revision" in shown:
            response["ETag"] = f'"{shown["revision"]}"'
        return super().finalize_response(request, response, *args, **kwargs)


class LatestFirst(NewestFirstPagination):
    ordering = ("-number", "-id")


class VersionViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What was published of a workflow. Versions never change."""

    queryset = WorkflowVersion.objects.published().select_related("created_by")
    parent = Parent(Workflow, kwarg="workflow_id")
    project_path = "workflow__project"
    serializer_class = VersionDetailSerializer
    pagination_class = LatestFirst
    lookup_field = "number"
    lookup_value_regex = "[0-9]{1,9}"
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "restore": Permission.EDIT,
        "compare": Permission.VIEW,
    }

    def get_queryset(self) -> QuerySet[WorkflowVersion]:
        versions = super().get_queryset()
        return versions.defer("definition") if self.action == "list" else versions

    def get_serializer_class(self) -> type[VersionSerializer]:
        return VersionSerializer if self.action == "list" else VersionDetailSerializer

    @extend_schema(request=NothingInput, responses=WorkflowDetailSerializer, parameters=[IF_MATCH, ETAG])
    @action(detail=True, methods=["post"])
    def restore(self, request: Request, workflow_id: str, number: str) -> Response:
        """Make this version the draft again; it runs once it is published."""
        self.validated(NothingInput)
        workflow: Workflow = services.restore_version(
            self.parent_object, int(number), if_match=_if_match(request), by=self.actor, now=timezone.now()
        )
        return Response(WorkflowDetailSerializer(workflow).data, headers={"ETag": workflow.etag})

    @extend_schema(
        parameters=[OpenApiParameter("with", str, description="Another version's number; by default the draft.")],
        responses=ComparisonSerializer,
    )
    @action(detail=True, methods=["get"])
    def compare(self, request: Request, workflow_id: str, number: str) -> Response:
        """Tell what turns this version into another one, or into the draft."""
        other = request.query_params.get("with", "draft")
        with_number = None if other == "draft" else _number(other, "with")
        changes = services.compare_versions(self.parent_object, int(number), with_number=with_number)
        return Response(
            {"version": int(number), "compared_with": other, "changes": [change.to_json() for change in changes]}
        )


class ByName(NewestFirstPagination):
    ordering = ("name", "id")


class _Variables(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What the variables of workflows and of projects have in common."""

    serializer_class = VariableSerializer
    pagination_class = ByName
    lookup_field = "name"
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "update": Permission.EDIT,
        "partial_update": Permission.EDIT,
        "destroy": Permission.EDIT,
        "usages": Permission.VIEW,
    }

    @extend_schema(request=VariableInput)
    def update(self, request: Request, name: str, **_: str) -> Response:
        """Give the variable a value; make it if there is none of this name."""
        data = self.validated(VariableInput)
        variable = services.set_variable(self.parent_object, name, **data, by=self.actor, now=timezone.now())
        return Response(self.get_serializer(variable).data)

    @extend_schema(request=RestrictionInput)
    def partial_update(self, request: Request, name: str, **_: str) -> Response:
        """Leave a secret fewer hosts that it may be sent to. More of them take its value, with PUT."""
        data = self.validated(RestrictionInput)
        variable = services.restrict_secret(self.parent_object, name, **data, by=self.actor)
        return Response(self.get_serializer(variable).data)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "force", bool, description="Remove it although the latest version of a workflow asks for it by name."
            )
        ]
    )
    def destroy(self, request: Request, name: str, **_: str) -> Response:
        """Remove the variable, unless new executions will ask for it. Executions that still do fail, and say so."""
        force = request.query_params.get("force", "false")
        if force not in ("true", "false"):
            raise Invalid(f"{force[:100]!r} is neither true nor false.", path="?force")
        services.delete_variable(self.parent_object, name, force=force == "true", by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(responses=UsagesSerializer)
    @action(detail=True, methods=["get"])
    def usages(self, request: Request, name: str, **_: str) -> Response:
        """Tell which workflows use the variable, in their draft and in which versions."""
        found = services.usages_of(self.get_object())
        return Response(UsagesSerializer({"results": found}).data)


class VariableViewSet(_Variables):
    """Named values of a workflow. A secret's value is never shown, and its editors can only replace it."""

    queryset = WorkflowVariable.objects.all()
    parent = Parent(Workflow, kwarg="workflow_id")
    project_path = "workflow__project"


class ProjectVariableViewSet(_Variables):
    """Named values of all workflows of a project, but of those that have one of the name themselves."""

    queryset = ProjectVariable.objects.all()
    parent = Parent(Project, kwarg="project_id", project_path="")
    serializer_class = ProjectVariableSerializer


class NodeTypeViewSet(ViewSet):
    """The kinds of nodes that a definition may have."""

    lookup_field = "key"
    lookup_value_regex = "[^/]+"

    @extend_schema(responses=NodeTypeSerializer(many=True))
    def list(self, request: Request) -> HttpResponseBase:
        return _unless_known(request, [asdict(entry) for entry in catalogue.node_types()])

    @extend_schema(responses=NodeTypeSerializer, parameters=[OpenApiParameter("key", str, OpenApiParameter.PATH)])
    def retrieve(self, request: Request, key: str) -> HttpResponseBase:
        entry = _named(key, {entry.key: entry for entry in catalogue.node_types()}, "node type")
        return _unless_known(request, asdict(entry))


class ToolViewSet(ViewSet):
    """The tools that nodes may call."""

    lookup_field = "name"
    lookup_value_regex = "[^/]+"

    @extend_schema(responses=ToolSerializer(many=True))
    def list(self, request: Request) -> HttpResponseBase:
        return _unless_known(request, [asdict(entry) for entry in catalogue.tool_entries()])

    @extend_schema(responses=ToolSerializer, parameters=[OpenApiParameter("name", str, OpenApiParameter.PATH)])
    def retrieve(self, request: Request, name: str) -> HttpResponseBase:
        entry = _named(name, {entry.name: entry for entry in catalogue.tool_entries()}, "tool")
        return _unless_known(request, asdict(entry))


def _unless_known(request: Request, described: Any) -> HttpResponseBase:
    """Answer with a part of the catalogue, or with 304 to whoever has it already (``If-None-Match``)."""
    tag = quote_etag(sha256(orjson.dumps(described)).hexdigest()[:32])
    answer = Response(described, headers={"ETag": tag})
    return get_conditional_response(request, etag=tag, response=answer) or answer


def _named(name: str, entries: Mapping[str, Any], kind: str) -> Any:
    if name not in entries:
        raise NotFound(f"There is no {kind} {name[:100]!r}.", hint=f"Known are: {', '.join(entries)}.")
    return entries[name]


def _if_match(request: Request) -> str | None:
    header: str | None = request.headers.get("If-Match")
    return header


def _number(text: str, parameter: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid(f"{text[:100]!r} is not the number of a version.", path=f"?{parameter}")
    return int(text)
