"""The API's endpoint for events."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from projects.access import Permission
from projects.exceptions import SegueError
from projects.models import Project
from projects.problems import describe
from projects.rest import NewestFirstPagination, ProjectScopedViewSet
from triggers import services
from triggers.event_serializers import (
    EmittedSerializer,
    EventDetailSerializer,
    EventInput,
    EventSerializer,
    ResultsSerializer,
)
from triggers.filters import EventFilter
from triggers.models import Event, EventMatch
from workflows.http.hops import hops_in

MATCHES = Prefetch(
    "matches",
    EventMatch.objects.select_related("trigger__workflow")
    .defer("trigger__config", "trigger__workflow__definition")
    .order_by("created_at", "id"),
)


class EventPagination(NewestFirstPagination):
    """The events that came last, first."""

    ordering = ("-received_at", "-id")


class EventViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What happened, and what it started."""

    queryset = Event.objects.all()
    serializer_class = EventDetailSerializer
    filterset_class = EventFilter
    pagination_class = EventPagination
    permissions = {"list": Permission.VIEW, "retrieve": Permission.VIEW, "create": Permission.OPERATE}

    def get_serializer_class(self) -> type[Any]:
        return EventSerializer if self.action == "list" else EventDetailSerializer

    def get_queryset(self) -> QuerySet[Event]:
        events = super().get_queryset()
        return events.defer("data") if self.action == "list" else events.prefetch_related(MATCHES)

    @extend_schema(
        request=EventInput,
        responses={
            201: EmittedSerializer,
            200: OpenApiResponse(
                PolymorphicProxySerializer(
                    "EventsAnswer", [EmittedSerializer, ResultsSerializer], resource_type_field_name=None
                ),
                description="The first event, if this id was here before; or, with `events`, what became of each.",
            ),
        },
    )
    def create(self, request: Request) -> Response:
        """Send an event, or up to 100. Each is kept, with everything that it starts, in one commit.

        An `id` of yours makes it safe to send it again: the answer is then 200 and the first event. With `events`, the answer says
        for each what became of it; one that is refused does not stop the others.
        """
        asked = self.validated(EventInput)
        project = asked.pop("project")
        if "events" in asked:
            results = [self._result(project, each) for each in asked["events"]]
            return Response(ResultsSerializer({"results": results}, context=self.get_serializer_context()).data)
        event = self._emit(project, asked)
        code = status.HTTP_200_OK if event.is_duplicate else status.HTTP_201_CREATED
        return Response(EmittedSerializer(event, context=self.get_serializer_context()).data, status=code)

    def _result(self, project: Project, asked: dict[str, Any]) -> dict[str, Any]:
        try:
            event = self._emit(project, asked)
        except SegueError as error:
            problem = describe(error)
            assert problem is not None  # noqa: S101 - Errors of ours always mean something to a caller.
            return {"status": problem.status, "event": None, "error": problem.as_json()}
        return {"status": 200 if event.is_duplicate else 201, "event": event, "error": None}

    def _emit(self, project: Project, asked: dict[str, Any]) -> Event:
        emitted = services.emit(project, **asked, by=self.actor, hops=hops_in(self.request.headers), now=timezone.now())
        event = Event.objects.prefetch_related(MATCHES).get(pk=emitted.pk)
        event.is_duplicate = emitted.is_duplicate
        return event
