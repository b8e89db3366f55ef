"""What calls of models used and cost over a time: in total, day by day, by model and by workflow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from executions.spending.models import CallStatus, ModelCall
from executions.statistics import Period

# Rows of a table by model or by workflow: the dearest.
MOST_GROUPS = 200

_LAST_DIGIT = Decimal("1e-9")


@dataclass(frozen=True)
class ModelFigures:
    """What some calls used and cost. Those that were not charged are not among them.

    :param calls: those under way, too.
    :param unknown_calls: of these, how many have a cost that nobody knows: what is under ``cost`` is at least what they cost.
    :param cost: of those that were answered and have a price, in US dollars.
    :param open_cost: what the others can cost at most, so far as they have a price: those that are under way, and those of which
        nobody knows whether they were charged.
    """

    calls: int = 0
    unknown_calls: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost: Decimal = Decimal(0)
    open_cost: Decimal = Decimal(0)

    def __add__(self, more: ModelFigures) -> ModelFigures:
        names = [each.name for each in fields(self)]
        return ModelFigures(**{name: getattr(self, name) + getattr(more, name) for name in names})


@dataclass(frozen=True)
class OfModel:
    """Figures of one model at one provider."""

    provider: str
    base_url: str
    model: str
    figures: ModelFigures


@dataclass(frozen=True)
class OfWorkflow:
    """Figures of one workflow."""

    workflow_id: UUID
    name: str
    figures: ModelFigures


@dataclass(frozen=True)
class ModelStatistics:
    """Figures of a period. ``by_day`` has also the days without any call; the other tables have at most 200 rows, the dearest."""

    period: Period
    total: ModelFigures
    by_day: Mapping[date, ModelFigures]
    by_model: tuple[OfModel, ...]
    by_workflow: tuple[OfWorkflow, ...]


def summarize(calls: QuerySet[ModelCall], period: Period) -> ModelStatistics:
    """Return the figures of those of the calls that were reserved in a period. Asks three queries.

    Calls of tests are among them: they are paid like all others.
    """
    calls = calls.filter(created_at__gte=period.since, created_at__lt=period.until)
    calls = calls.exclude(status=CallStatus.RELEASED).order_by()
    day = TruncDate("created_at", tzinfo=period.zone)
    by_day = {row["day"]: _figures(row) for row in calls.values(day=day).annotate(**_aggregates())}
    return ModelStatistics(
        period=period,
        total=_sum(by_day.values()),
        by_day={day: by_day.get(day, ModelFigures()) for day in period.days},
        by_model=tuple(
            OfModel(row["provider"], row["base_url"], row["model"], _figures(row))
            for row in _dearest(calls.values("provider", "base_url", "model"))
        ),
        by_workflow=tuple(
            OfWorkflow(row["workflow_id"], row["name"], _figures(row))
            for row in _dearest(calls.values("workflow_id", name=F("workflow__name")))
        ),
    )


def _dearest(groups: QuerySet[ModelCall, Any]) -> Iterable[Any]:
    figures = groups.annotate(**_aggregates())
    return figures.order_by(F("cost_sum").desc(nulls_last=True), F("calls").desc())[:MOST_GROUPS]


def _sum(figures: Iterable[ModelFigures]) -> ModelFigures:
    return sum(figures, start=ModelFigures())


def _aggregates() -> dict[str, Any]:
    return {
        "calls": Count("pk"),
        "unknown_calls": Count(
            "pk", filter=Q(cost__isnull=True) & (Q(status=CallStatus.SETTLED) | Q(reserved__isnull=True))
        ),
        **{f"{name}_sum": Sum(name) for name in _TOKENS},
        "cost_sum": Sum("cost"),
        "open_sum": Sum("reserved", filter=~Q(status=CallStatus.SETTLED)),
    }


_TOKENS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens")


def _figures(row: Mapping[str, Any]) -> ModelFigures:
    return ModelFigures(
        calls=row["calls"],
        unknown_calls=row["unknown_calls"],
        **{name: int(row[f"{name}_sum"]) for name in _TOKENS},
        # SQLite adds in floating point.
        cost=(row["cost_sum"] or Decimal(0)).quantize(_LAST_DIGIT),
        open_cost=(row["open_sum"] or Decimal(0)).quantize(_LAST_DIGIT),
    )
