"""The times that budgets are for. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from executions.spending.models import BudgetPeriod


def window(period: BudgetPeriod, zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime] | None:
    """Return from when until before when the day or the month lasts that a moment is in; None for an execution."""
    today = now.astimezone(zone).date()
    match period:
        case BudgetPeriod.EXECUTION:
            return None
        case BudgetPeriod.DAY:
            first, after = today, today + timedelta(days=1)
        case BudgetPeriod.MONTH:
            first = today.replace(day=1)
            after = (first + timedelta(days=31)).replace(day=1)
    return _midnight(first, zone), _midnight(after, zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    # In UTC, so that a day on which the clocks change has the hours that it has.
    return datetime.combine(day, time(), zone).astimezone(UTC)
