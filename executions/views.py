"""The API's endpoints for executions."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from executions import services
from executions.downloads import output_response
from executions.filters import ExecutionFilter, NodeRunFilter
from executions.live.position import Position
from executions.live.reader import Reader
from executions.live.streams import Stream, has_hung_up
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.pictures import picture_of
from executions.serializers import (
    CancelSerializer,
    ExecutionDetailSerializer,
    ExecutionSerializer,
    NodeRunSerializer,
    NodeStateSerializer,
    RerunSerializer,
    RunSerializer,
    TestNodeSerializer,
    TestSerializer,
    TreeSerializer,
)
from executions.states import node_states
from executions.tree import tree_of
from executions.waiting import wait_for_end
from projects import access
from projects.access import Permission
from projects.authentication import is_still_let_in
from projects.clients import client_address, client_user_agent
from projects.pictures import AnyAccept, svg_response
from projects.rest import NewestFirstPagination, Parent, ProjectScopedViewSet
from workflows.models import Workflow

# The last one keeps nginx from collecting events before it passes them on.
EVENT_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class ExecutionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectScopedViewSet):
    """Executions: what ran, what runs, why it does not."""

    queryset = WorkflowExecution.objects.select_related("workflow_version", "workflow", "project")
    serializer_class = ExecutionDetailSerializer
    filterset_class = ExecutionFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "cancel": Permission.OPERATE,
        "rerun": Permission.OPERATE,
        "nodes": Permission.VIEW,
        "graph": Permission.VIEW,
        "tree": Permission.VIEW,
        "events": Permission.VIEW,
    }

    def get_serializer_class(self) -> type[Any]:
        return ExecutionSerializer if self.action == "list" else ExecutionDetailSerializer

    @extend_schema(request=CancelSerializer, responses=ExecutionDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Stop a live execution."""
        execution = self.get_object()
        asked = self.validated(CancelSerializer)
        services.cancel_execution(execution, by=self.actor, now=timezone.now(), reason=asked["reason"])
        return Response(self.get_serializer(execution).data)

    @extend_schema(request=RerunSerializer, responses={201: ExecutionDetailSerializer})
    @action(detail=True, methods=["post"])
    def rerun(self, request: Request, pk: str) -> Response:
        """Run an ended execution again, as a new one: as a whole, or from a node."""
        execution = self.get_object()
        asked = self.validated(RerunSerializer)
        again = services.rerun_execution(
            execution,
            by=self.actor,
            now=timezone.now(),
            input=asked.get("input", services.SAME),
            newest=asked["newest"],
            number=asked["version"],
            from_node=asked["from_node"],
            iteration=asked["iteration"],
            outputs=asked["outputs"],
        )
        return Response(self.get_serializer(again).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=NodeStateSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def nodes(self, request: Request, pk: str) -> Response:
        """Say what has become of each node so far."""
        states = node_states(self.get_object())
        rows = [
            {"node_id": node_id, "state": state.word, "counts": state.counts, "passes": state.passes}
            for node_id, state in states.items()
        ]
        return Response(NodeStateSerializer(rows, many=True).data)

    @extend_schema(responses={(200, "image/svg+xml"): OpenApiTypes.STR})
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def graph(self, request: Request, pk: str) -> HttpResponse:
        """Draw its version, and what has become of each node so far."""
        return svg_response(picture_of(self.get_object()), cache="private, no-cache")

    @extend_schema(responses=TreeSerializer)
    @action(detail=True, methods=["get"])
    def tree(self, request: Request, pk: str) -> Response:
        """Show everything that it belongs to: what started it, sub-workflows, reruns, error workflows."""
        return Response(TreeSerializer(tree_of(self.get_object()), context=self.get_serializer_context()).data)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                "Last-Event-ID", str, OpenApiParameter.HEADER, description="Go on after the event with this id."
            ),
            OpenApiParameter("last_event_id", str, description="The same, for those who cannot send the header."),
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, description="Events `execution`, `node_run`, `text` and `end`, their data in JSON."
            ),
            204: OpenApiResponse(description="It has ended, and the event with this id said so."),
        },
    )
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def events(self, request: Request, pk: str) -> HttpResponseBase:
        """Tell what happens to it while it happens, as server-sent events, until it has ended or ten minutes are over."""
        execution = self.get_object()
        told = request.headers.get("Last-Event-ID") or request.query_params.get("last_event_id")
        position = Position.from_id(told) if told else Position()
        if position.is_over:
            return HttpResponse(
                status=status.HTTP_204_NO_CONTENT
            )  # The one answer after which browsers do not come back.
        if request.method == "HEAD":
            return HttpResponse(headers=EVENT_HEADERS)
        actor = self.actor

        def may_go_on() -> bool:
            role = access.role_in(actor, execution.project_id) if is_still_let_in(actor) else None
            return access.role_allows(role, Permission.VIEW)

        connection = request.META.get("gunicorn.socket")
        stream = Stream(Reader(execution.pk, position), may_go_on=may_go_on, is_gone=lambda: has_hung_up(connection))
        return StreamingHttpResponse(stream, headers=EVENT_HEADERS)


class NodeRunPagination(NewestFirstPagination):
    """Node runs in the order in which they started."""

    ordering = ("started_at", "id")


class NodeRunViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ProjectScopedViewSet):
    """The journal of an execution: one row for each attempt of each node."""

    queryset = WorkflowExecutionLog.objects.defer("answer")
    serializer_class = NodeRunSerializer
    filterset_class = NodeRunFilter
    pagination_class = NodeRunPagination
    project_path = "execution__project"
    parent = Parent(WorkflowExecution, "execution_id")
    permissions = {"list": Permission.VIEW, "retrieve": Permission.VIEW, "output": Permission.VIEW}

    @extend_schema(responses={(200, "application/json"): OpenApiTypes.ANY}, filters=False)
    @action(detail=True, methods=["get"], content_negotiation_class=AnyAccept)
    def output(self, request: Request, execution_id: str, pk: str) -> HttpResponseBase:
        """Download the output as a JSON file, however large it is."""
        return output_response(self.get_object())


STARTED = {
    201: ExecutionDetailSerializer,
    202: OpenApiResponse(ExecutionDetailSerializer, description="It had not ended after `wait_seconds`."),
}


class _Starting(ProjectScopedViewSet):
    """What starts an execution of a workflow, and may wait for its end."""

    queryset = WorkflowExecution.objects.all()
    parent = Parent(Workflow, "workflow_id")

    def asker(self, wait_seconds: int) -> services.Asker:
        """Return who asks."""
        return services.Asker(
            by=self.actor,
            ip_address=client_address(self.request),
            user_agent=client_user_agent(self.request),
            awaits=wait_seconds > 0,
        )

    def started(self, execution: WorkflowExecution, *, wait_seconds: int) -> Response:
        """Answer with what has become of it, once that is known or the time is over."""
        if wait_seconds:
            execution = wait_for_end(execution.pk, timeout=wait_seconds)
        waited_in_vain = wait_seconds > 0 and not execution.has_ended
        return Response(
            ExecutionDetailSerializer(execution, context=self.get_serializer_context()).data,
            status=status.HTTP_202_ACCEPTED if waited_in_vain else status.HTTP_201_CREATED,
        )


class TestViewSet(_Starting):
    """Trying a workflow's draft."""

    serializer_class = TestSerializer
    permissions = {"create": Permission.EDIT}

    @extend_schema(request=TestSerializer, responses=STARTED)
    def create(self, request: Request, workflow_id: str) -> Response:
        """Run the draft as it stands, published or not. Statistics, limits and other workflows do not know of it."""
        asked = self.validated(TestSerializer)
        execution = services.start_test(
            self.parent_object,
            input=asked["input"],
            node_id=asked["trigger"],
            asker=self.asker(asked["wait_seconds"]),
            now=timezone.now(),
        )
        return self.started(execution, wait_seconds=asked["wait_seconds"])


class TestNodeViewSet(_Starting):
    """Trying one node of a workflow's draft."""

    serializer_class = TestNodeSerializer
    permissions = {"create": Permission.EDIT}

    @extend_schema(request=TestNodeSerializer, responses=STARTED)
    def create(self, request: Request, workflow_id: str) -> Response:
        """Run one node of the draft alone, once, with what it is to see. One that changes something outside only if that is allowed."""
        asked = self.validated(TestNodeSerializer)
        sees = services.Surroundings(
            input=asked["input"], trigger=asked["trigger"], outputs=asked["outputs"], items=asked["items"]
        )
        execution = services.start_node_test(
            self.parent_object,
            asked["node_id"],
            sees=sees,
            may_write=asked["allow_write"],
            asker=self.asker(asked["wait_seconds"]),
            now=timezone.now(),
        )
        return self.started(execution, wait_seconds=asked["wait_seconds"])


class RunViewSet(_Starting):
    """Starting a workflow by hand."""

    serializer_class = RunSerializer
    permissions = {"create": Permission.OPERATE}

    @extend_schema(request=RunSerializer, responses=STARTED)
    def create(self, request: Request, workflow_id: str) -> Response:
        """Start the newest version, and wait for its end if that is asked for."""
        asked = self.validated(RunSerializer)
        execution = services.start_manually(
            self.parent_object,
            input=asked["input"],
            node_id=asked["trigger"],
            idempotency_key=asked["idempotency_key"],
            by=self.actor,
            now=timezone.now(),
            ip_address=client_address(request),
            user_agent=client_user_agent(request),
            awaited=asked["wait_seconds"] > 0,
        )
        return self.started(execution, wait_seconds=asked["wait_seconds"])
