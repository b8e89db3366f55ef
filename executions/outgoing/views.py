"""The API's endpoints for limits of calls to the outside, and for hosts that have asked to be left alone."""

from __future__ import annotations

import django_filters
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from executions.models import OutgoingHold, OutgoingLimit
from executions.outgoing import services
from executions.outgoing.services import MOST_AT_ONCE, MOST_PER_MINUTE
from projects.access import Permission
from projects.models import Project
from projects.rest import ProjectScopedViewSet, ScopedRelatedField, StrictSerializer


class OutgoingLimitSerializer(serializers.ModelSerializer[OutgoingLimit]):
    class Meta:
        model = OutgoingLimit
        fields = [
            "id",
            "project",
            "host",
            "secret_name",
            "per_minute",
            "burst",
            "at_once",
            "created_at",
            "updated_at",
        ]
        read_only_fields = fields


class OutgoingLimitChange(StrictSerializer):
    host = serializers.CharField(
        required=False, allow_blank=True, max_length=255, help_text="A host's name, or `*.name` for all below it."
    )
    secret_name = serializers.CharField(
        required=False, allow_blank=True, max_length=64, help_text="The name of a secret, instead of a host."
    )
    per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST_PER_MINUTE, help_text="Calls in a minute."
    )
    burst = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=MOST_PER_MINUTE,
        help_text="How many of them may come at once; null: all.",
    )
    at_once = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST_AT_ONCE, help_text="Calls under way at once."
    )


class OutgoingLimitInput(OutgoingLimitChange):
    project = ScopedRelatedField(queryset=Project.objects.all(), project_path="")


class OutgoingHoldSerializer(serializers.ModelSerializer[OutgoingHold]):
    class Meta:
        model = OutgoingHold
        fields = ["id", "project", "host", "until", "created_at"]
        read_only_fields = fields


class OfProject(django_filters.FilterSet):
    """By project and host."""

    project = django_filters.UUIDFilter(field_name="project_id")
    host = django_filters.CharFilter(max_length=255)


class OutgoingLimitViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """How often, and how many at once, a project calls a host or uses a secret, all workflows together."""

    queryset = OutgoingLimit.objects.select_related("project")
    serializer_class = OutgoingLimitSerializer
    filterset_class = OfProject
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.OPERATE,
        "partial_update": Permission.OPERATE,
        "destroy": Permission.OPERATE,
    }

    @extend_schema(request=OutgoingLimitInput, responses={201: OutgoingLimitSerializer})
    def create(self, request: Request) -> Response:
        limit = services.create_limit(**self.validated(OutgoingLimitInput), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(limit).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=OutgoingLimitChange, responses=OutgoingLimitSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        limit = self.get_object()
        changes = self.validated(OutgoingLimitChange, partial=True)
        return Response(self.get_serializer(services.change_limit(limit, **changes, by=self.actor)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        services.delete_limit(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class OutgoingHoldViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """Hosts that have asked a project for time (429 or 503 with `Retry-After`), and until when they are not called."""

    queryset = OutgoingHold.objects.select_related("project")
    serializer_class = OutgoingHoldSerializer
    filterset_class = OfProject
    permissions = {"list": Permission.VIEW, "retrieve": Permission.VIEW, "destroy": Permission.OPERATE}

    @extend_schema(description="Let the host be called again. What sleeps because of it sleeps on.")
    def destroy(self, request: Request, pk: str) -> Response:
        services.lift_hold(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)
