"""The API's endpoints for statistics: sums over exactly those executions that the caller's lists show."""

from __future__ import annotations

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


class _StatisticsViewSet(ProjectScopedViewSet):
    queryset = WorkflowExecution.objects.all()
    serializer_class = StatisticsSerializer
    pagination_class = None
    filter_backends = ()
    permissions = {"list": Permission.VIEW}

    @extend_schema(parameters=[StatisticsQuery], responses=_ONE)
    def list(self, request: Request, **_: str) -> Response:
        """How the executions went that were accepted in a time: in total, and day by day."""
        summary = statistics.summarize(self.get_queryset(), self._period(request))
        return Response(self.get_serializer(summary).data)

    def _period(self, request: Request) -> Period:
        query = request.query_params.dict()
        query.pop("format", None)  # REST framework's own.
        zone = statistics.zone_of(query.get("timezone", "UTC"))
        with timezone.override(zone):
            asked = StatisticsQuery(data=query)
            asked.is_valid(raise_exception=True)
        since, until = asked.validated_data.get("since"), asked.validated_data.get("until")
        return statistics.period(now=timezone.now(), zone=zone, since=since, until=until)


class ProjectStatisticsViewSet(_StatisticsViewSet):
    """Statistics of all executions of a project."""

    parent = Parent(Project, "project_id", project_path="")
    permissions = _StatisticsViewSet.permissions


class WorkflowStatisticsViewSet(_StatisticsViewSet):
    """Statistics of the executions of one workflow."""

    parent = Parent(Workflow, "workflow_id")
    permissions = _StatisticsViewSet.permissions
