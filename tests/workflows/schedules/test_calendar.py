"""When slots come, at every change of the clocks from 2020 to 2035 in twenty zones (R-8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.schedules.calendar import (
    RepeatedTimes,
    Schedule,
    SkippedTimes,
    latest_slot,
    latest_slots,
    next_slot,
    next_slots,
    slots,
    slots_between,
)

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# Whole and half hours, changes at midnight, a missing day, winter time that is the exception, a change of two hours.
ZONES = [
    "Africa/Cairo",
    "Africa/Casablanca",
    "America/Asuncion",
    "America/Havana",
    "America/New_York",
    "America/Nuuk",
    "America/Santiago",
    "America/St_Johns",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Jerusalem",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@cache
def changes(zone: str) -> list[datetime]:
    """Return the minutes at which a zone's offset changed, found by looking at every day."""
    info, found, moment = ZoneInfo(zone), [], utc(2020, 1, 1)
    while moment < utc(2036, 1, 1):
        after = moment + DAY
        if moment.astimezone(info).utcoffset() != after.astimezone(info).utcoffset():
            minutes = (moment + MINUTE * step for step in range(1, 1441))
            old = moment.astimezone(info).utcoffset()
            found.append(next(each for each in minutes if each.astimezone(info).utcoffset() != old))
        moment = after
    return found


@cache
def walls_around(zone: str, change: datetime) -> list[tuple[datetime, datetime]]:
    """Return every minute from a day before a change to a day after it, with what the clock on the wall shows."""
    info = ZoneInfo(zone)
    start = change - DAY
    moments = (start + MINUTE * step for step in range(2 * 1440))
    return [(moment, moment.astimezone(info).replace(tzinfo=None)) for moment in moments]


def expected_times(zone: str, change: datetime, hours: set[int], minutes: set[int]) -> list[datetime]:
    """Work out the rule for times of day by looking at every minute."""
    around = walls_around(zone, change)
    first_shown: dict[datetime, datetime] = {}
    for moment, wall in around:
        first_shown.setdefault(wall, moment)
    due = set()
    wall, last = around[0][1], around[-1][1]
    while wall <= last:
        if wall.hour in hours and wall.minute in minutes:
            due.add(first_shown.get(wall) or next(moment for moment, shown in around if shown > wall))
        wall += MINUTE
    return sorted(due)


def expected_rhythm(zone: str, change: datetime, minutes: set[int]) -> list[datetime]:
    return [moment for moment, wall in walls_around(zone, change) if wall.minute in minutes]


def found_slots(cron: str, zone: str, change: datetime) -> list[datetime]:
    start, end = change - DAY, change + DAY - MINUTE
    return list(slots(Schedule(cron, zone, end=end), after=start - MINUTE))


@pytest.mark.parametrize("zone", ZONES)
class TestChangesOfTheClocks:
    """R-8: the written rule, at every change, against a calculation that looks at every minute."""

    @pytest.mark.parametrize(
        ("cron", "hours", "minutes"),
        [
            ("30 2 * * *", {2}, {30}),
            ("0 0 * * *", {0}, {0}),
            ("15 0,1,2,3 * * *", {0, 1, 2, 3}, {15}),
            ("*/10 1-3 * * *", {1, 2, 3}, {0, 10, 20, 30, 40, 50}),
            ("45 */2 * * *", set(range(0, 24, 2)), {45}),
            ("30 23 * * *", {23}, {30}),
        ],
    )
    def test_a_time_of_day_fires_once_however_often_it_is_shown(self, zone, cron, hours, minutes):
        for change in changes(zone):
            assert found_slots(cron, zone, change) == expected_times(zone, change, hours, minutes), change

    @pytest.mark.parametrize(("cron", "minutes"), [("*/15 * * * *", {0, 15, 30, 45}), ("5 * * * *", {5})])
    def test_a_rhythm_fires_whenever_the_clock_shows_it(self, zone, cron, minutes):
        for change in changes(zone):
            assert found_slots(cron, zone, change) == expected_rhythm(zone, change, minutes), change

    @pytest.mark.parametrize("cron", ["30 2 * * *", "*/10 0-3 * * *", "*/15 * * * *", "7 1,23 * * *"])
    def test_looking_back_finds_what_looking_forward_found(self, zone, cron):
        for change in changes(zone):
            forward = found_slots(cron, zone, change)
            for until in (change - MINUTE, change, change + 5 * MINUTE, change + 35 * MINUTE, change + 90 * MINUTE):
                latest = latest_slot(Schedule(cron, zone), since=change - DAY, until=until)
                assert latest == max((slot for slot in forward if slot <= until), default=None), until


def test_the_zones_have_changes_enough_to_say_something():
    assert len(ZONES) == 20
    assert sum(len(changes(zone)) for zone in ZONES) > 400


class TestSlots:
    def test_skip_a_gap_to_its_end(self):
        """R-8: 02:30 does not exist on 29 March 2026 in Berlin; 03:00 summer time is 01:00 UTC."""
        schedule = Schedule("30 2 * * *", "Europe/Berlin")

        assert next_slots(schedule, 2, after=utc(2026, 3, 28, 12)) == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0, 30)]

    def test_take_the_first_of_two_passes(self):
        """R-8: 02:30 comes twice on 25 October 2026 in Berlin."""
        schedule = Schedule("30 2 * * *", "Europe/Berlin")

        assert next_slots(schedule, 2, after=utc(2026, 10, 24, 12)) == [
            utc(2026, 10, 25, 0, 30),
            utc(2026, 10, 26, 1, 30),
        ]

    def test_asked_between_two_passes_do_not_go_back(self):
        schedule = Schedule("30 2 * * *", "Europe/Berlin")

        assert next_slot(schedule, after=utc(2026, 10, 25, 1, 10)) == utc(2026, 10, 26, 1, 30)

    def test_two_times_in_one_gap_are_one_slot(self):
        schedule = Schedule("0,20,40 2 * * *", "Europe/Berlin")

        assert next_slots(schedule, 2, after=utc(2026, 3, 28, 12)) == [utc(2026, 3, 29, 1), utc(2026, 3, 30, 0)]

    def test_a_whole_missing_day_fires_at_its_end(self):
        """Samoa had no 30 December 2011."""
        schedule = Schedule("0 12 * * *", "Pacific/Apia")

        assert next_slots(schedule, 3, after=utc(2011, 12, 29, 0)) == [
            utc(2011, 12, 29, 22),  # the 29th, 12:00 at -10
            utc(2011, 12, 30, 10),  # the end of the gap: the 31st, 00:00 at +14
            utc(2011, 12, 30, 22),  # the 31st, 12:00
        ]

    def test_come_after_the_moment_never_on_it(self):
        schedule = Schedule("0 12 * * *")

        assert next_slot(schedule, after=utc(2026, 1, 1, 12)) == utc(2026, 1, 2, 12)
        assert next_slot(schedule, after=utc(2026, 1, 1, 11, 59, 59, 999_999)) == utc(2026, 1, 1, 12)

    def test_start_and_end_belong_to_the_schedule(self):
        schedule = Schedule("0 12 * * *", start=utc(2026, 1, 5, 12), end=utc(2026, 1, 6, 12))

        assert list(slots(schedule, after=utc(2026, 1, 1))) == [utc(2026, 1, 5, 12), utc(2026, 1, 6, 12)]

    def test_leap_days_come_every_four_years(self):
        assert next_slots(Schedule("0 0 29 2 *"), 2, after=utc(2026, 1, 1)) == [utc(2028, 2, 29), utc(2032, 2, 29)]

    def test_the_last_day_of_a_month_is_the_last(self):
        assert next_slots(Schedule("0 0 L * *"), 3, after=utc(2027, 1, 1)) == [
            utc(2027, 1, 31),
            utc(2027, 2, 28),
            utc(2027, 3, 31),
        ]

    def test_six_fields_begin_with_seconds(self):
        schedule = Schedule("*/20 * * * * *")

        assert next_slots(schedule, 2, after=utc(2026, 1, 1)) == [utc(2026, 1, 1, 0, 0, 20), utc(2026, 1, 1, 0, 0, 40)]

    def test_the_calendar_ends_with_the_year_9999(self):
        assert next_slot(Schedule("0 0 29 2 *", start=utc(9998, 1, 1)), after=utc(2026, 1, 1)) is None
        last_moment = datetime.max.replace(tzinfo=UTC)
        assert next_slot(Schedule("* * * * *", "Asia/Tokyo", start=last_moment), after=utc(2026, 1, 1)) is None

    def test_the_calendar_begins_with_the_year_1(self):
        first_moment = datetime.min.replace(tzinfo=UTC)
        schedule = Schedule("0 12 * * *", start=first_moment, end=first_moment)

        assert next_slot(schedule, after=utc(2026, 1, 1)) is None

    def test_there_are_none_after_the_end(self):
        assert next_slot(Schedule("0 12 * * *", end=utc(2020, 1, 1)), after=utc(2026, 1, 1)) is None


class TestSchedule:
    @pytest.mark.parametrize(
        "cron",
        ["", "* * * *", "60 * * * *", "0 0 31 2 *", "a b c d e", "0 0 * * * * *", "*/0 * * * *", "0 0 * * 5#3/2"],
    )
    def test_refuses_an_expression_that_means_nothing(self, cron):
        with pytest.raises(ValueError, match="Cron expression"):
            Schedule(cron)

    @pytest.mark.parametrize("zone", ["", "Mars/Olympus", "America", "../etc/passwd", "\0"])
    def test_refuses_a_zone_that_is_none(self, zone):
        with pytest.raises(ValueError, match="Time zone"):
            Schedule("* * * * *", zone)


class TestLatestSlot:
    def test_is_the_last_one_in_the_span(self):
        """R-8: after a week without Segue the last missed slot is the one that fires."""
        schedule = Schedule("0 12 * * *")

        assert latest_slot(schedule, since=utc(2026, 1, 1), until=utc(2026, 1, 8, 13)) == utc(2026, 1, 8, 12)

    def test_may_be_the_very_ends_of_the_span(self):
        schedule = Schedule("0 12 * * *")

        assert latest_slot(schedule, since=utc(2026, 1, 1, 12), until=utc(2026, 1, 2, 11)) == utc(2026, 1, 1, 12)
        assert latest_slot(schedule, since=utc(2026, 1, 1), until=utc(2026, 1, 1, 12)) == utc(2026, 1, 1, 12)

    def test_is_none_in_a_span_without_one(self):
        schedule = Schedule("0 12 * * *")

        assert latest_slot(schedule, since=utc(2026, 1, 1, 13), until=utc(2026, 1, 2, 11)) is None

    def test_keeps_to_start_and_end(self):
        schedule = Schedule("0 12 * * *", start=utc(2026, 1, 2), end=utc(2026, 1, 3, 18))

        assert latest_slot(schedule, since=utc(2026, 1, 1), until=utc(2026, 1, 9)) == utc(2026, 1, 3, 12)
        assert latest_slot(schedule, since=utc(2025, 1, 1), until=utc(2026, 1, 2, 11)) is None

    @settings(max_examples=200, deadline=None)
    @given(
        cron=st.sampled_from(["*/7 * * * *", "0 */5 * * *", "30 2 * * 1-5", "0 0 1 * *", "15 1,13 L * *"]),
        zone=st.sampled_from(ZONES),
        since=st.integers(0, 2 * 366 * 1440).map(lambda minutes: utc(2024, 1, 1) + MINUTE * minutes),
        hours=st.integers(0, 200),
    )
    def test_agrees_with_walking_forward(self, cron, zone, since, hours):
        schedule, until = Schedule(cron, zone), since + HOUR * hours

        latest = latest_slot(schedule, since=since, until=until)

        walked = slots(Schedule(cron, zone, end=until), after=since - timedelta(microseconds=1))
        assert latest == max(walked, default=None)


class TestChosenRules:
    """R-8: every pair of rules, for times of day and for rhythms, against a calculation that looks at every minute."""

    def expected(self, zone, change, skipped, repeated, hours, minutes):
        around = walls_around(zone, change)
        shown: dict[datetime, list[datetime]] = {}
        for moment, wall in around:
            shown.setdefault(wall, []).append(moment)
        due, wall, last = set(), around[0][1], around[-1][1]
        while wall <= last:
            if wall.hour in hours and wall.minute in minutes:
                times = shown.get(wall, [])
                if not times and skipped == "after_gap":
                    due.add(next(moment for moment, on_the_wall in around if on_the_wall > wall))
                elif times:
                    due |= {"first": {times[0]}, "last": {times[-1]}, "both": set(times)}[repeated]
            wall += MINUTE
        return sorted(due)

    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("skipped", SkippedTimes)
    @pytest.mark.parametrize("repeated", RepeatedTimes)
    def test_hold_at_every_change(self, zone, skipped, repeated):
        patterns = [("20,50 0-3 * * *", {0, 1, 2, 3}, {20, 50}), ("*/30 * * * *", set(range(24)), {0, 30})]
        for change in changes(zone)[-6:]:
            for cron, hours, minutes in patterns:
                schedule = Schedule(cron, zone, skipped=skipped, repeated=repeated)

                found = list(slots_between(schedule, since=change - DAY, until=change + DAY - MINUTE))

                assert found == self.expected(zone, change, skipped, repeated, hours, minutes), (change, cron)

    @settings(max_examples=200, deadline=None)
    @given(
        zone=st.sampled_from(ZONES),
        skipped=st.sampled_from(SkippedTimes),
        repeated=st.sampled_from(RepeatedTimes),
        cron=st.sampled_from(["*/20 * * * *", "10,40 1-3 * * *", "0 0 * * *"]),
        number=st.integers(0, 20),
        minutes=st.integers(-1500, 1500),
        most=st.integers(1, 12),
    )
    def test_the_latest_are_the_end_of_all(self, zone, skipped, repeated, cron, number, minutes, most):
        change = changes(zone)[number % len(changes(zone))]
        schedule = Schedule(cron, zone, skipped=skipped, repeated=repeated)
        since, until = change - 2 * DAY, change + MINUTE * minutes

        every_one = list(slots_between(schedule, since=since, until=until))

        assert latest_slots(schedule, most, since=since, until=until) == every_one[-most:]
        assert every_one == sorted(set(every_one))


class TestIntervals:
    def test_are_counted_from_their_anchor_and_never_drift(self):
        schedule = Schedule(every=timedelta(minutes=7), anchor=utc(2026, 1, 1, 0, 3))

        assert next_slots(schedule, 3, after=utc(2026, 1, 1, 0, 4)) == [
            utc(2026, 1, 1, 0, 10),
            utc(2026, 1, 1, 0, 17),
            utc(2026, 1, 1, 0, 24),
        ]

    def test_do_not_care_for_clocks_that_change(self):
        schedule = Schedule(zone="Europe/Berlin", every=timedelta(hours=1), anchor=utc(2026, 3, 28))

        found = list(slots_between(schedule, since=utc(2026, 3, 29), until=utc(2026, 3, 29, 3)))

        assert found == [utc(2026, 3, 29, hour) for hour in range(4)]

    @pytest.mark.parametrize(
        ("zone", "anchor", "every", "found"),
        [
            (
                "Europe/Berlin",
                datetime(2026, 10, 24, 14, 30),  # noqa: DTZ001 - as people write it
                timedelta(hours=12),
                [utc(2026, 10, 24, 12, 30), utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 12, 30)],
            ),
            # Half an hour goes at 2 o'clock; the anchor is a time that was never shown.
            (
                "Australia/Lord_Howe",
                datetime(2026, 10, 4, 2, 15),  # noqa: DTZ001
                timedelta(minutes=30),
                [utc(2026, 10, 3, 15, 45), utc(2026, 10, 3, 16, 15), utc(2026, 10, 3, 16, 45)],
            ),
        ],
    )
    def test_are_true_time_from_an_anchor_in_any_zone(self, zone, anchor, every, found):
        """[R-8] Sums within a zone are made on the wall: they would lose or repeat an hour."""
        schedule = Schedule(zone=zone, every=every, anchor=anchor.replace(tzinfo=ZoneInfo(zone)))

        assert next_slots(schedule, 3, after=found[0] - MINUTE) == found
        assert latest_slots(schedule, 3, since=found[0], until=found[-1]) == found

    def test_begin_with_their_anchor(self):
        anchor = utc(2026, 1, 1)
        schedule = Schedule(every=DAY, anchor=anchor, start=anchor)

        assert next_slots(schedule, 2, after=anchor - DAY) == [anchor, anchor + DAY]
        assert next_slot(schedule, after=anchor) == anchor + DAY

    @given(
        seconds=st.integers(10, 100_000),
        after=st.integers(-1_000_000, 10_000_000),
        most=st.integers(1, 5),
    )
    def test_lie_on_the_grid(self, seconds, after, most):
        every, anchor = timedelta(seconds=seconds), utc(2026, 1, 1)
        moment = anchor + timedelta(seconds=after)
        schedule = Schedule(every=every, anchor=anchor)

        first = next_slot(schedule, after=moment)

        assert first is not None
        assert (first - anchor) % every == timedelta(0)
        assert first > moment
        assert first == anchor or first - every <= moment
        latest = latest_slots(schedule, most, since=anchor, until=moment)
        assert latest == [slot for slot in (first - every * back for back in range(most, 0, -1)) if slot >= anchor]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"every": timedelta(seconds=9), "anchor": utc(2026, 1, 1)},
            {"every": DAY},
            {"every": DAY, "anchor": utc(2026, 1, 1), "cron": "* * * * *"},
        ],
    )
    def test_are_refused_where_they_mean_nothing(self, wrong):
        with pytest.raises(ValueError, match="An interval"):
            Schedule(**wrong)


class TestNames:
    @pytest.mark.parametrize(
        ("name", "fields"),
        [
            ("@hourly", "0 * * * *"),
            ("@daily", "0 0 * * *"),
            ("@MIDNIGHT", "0 0 * * *"),
            ("@weekly", "0 0 * * 0"),
            ("@monthly", "0 0 1 * *"),
            ("@yearly", "0 0 1 1 *"),
        ],
    )
    def test_stand_for_fields(self, name, fields):
        after = utc(2026, 3, 4, 12)

        assert next_slots(Schedule(name), 3, after=after) == next_slots(Schedule(fields), 3, after=after)
