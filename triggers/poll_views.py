"""The API's endpoint for polls."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from projects.access import Permission
from projects.rest import ProjectScopedViewSet
from triggers import services
from triggers.filters import PollFilter
from triggers.models import Poll
from triggers.poll_serializers import PollSerializer
from triggers.serializers import NoteInput


class PollViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """What polling triggers have dealt with, and when they look next."""

    queryset = Poll.objects.select_related("workflow__project", "trigger").defer(
        "workflow__definition", "trigger__config", "validators"
    )
    project_path = "workflow__project"
    serializer_class = PollSerializer
    filterset_class = PollFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "poll": Permission.OPERATE,
        "pause": Permission.OPERATE,
        "resume": Permission.OPERATE,
        "reset": Permission.OPERATE,
    }

    @extend_schema(request=None, responses=PollSerializer)
    @action(detail=True, methods=["post"])
    def poll(self, request: Request, pk: str) -> Response:
        """Look as soon as a worker sees it, whatever the pace or earlier errors say."""
        return self._shown(services.poll_soon(self.get_object(), by=self.actor, now=timezone.now()))

    @extend_schema(request=NoteInput, responses=PollSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Look no more until it is resumed."""
        poll, note = self.get_object(), self.validated(NoteInput)["note"]
        return self._shown(services.pause_poll(poll, reason=note, by=self.actor, now=timezone.now()))

    @extend_schema(request=NoteInput, responses=PollSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Look again, at once, earlier errors forgiven."""
        poll, note = self.get_object(), self.validated(NoteInput)["note"]
        return self._shown(services.resume_poll(poll, reason=note, by=self.actor, now=timezone.now()))

    @extend_schema(request=NoteInput, responses=PollSerializer)
    @action(detail=True, methods=["post"])
    def reset(self, request: Request, pk: str) -> Response:
        """Forget what it has dealt with: the next look is its first again, and takes or skips what is there."""
        poll, note = self.get_object(), self.validated(NoteInput)["note"]
        return self._shown(services.reset_poll(poll, reason=note, by=self.actor, now=timezone.now()))

    def _shown(self, poll: Poll) -> Response:
        return Response(self.get_serializer(poll).data)
