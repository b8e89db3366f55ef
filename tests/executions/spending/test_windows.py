"""When days and months of budgets begin and end, also where clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.spending.models import BudgetPeriod
from executions.spending.windows import window

ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia", "Africa/Cairo"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "zone", "now", "since", "until"),
    [
        ("day", "UTC", "2026-03-04 12:00", "2026-03-04 00:00", "2026-03-05 00:00"),
        ("day", "UTC", "2026-03-04 00:00", "2026-03-04 00:00", "2026-03-05 00:00"),
        ("day", "Europe/Berlin", "2026-03-04 23:30", "2026-03-04 23:00", "2026-03-05 23:00"),
        ("day", "Asia/Kathmandu", "2026-03-04 18:14", "2026-03-03 18:15", "2026-03-04 18:15"),
        # The days on which clocks change have 23 and 25 hours.
        ("day", "Europe/Berlin", "2026-03-29 12:00", "2026-03-28 23:00", "2026-03-29 22:00"),
        ("day", "Europe/Berlin", "2026-10-25 12:00", "2026-10-24 22:00", "2026-10-25 23:00"),
        ("month", "UTC", "2024-02-29 23:59", "2024-02-01 00:00", "2024-03-01 00:00"),
        ("month", "UTC", "2026-12-31 12:00", "2026-12-01 00:00", "2027-01-01 00:00"),
        ("month", "Europe/Berlin", "2026-03-31 22:30", "2026-03-31 22:00", "2026-04-30 22:00"),
        ("month", "America/Sao_Paulo", "2026-03-01 01:00", "2026-02-01 03:00", "2026-03-01 03:00"),
    ],
)
def test_is_from_midnight_to_midnight_of_the_zone(period, zone, now, since, until):
    assert window(BudgetPeriod(period), ZoneInfo(zone), at(now)) == (at(since), at(until))


def test_of_an_execution_there_is_none():
    assert window(BudgetPeriod.EXECUTION, ZoneInfo("UTC"), at("2026-03-04 12:00")) is None


@given(
    st.sampled_from([BudgetPeriod.DAY, BudgetPeriod.MONTH]),
    st.sampled_from(ZONES),
    st.datetimes(datetime.fromisoformat("2010-01-01"), datetime.fromisoformat("2035-01-01"), timezones=st.just(UTC)),
)
def test_every_moment_lies_in_its_own_and_the_next_one_begins_where_it_ends(period, zone, now):
    since, until = window(period, ZoneInfo(zone), now)

    assert since <= now < until
    assert window(period, ZoneInfo(zone), until)[0] == until
    assert window(period, ZoneInfo(zone), until - timedelta(microseconds=1)) == (since, until)
