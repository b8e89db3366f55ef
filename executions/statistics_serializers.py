"""Statistics as the API asks for them and shows them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from executions.models import ExecutionStatus
from executions.statistics import DEFAULT_DAYS, MOST_DAYS, Figures, Statistics
from projects.rest import StrictSerializer


class StatisticsQuery(StrictSerializer):
    """Which time is meant."""

    since = serializers.DateTimeField(
        required=False, help_text=f"From here on. Default: midnight {DEFAULT_DAYS - 1} days before `until`."
    )
    until = serializers.DateTimeField(
        required=False, help_text=f"Until before here, at most {MOST_DAYS} days after `since`. Default: now."
    )
    timezone = serializers.CharField(
        default="UTC",
        max_length=64,
        help_text="IANA name, such as Europe/Berlin: where days begin, and where times without an offset are meant.",
    )


class ByStatusSerializer(serializers.Serializer[Any]):
    """How many executions have which status."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {status: serializers.IntegerField() for status in ExecutionStatus.values}


class FiguresSerializer(serializers.Serializer[Figures]):
    """What became of the executions that were accepted in a time."""

    executions = serializers.IntegerField()
    by_status = ByStatusSerializer()
    success_rate = serializers.FloatField(
        allow_null=True, help_text="Completed, as a share of all that ended and were not cancelled; null without any."
    )
    average_seconds = serializers.FloatField(allow_null=True, help_text="Of those that ended; null without any.")
    p95_seconds = serializers.FloatField(allow_null=True, help_text="19 of 20 that ended took no longer.")
    tokens_used = serializers.IntegerField()
    cost = serializers.DecimalField(max_digits=38, decimal_places=9)
    is_cost_complete = serializers.BooleanField(help_text="False: a cost that nobody knows is not in it.")


class DayFiguresSerializer(FiguresSerializer):
    """The same, of one day."""

    day = serializers.DateField()


class StatisticsSerializer(serializers.Serializer[Statistics]):
    """Figures of a time, in total and day by day."""

    since = serializers.DateTimeField(source="period.since")
    until = serializers.DateTimeField(source="period.until")
    timezone = serializers.CharField(source="period.zone.key")
    total = FiguresSerializer()
    by_day = serializers.SerializerMethodField()

    @extend_schema_field(DayFiguresSerializer(many=True))
    def get_by_day(self, statistics: Statistics) -> list[dict[str, Any]]:
        """Return one row for each day."""
        return [
            {"day": day.isoformat(), **FiguresSerializer(figures).data} for day, figures in statistics.by_day.items()
        ]
