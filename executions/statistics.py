"""How executions went over a time: by status, how long, how dear, in total and day by day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Avg, Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from pydantic import TypeAdapter, ValidationError

from executions.models import ENDED, ExecutionStatus, WorkflowExecution
from executions.percentile import Percentile
from projects.exceptions import Invalid
from workflows.nodes.moments import TimeZoneName

DEFAULT_DAYS = 30
MOST_DAYS = 366

# What success is measured among: somebody's cancelling says nothing about the workflow.
JUDGED = tuple(status for status in ENDED if status != ExecutionStatus.CANCELLED)

_CENT_OF_A_MILLIONTH = Decimal("1e-9")


@dataclass(frozen=True)
class Period:
    """From ``since`` until before ``until``; days begin at midnight in ``zone``."""

    since: datetime
    until: datetime
    zone: ZoneInfo

    @property
    def days(self) -> list[date]:
        """Every day that a part of it lies in."""
        first = self.since.astimezone(self.zone).date()
        last = (self.until - timedelta(microseconds=1)).astimezone(self.zone).date()
        return [first + timedelta(days=number) for number in range((last - first).days + 1)]


@dataclass(frozen=True)
class Figures:
    """What became of the executions that were accepted in a time."""

    executions: int
    by_status: Mapping[str, int]
    # Of those that ended by themselves, the share that completed. None if there is none.
    success_rate: float | None
    # Of those that ended, in seconds. None if there is none.
    average_seconds: float | None
    p95_seconds: float | None
    tokens_used: int
    cost: Decimal
    # False: a cost that nobody knows is not in it.
    is_cost_complete: bool


@dataclass(frozen=True)
class Statistics:
    """Figures of a period, in total and of each of its days, also of those without any execution."""

    period: Period
    total: Figures
    by_day: Mapping[date, Figures]


def zone_of(name: str) -> ZoneInfo:
    """Return the time zone with an IANA name.

    :raises Invalid: if there is none.
    """
    try:
        return ZoneInfo(TypeAdapter(TimeZoneName).validate_python(name))
    except ValidationError as error:
        (problem,) = error.errors()
        raise Invalid(problem["msg"], path="?timezone", hint=problem.get("ctx", {}).get("hint")) from None


def period(*, now: datetime, zone: ZoneInfo, since: datetime | None = None, until: datetime | None = None) -> Period:
    """Return the period that is meant: by default the last 30 days, today among them.

    :raises Invalid: if it ends before it begins, or has more than 366 days.
    """
    until = until or now
    since = since or _midnight(until, zone, days_before=DEFAULT_DAYS - 1)
    if since >= until:
        raise Invalid(f"The time ends ({until.isoformat()}) before it begins ({since.isoformat()}).", path="?until")
    try:
        meant = Period(since.astimezone(UTC), until.astimezone(UTC), zone)
        days = len(meant.days)
    except OverflowError:
        raise Invalid("The time lies too far from today.", path="?since") from None
    # A day more: 366 days from noon to noon lie in 367.
    if days > MOST_DAYS + 1:
        raise Invalid(f"The time has {days} days; at most {MOST_DAYS} are allowed.", path="?since")
    return meant


def summarize(executions: QuerySet[WorkflowExecution], period: Period) -> Statistics:
    """Return the figures of those of the executions that were accepted in a period, without tests. Asks two queries."""
    executions = executions.filter(created_at__gte=period.since, created_at__lt=period.until, is_test=False).order_by()
    day = TruncDate("created_at", tzinfo=period.zone)
    found = {row["day"]: _figures(row) for row in executions.values(day=day).annotate(**_aggregates())}
    nothing = _figures({})
    return Statistics(
        period=period,
        total=_figures(executions.aggregate(**_aggregates())),
        by_day={day: found.get(day, nothing) for day in period.days},
    )


def _midnight(moment: datetime, zone: ZoneInfo, *, days_before: int) -> datetime:
    try:
        day = moment.astimezone(zone).date() - timedelta(days=days_before)
        return datetime.combine(day, time(), zone)
    except OverflowError:
        raise Invalid("The time lies too far from today.", path="?until") from None


def _aggregates() -> dict[str, Any]:
    return {
        **{f"count_{status}": Count("pk", filter=Q(status=status)) for status in ExecutionStatus.values},
        "average_seconds": Avg("duration_seconds"),
        "p95_seconds": Percentile("duration_seconds", 0.95),
        "tokens": Sum("tokens_used"),
        "money": Sum("cost"),
        "incomplete": Count("pk", filter=Q(is_cost_complete=False)),
    }


def _figures(row: Mapping[str, Any]) -> Figures:
    by_status = {status: row.get(f"count_{status}", 0) for status in ExecutionStatus.values}
    judged = sum(by_status[status] for status in JUDGED)
    return Figures(
        executions=sum(by_status.values()),
        by_status=by_status,
        success_rate=by_status[ExecutionStatus.COMPLETED] / judged if judged else None,
        average_seconds=row.get("average_seconds"),
        p95_seconds=row.get("p95_seconds"),
        tokens_used=row.get("tokens") or 0,
        # SQLite adds in floating point.
        cost=(row.get("money") or Decimal(0)).quantize(_CENT_OF_A_MILLIONTH),
        is_cost_complete=not row.get("incomplete"),
    )
