"""The API's endpoints for scheduled jobs: their clocks, what did not fire, backfills; and previews of what is not saved yet."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from projects.access import Permission
from projects.rest import Parent, ProjectScopedViewSet
from triggers import services
from triggers.filters import BackfillFilter, ScheduledJobFilter, SkippedSlotsFilter
from triggers.models import BackfillMode, ScheduleBackfill, ScheduledJob, SkippedSlots
from triggers.schedule_serializers import (
    BackfillInput,
    BackfillSerializer,
    ChangeInput,
    ConfigPreviewInput,
    FiredSerializer,
    PlanSerializer,
    PreviewInput,
    PreviewSerializer,
    ResumeInput,
    ScheduledJobSerializer,
    SkippedSlotsSerializer,
)
from triggers.schedules.misfires import MisfirePolicy
from triggers.serializers import NoteInput

OF_JOB = Parent(ScheduledJob, kwarg="job_id", project_path="workflow__project")


class ScheduledJobViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """The clocks of schedule triggers."""

    queryset = ScheduledJob.objects.select_related("workflow__project", "trigger").defer(
        "workflow__definition", "trigger__config"
    )
    project_path = "workflow__project"
    serializer_class = ScheduledJobSerializer
    filterset_class = ScheduledJobFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "partial_update": Permission.OPERATE,
        "pause": Permission.OPERATE,
        "resume": Permission.OPERATE,
        "fire": Permission.OPERATE,
        "preview": Permission.VIEW,
    }

    @extend_schema(request=ChangeInput, responses=ScheduledJobSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Set after how many failures in a row it pauses itself, until a version says something new about it."""
        job = self.get_object()
        services.change_job(job, **self.validated(ChangeInput), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(job).data)

    @extend_schema(request=NoteInput, responses=ScheduledJobSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Stop the clock until it is resumed."""
        job, note = self.get_object(), self.validated(NoteInput)["note"]
        services.pause_job(job, reason=note, by=self.actor, now=timezone.now())
        return Response(self.get_serializer(job).data)

    @extend_schema(request=ResumeInput, responses=ScheduledJobSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Let the clock go on, its failures forgiven. `missed` says what becomes of the slots that passed meanwhile."""
        job, asked = self.get_object(), self.validated(ResumeInput)
        missed = MisfirePolicy(asked["missed"])
        services.resume_job(job, reason=asked["note"], missed=missed, by=self.actor, now=timezone.now())
        return Response(self.get_serializer(job).data)

    @extend_schema(request=NoteInput, responses={201: FiredSerializer})
    @action(detail=True, methods=["post"])
    def fire(self, request: Request, pk: str) -> Response:
        """Start an execution now, of no slot, beside whatever runs. The clock stays as it is."""
        job, note = self.get_object(), self.validated(NoteInput)["note"]
        execution = services.fire_now(job, reason=note, by=self.actor, now=timezone.now())
        return Response(FiredSerializer({"execution_id": execution.pk}).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[PreviewInput], responses=PreviewSerializer, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def preview(self, request: Request, pk: str) -> Response:
        """Tell the next slots, as they come while the clock runs: as moments, and as clocks in its zone show them."""
        job = self.get_object()
        asked = PreviewInput(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        slots = services.preview(job, asked.validated_data["count"], now=timezone.now())
        return Response(PreviewSerializer.of(job.timezone, slots))


class SkippedSlotsViewSet(ListModelMixin, ProjectScopedViewSet):
    """Slots of a job that did not fire, and why. Those that followed one another for one reason are one row."""

    queryset = SkippedSlots.objects.all()
    project_path = "job__workflow__project"
    parent = OF_JOB
    serializer_class = SkippedSlotsSerializer
    filterset_class = SkippedSlotsFilter
    permissions = {"list": Permission.VIEW}


class BackfillViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Runs through ranges of a job's past slots."""

    queryset = ScheduleBackfill.objects.select_related("job__workflow__project", "job__trigger").defer(
        "job__workflow__definition", "job__trigger__config"
    )
    project_path = "job__workflow__project"
    parent = OF_JOB
    serializer_class = BackfillSerializer
    filterset_class = BackfillFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.OPERATE,
        "cancel": Permission.OPERATE,
    }

    @extend_schema(request=BackfillInput, responses={200: PlanSerializer, 201: BackfillSerializer})
    def create(self, request: Request, job_id: str) -> Response:
        """Run a range of slots, the earliest first, on the newest version; with `dry_run`, only tell what would be done (200)."""
        asked, job, now = self.validated(BackfillInput), self.parent_object, timezone.now()
        span = {"start": asked["start"], "end": asked["end"], "mode": BackfillMode(asked["slots"]), "now": now}
        if asked["dry_run"]:
            return Response(PlanSerializer.of(job.timezone, services.plan_backfill(job, **span)))
        backfill = services.start_backfill(job, **span, max_running=asked["max_running"], by=self.actor)
        return Response(self.get_serializer(backfill).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=BackfillSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, job_id: str, pk: str) -> Response:
        """Start nothing more of it. What it has started goes on."""
        backfill = services.cancel_backfill(self.get_object(), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(backfill).data)


class ScheduleViewSet(ViewSet):
    """Schedules that need not be saved yet."""

    @extend_schema(request=ConfigPreviewInput, responses=PreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Tell the slots that a schedule trigger with this config would have next."""
        asked: Any = ConfigPreviewInput(data=request.data)
        asked.is_valid(raise_exception=True)
        given = asked.validated_data
        zone, slots = services.preview_config(
            given["config"], default_zone=given["timezone"], count=given["count"], now=timezone.now()
        )
        return Response(PreviewSerializer.of(zone, slots))
