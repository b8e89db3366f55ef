"""The API's endpoints for budgets and for what models have cost."""

from __future__ import annotations

from typing import Any

import django_filters
from django.utils import timezone
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from executions.spending import budgets, statistics
from executions.spending.models import Budget, BudgetPeriod, ModelCall
from executions.spending.serializers import (
    BudgetChange,
    BudgetInput,
    BudgetSerializer,
    ModelStatisticsQuery,
    ModelStatisticsSerializer,
)
from executions.statistics_views import asked_period
from projects.access import Permission
from projects.rest import ProjectScopedViewSet

# The action is called list, as the routes want it, and answers with one object.
_ONE = forced_singular_serializer(ModelStatisticsSerializer)  # type: ignore[no-untyped-call]


class BudgetFilter(django_filters.FilterSet):
    """By project, workflow and period."""

    project = django_filters.UUIDFilter(field_name="project_id")
    workflow = django_filters.UUIDFilter(field_name="workflow_id")
    period = django_filters.ChoiceFilter(choices=BudgetPeriod.choices)


class BudgetViewSet(ListModelMixin, RetrieveModelMixin, ProjectScopedViewSet):
    """How much the models of a project, or of one of its workflows, may cost: an execution, a day, a month."""

    queryset = Budget.objects.select_related("project", "workflow")
    serializer_class = BudgetSerializer
    filterset_class = BudgetFilter
    permissions = {
        "list": Permission.VIEW,
        "retrieve": Permission.VIEW,
        "create": Permission.ADMINISTER,
        "partial_update": Permission.ADMINISTER,
        "destroy": Permission.ADMINISTER,
    }

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Tell the serializer how much of each budget is gone, for all that it shows at once."""
        shown = args[0] if args else None
        if shown is not None:
            rows = shown if kwargs.get("many") else [shown]
            kwargs["context"] = {
                **self.get_serializer_context(),
                "standings": budgets.standings(rows, now=timezone.now()),
            }
        return super().get_serializer(*args, **kwargs)

    @extend_schema(request=BudgetInput, responses={201: BudgetSerializer})
    def create(self, request: Request) -> Response:
        budget = budgets.create_budget(**self.validated(BudgetInput), by=self.actor, now=timezone.now())
        return Response(self.get_serializer(budget).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=BudgetChange, responses=BudgetSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        budget = self.get_object()
        changes = self.validated(BudgetChange, partial=True)
        return Response(self.get_serializer(budgets.change_budget(budget, **changes, by=self.actor)).data)

    def destroy(self, request: Request, pk: str) -> Response:
        budgets.delete_budget(self.get_object(), by=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ModelStatisticsViewSet(ProjectScopedViewSet):
    """Statistics of the calls of models in all projects of the caller."""

    queryset = ModelCall.objects.all()
    serializer_class = ModelStatisticsSerializer
    pagination_class = None
    filter_backends = ()
    permissions = {"list": Permission.VIEW}

    @extend_schema(parameters=[ModelStatisticsQuery], responses=_ONE)
    def list(self, request: Request) -> Response:
        """What models were called for in a time, and what they cost: in total, by day, by model and by workflow."""
        asked, period = asked_period(request, ModelStatisticsQuery)
        wanted = {name: asked[name] for name in ModelStatisticsQuery.NARROWING if asked.get(name) is not None}
        return Response(self.get_serializer(statistics.summarize(self.get_queryset().filter(**wanted), period)).data)
