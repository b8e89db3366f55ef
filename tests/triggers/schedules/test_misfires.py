"""Which slots fire, which are passed over (R-8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.schedules.jitter import jitter_of
from triggers.schedules.misfires import MOST_AT_ONCE, Misfire, MisfirePolicy, Span, due_slots
from workflows.schedules.calendar import Schedule, slots_between

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
HOURLY, MINUTELY = Schedule("0 * * * *"), Schedule("* * * * *")
JOB = UUID("0198c5a0-0000-7000-8000-000000000000")


def hours(*numbers):
    return tuple(NOON + HOUR * number for number in numbers)


class TestDueSlots:
    @pytest.mark.parametrize("policy", MisfirePolicy)
    def test_a_slot_that_is_merely_late_fires_whatever_the_policy(self, policy):
        due = due_slots(HOURLY, since=NOON, now=NOON + 59 * SECOND, misfire=Misfire(policy))

        assert (due.fire, due.missed, due.following) == (hours(0), None, NOON + HOUR)

    @pytest.mark.parametrize(
        ("misfire", "fire", "missed"),
        [
            (Misfire(MisfirePolicy.SKIP), (), Span(NOON, NOON + 5 * HOUR, 6)),
            (Misfire(MisfirePolicy.LAST), hours(5), Span(NOON, NOON + 4 * HOUR, 5)),
            (Misfire(MisfirePolicy.ALL, max=3), hours(3, 4, 5), Span(NOON, NOON + 2 * HOUR, 3)),
            (Misfire(MisfirePolicy.ALL, max=6), hours(0, 1, 2, 3, 4, 5), None),
            (Misfire(MisfirePolicy.ALL, max=100), hours(0, 1, 2, 3, 4, 5), None),
        ],
    )
    def test_the_policy_decides_about_those_that_were_missed(self, misfire, fire, missed):
        due = due_slots(HOURLY, since=NOON, now=NOON + 5 * HOUR + 2 * MINUTE, misfire=misfire)

        assert (due.fire, due.missed, due.following) == (fire, missed, NOON + 6 * HOUR)

    def test_the_last_is_the_late_one_where_there_is_one(self):
        due = due_slots(HOURLY, since=NOON, now=NOON + 2 * HOUR + SECOND, misfire=Misfire(MisfirePolicy.LAST))

        assert (due.fire, due.missed) == (hours(2), Span(NOON, NOON + HOUR, 2))

    def test_so_many_fire_at_once_and_the_clock_stands_at_the_next_one(self):
        every_second = Schedule("* * * * * *")

        due = due_slots(every_second, since=NOON, now=NOON + HOUR, misfire=Misfire(grace=2 * HOUR))

        assert len(due.fire) == MOST_AT_ONCE
        assert due.following == NOON + SECOND * MOST_AT_ONCE

    def test_a_slot_whose_jitter_is_not_over_stays(self):
        def jitter(slot):
            return 30 * SECOND

        due = due_slots(MINUTELY, since=NOON, now=NOON + 75 * SECOND, misfire=Misfire(grace=HOUR), jitter=jitter)

        assert (due.fire, due.following) == ((NOON,), NOON + MINUTE)

    def test_where_the_zone_has_changed_its_rules_the_slot_that_was_told_fires(self):
        told = NOON + 30 * MINUTE

        due = due_slots(HOURLY, since=told, now=told + SECOND, misfire=Misfire())

        assert (due.fire, due.following) == ((told,), NOON + HOUR)

    @given(
        policy=st.sampled_from(MisfirePolicy),
        most=st.integers(1, 20),
        grace=st.integers(10, 4000),
        waited=st.integers(0, 10_000),
        jitter=st.integers(0, 90),
    )
    def test_every_slot_fires_once_is_passed_over_once_or_is_still_to_come(self, policy, most, grace, waited, jitter):
        now = NOON + SECOND * waited
        misfire = Misfire(policy, max=most, grace=SECOND * (grace + jitter))
        passed = set(slots_between(MINUTELY, since=NOON, until=now))

        def delay(slot):
            return jitter_of(JOB, slot, at_most=SECOND * jitter)

        due = due_slots(MINUTELY, since=NOON, now=now, misfire=misfire, jitter=delay)

        skipped = set()
        if due.missed is not None:
            skipped = set(slots_between(MINUTELY, since=due.missed.first, until=due.missed.last))
            assert due.missed.count == len(skipped)
        fired = set(due.fire)
        to_come = {slot for slot in passed if due.following is not None and slot >= due.following}
        assert fired | skipped | to_come == passed
        assert not fired & skipped
        assert not (fired | skipped) & to_come
        assert list(due.fire) == sorted(due.fire)


class TestJitter:
    def test_is_the_same_whoever_asks_and_whenever(self):
        assert jitter_of(JOB, NOON, at_most=HOUR) == jitter_of(JOB, NOON, at_most=HOUR)

    def test_differs_from_slot_to_slot_and_from_job_to_job(self):
        other = UUID("0198c5a0-0000-7000-8000-000000000001")

        assert len({jitter_of(job, NOON + HOUR * n, at_most=HOUR) for job in (JOB, other) for n in range(5)}) == 10

    @given(seconds=st.integers(0, 3600), slot=st.datetimes(timezones=st.just(UTC)))
    def test_stays_within_its_bounds(self, seconds, slot):
        assert timedelta(0) <= jitter_of(JOB, slot, at_most=SECOND * seconds) <= SECOND * seconds
