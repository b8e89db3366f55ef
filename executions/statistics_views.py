"""The API's endpoints for statistics: sums over exactly those executions that the caller's lists show."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from executions import statistics
from executions.models import WorkflowExecution
from executions.statistics import Period
from executions.statistics_serializers import StatisticsQuery, StatisticsSerializer
from projects.access import Permission
from projects.models import Project
from projects.rest import Parent, ProjectScopedViewSet
from workflows.models import Workflow

# The action is called list, as the routes want it, and answers with one object.
_ONE = forced_singular_serializer(StatisticsSerializer)  # type: ignore[no-untyped-call]


def asked_period(request: Request, query_class: type[StatisticsQuery]) -> tuple[dict[str, Any], Period]:
    """Return what the query string asks for, and the period that it means.

    :raises ValidationError: with everything that is wrong.
    """
    query = request.query_params.dict()
    query.pop("format", None)  # REST framework's own.
    zone = statistics.zone_of(query.get("timezone", "UTC"))
    with timezone.override(zone):
        asked = query_class(data=query)
        asked.is_valid(raise_exception=True)
    values: dict[str, Any] = asked.validated_data
    period = statistics.period(now=timezone.now(), zone=zone, since=values.get("since"), until=values.get("until"))
    return values, period


class _StatisticsViewSet(ProjectScopedViewSet):
    queryset = WorkflowExecution.objects.all()
    serializer_class = StatisticsSerializer
    pagination_class = None
    filter_backends = ()
    permissions = {"list": Permission.VIEW}

    @extend_schema(parameters=[StatisticsQuery], responses=_ONE)
    def list(self, request: Request, **_: str) -> Response:
        """How the executions went that were accepted in a time: in total, and day by day."""
        _, period = asked_period(request, StatisticsQuery)
        summary = statistics.summarize(self.get_queryset(), period)
        return Response(self.get_serializer(summary).data)


class ProjectStatisticsViewSet(_StatisticsViewSet):
    """Statistics of all executions of a project."""

    parent = Parent(Project, "project_id", project_path="")
    permissions = _StatisticsViewSet.permissions


class WorkflowStatisticsViewSet(_StatisticsViewSet):
    """Statistics of the executions of one workflow."""

    parent = Parent(Workflow, "workflow_id")
    permissions = _StatisticsViewSet.permissions
