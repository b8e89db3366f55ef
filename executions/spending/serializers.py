"""Budgets and statistics of models as the API shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions.spending.budgets import MOST
from executions.spending.ledger import Standing
from executions.spending.models import Budget, BudgetPeriod
from executions.spending.statistics import ModelFigures, ModelStatistics, OfModel, OfWorkflow
from executions.statistics_serializers import StatisticsQuery
from projects.models import Project
from projects.rest import ScopedRelatedField, StrictSerializer
from workflows.models import Workflow

_MONEY: dict[str, Any] = {"max_digits": 38, "decimal_places": 9}


class StandingSerializer(serializers.Serializer[Standing]):
    """How much of a budget is gone in the time that lasts now."""

    spent = serializers.DecimalField(**_MONEY)
    reserved = serializers.DecimalField(**_MONEY, help_text="What calls that are under way can cost at most.")
    unknown_calls = serializers.IntegerField(help_text="Calls without a known price, which are in neither.")


class BudgetSerializer(serializers.ModelSerializer[Budget]):
    now = serializers.SerializerMethodField(help_text="Null for `execution`: each has its own.")

    class Meta:
        model = Budget
        fields = ["id", "project", "workflow", "period", "amount", "timezone", "now", "created_at", "updated_at"]
        read_only_fields = fields

    @extend_schema_field(StandingSerializer(allow_null=True))
    def get_now(self, budget: Budget) -> dict[str, Any] | None:
        """Return how much of it is gone."""
        standing = self.context["standings"][budget.pk]
        return None if standing is None else StandingSerializer(standing).data


class BudgetChange(StrictSerializer):
    amount = serializers.DecimalField(
        max_digits=18, decimal_places=9, min_value=0, max_value=MOST, help_text="US dollars."
    )
    timezone = serializers.CharField(
        required=False, max_length=64, help_text="IANA name, such as Europe/Berlin: where days and months begin."
    )


class BudgetInput(BudgetChange):
    project = ScopedRelatedField(queryset=Project.objects.all(), project_path="")
    workflow = ScopedRelatedField(
        queryset=Workflow.objects.all(),
        required=False,
        allow_null=True,
        help_text="Null: all workflows of the project together.",
    )
    period = serializers.ChoiceField(choices=BudgetPeriod.choices)


class ModelStatisticsQuery(StatisticsQuery):
    """Which calls are meant."""

    NARROWING = ("project", "workflow", "provider", "model", "is_test")

    project = serializers.UUIDField(required=False)
    workflow = serializers.UUIDField(required=False)
    provider = serializers.CharField(required=False, max_length=64, help_text="`openai` or `anthropic`.")
    model = serializers.CharField(required=False, max_length=200, help_text="The name as it was answered.")
    is_test = serializers.BooleanField(
        required=False,
        default=None,
        allow_null=True,
        help_text="Calls of tests alone, or of all others; without it, both.",
    )


class ModelFiguresSerializer(serializers.Serializer[ModelFigures]):
    """What some calls used and cost."""

    calls = serializers.IntegerField(help_text="Those that were charged, or may be.")
    unknown_calls = serializers.IntegerField(
        help_text="Of these, how many have a cost that nobody knows: the others cost at least `cost`."
    )
    input_tokens = serializers.IntegerField()
    cached_input_tokens = serializers.IntegerField(help_text="Of the input.")
    cache_write_tokens = serializers.IntegerField(help_text="Of the input.")
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField(help_text="Of the output.")
    cost = serializers.DecimalField(**_MONEY, help_text="Of what was answered and has a price, in US dollars.")
    open_cost = serializers.DecimalField(
        **_MONEY,
        help_text="What calls can cost at most that are under way, or of which nobody knows whether they were charged.",
    )


class DayModelFiguresSerializer(ModelFiguresSerializer):
    """The same, of one day."""

    day = serializers.DateField()


class OfModelSerializer(ModelFiguresSerializer):
    """The same, of one model."""

    provider = serializers.CharField()
    base_url = serializers.CharField(help_text="Empty: the provider's own.")
    model = serializers.CharField()


class OfWorkflowSerializer(ModelFiguresSerializer):
    """The same, of one workflow."""

    workflow = serializers.UUIDField()
    name = serializers.CharField()


class ModelStatisticsSerializer(serializers.Serializer[ModelStatistics]):
    """Figures of a time, in total, by day, by model and by workflow."""

    since = serializers.DateTimeField(source="period.since")
    until = serializers.DateTimeField(source="period.until")
    timezone = serializers.CharField(source="period.zone.key")
    total = ModelFiguresSerializer()
    by_day = serializers.SerializerMethodField()
    by_model = serializers.SerializerMethodField(help_text="The 200 dearest.")
    by_workflow = serializers.SerializerMethodField(help_text="The 200 dearest.")

    @extend_schema_field(DayModelFiguresSerializer(many=True))
    def get_by_day(self, statistics: ModelStatistics) -> list[dict[str, Any]]:
        """Return one row for each day."""
        return [
            {"day": day.isoformat(), **ModelFiguresSerializer(figures).data}
            for day, figures in statistics.by_day.items()
        ]

    @extend_schema_field(OfModelSerializer(many=True))
    def get_by_model(self, statistics: ModelStatistics) -> list[dict[str, Any]]:
        """Return one row for each model."""
        return [self._of_model(each) for each in statistics.by_model]

    @extend_schema_field(OfWorkflowSerializer(many=True))
    def get_by_workflow(self, statistics: ModelStatistics) -> list[dict[str, Any]]:
        """Return one row for each workflow."""
        return [self._of_workflow(each) for each in statistics.by_workflow]

    def _of_model(self, row: OfModel) -> dict[str, Any]:
        named = {"provider": row.provider, "base_url": row.base_url, "model": row.model}
        return {**named, **ModelFiguresSerializer(row.figures).data}

    def _of_workflow(self, row: OfWorkflow) -> dict[str, Any]:
        return {"workflow": str(row.workflow_id), "name": row.name, **ModelFiguresSerializer(row.figures).data}
