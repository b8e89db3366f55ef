"""The API's endpoints for approvals, for the links of waiting nodes, and for endpoints that are gone."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions import endpoints
from executions.approval_serializers import (
    ApprovalDetailSerializer,
    ApprovalSerializer,
    DecideInput,
    GoneEndpointSerializer,
    LinkSerializer,
)
from executions.filters import ApprovalFilter, GoneEndpointFilter
from executions.models import Approval, GoneEndpoint, Link, Verdict, WorkflowExecution
from executions.services import approvals, links
from projects.access import Permission
from projects.rest import Parent, ProjectScopedViewSet


class ApprovalViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectScopedViewSet):
    """Approvals: what waits for people, and what they have said."""

    queryset = Approval.objects.select_related("project", "execution").defer(
        "execution__execution_context", "execution__result", "execution__error"
    )
    serializer_class = ApprovalDetailSerializer
    filterset_class = ApprovalFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "approve": Permission.OPERATE,
        "reject": Permission.OPERATE,
    }

    def get_serializer_class(self) -> type[Any]:
        return ApprovalSerializer if self.action == "list" else ApprovalDetailSerializer

    def get_queryset(self) -> Any:
        queryset = super().get_queryset()
        return queryset.defer("message", "details", "form") if self.action == "list" else queryset

    @extend_schema(request=DecideInput, responses=ApprovalDetailSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Approve it."""
        return self._decide(Verdict.APPROVE)

    @extend_schema(request=DecideInput, responses=ApprovalDetailSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Reject it. One person is enough."""
        return self._decide(Verdict.REJECT)

    def _decide(self, verdict: Verdict) -> Response:
        approval = self.get_object()
        asked = self.validated(DecideInput)
        approvals.decide(approval, verdict, by=self.actor, now=timezone.now(), **asked)
        return Response(self.get_serializer(approval).data)


class LinkViewSet(ProjectScopedViewSet):
    """The links of an execution's nodes that wait now, for operators to hand on."""

    queryset = Link.objects.all()
    serializer_class = LinkSerializer
    pagination_class = None
    project_path = "execution__project"
    parent = Parent(WorkflowExecution, "execution_id")
    permissions = {"list": Permission.OPERATE}

    @extend_schema(operation_id="executions_links_list", responses=LinkSerializer(many=True), filters=False)
    def list(self, request: Request, execution_id: str) -> Response:
        """Tell for whom the execution waits, and over which links they reach it."""
        rows = links.open_links(self.parent_object)
        return Response(LinkSerializer(rows, many=True).data, headers={"Cache-Control": "no-store"})


class GoneEndpointViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectScopedViewSet):
    """URLs that answered a signed call with 410: nothing is sent there until somebody enables them."""

    queryset = GoneEndpoint.objects.select_related("project")
    serializer_class = GoneEndpointSerializer
    filterset_class = GoneEndpointFilter
    permissions = {"list": Permission.VIEW, "retrieve": Permission.VIEW, "enable": Permission.OPERATE}

    @extend_schema(request=None, responses={204: None})
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Let calls go there again."""
        endpoints.enable(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
