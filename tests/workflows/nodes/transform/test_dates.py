"""Dates and times: exact over changes of the clocks, month ends and leap days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.definition.strategies import patient
from tests.workflows.nodes.runs import FakeContext
from tests.workflows.nodes.transform.stepping import failure, problems, result

BERLIN = {"timezone": "Europe/Berlin"}
MOMENTS = st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - their zone is the third
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo"]
)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestRead:
    """What all of these operations take for a moment; `convert_zone` shows it."""

    @pytest.mark.parametrize(
        ("text", "settings", "expected"),
        [
            ("2026-03-01T09:00:00Z", {}, "2026-03-01T09:00:00Z"),
            ("2026-03-01T09:00:00+01:00", {}, "2026-03-01T08:00:00Z"),
            ("2026-03-01 09:00", BERLIN, "2026-03-01T08:00:00Z"),
            ("2026-03-01", BERLIN, "2026-02-28T23:00:00Z"),
            ("2026-03-01T09:00:00.5Z", {}, "2026-03-01T09:00:00.500Z"),
            ("2026-03-01T09:00:00.123456Z", {}, "2026-03-01T09:00:00.123456Z"),
            ("2026-03-01T09:00:00.123456789Z", {}, "2026-03-01T09:00:00.123456Z"),
            ("2026-03-01T09:00:00-0500", {}, "2026-03-01T14:00:00Z"),
            ("9999-12-31", {}, "9999-12-31T00:00:00Z"),
            ("0001-01-01T00:00:00Z", {}, "0001-01-01T00:00:00Z"),
            # A time that the clocks skip is as much later; one in autumn comes twice.
            ("2026-03-29T02:30", BERLIN, "2026-03-29T01:30:00Z"),
            ("2026-10-25T02:30", BERLIN, "2026-10-25T00:30:00Z"),
            ("2026-10-25T02:30", {**BERLIN, "repeated": "last"}, "2026-10-25T01:30:00Z"),
            # Lord Howe moves its clocks by half an hour.
            ("2026-10-04T02:15", {"timezone": "Australia/Lord_Howe"}, "2026-10-03T15:45:00Z"),
        ],
    )
    def test_takes_text_for_a_moment(self, text, settings, expected):
        assert result(text, "convert_zone", to="UTC", **settings) == expected

    def test_means_the_clocks_of_the_workflow_unless_it_says_otherwise(self):
        assert result(
            "2026-03-01T09:00", "convert_zone", to="UTC", context=FakeContext(default_timezone="Asia/Tokyo")
        ) == ("2026-03-01T00:00:00Z")

    @pytest.mark.parametrize(
        ("text", "settings", "code", "words"),
        [
            (
                "2026-03-29T02:30",
                {**BERLIN, "skipped": "fail"},
                "skipped_time",
                "The clocks of Europe/Berlin skip 2026-03-29 02:30",
            ),
            ("2026-10-25T02:30", {**BERLIN, "repeated": "fail"}, "repeated_time", "show 2026-10-25 02:30:00 twice"),
            ("2026-02-30", {}, "invalid_moment", "is no date and time"),
            ("2026-03-01T24:00", {}, "invalid_moment", "is no date and time"),
            ("2026-03-01T09:00+99:99", {}, "invalid_moment", "is no date and time"),
            ("20260301", {}, "invalid_moment", "is no date and time"),
            ("0001-01-01T00:00:00+10:00", {}, "invalid_moment", "the calendar ends"),
            ("9999-12-31T23:00:00", {"timezone": "America/New_York"}, "invalid_moment", "the calendar ends"),
            ("tomorrow", {}, "invalid_moment", "'tomorrow' is no date and time"),
            (1767225600, {}, "wrong_type", "must be text, not a number"),
        ],
    )
    def test_refuses_what_names_none(self, text, settings, code, words):
        error = failure(text, "convert_zone", to="UTC", **settings)

        assert error.code == code
        assert words in error.message


class TestParse:
    @pytest.mark.parametrize(
        ("text", "pattern", "expected"),
        [
            ("01.03.2026", "dd.MM.yyyy", "2026-03-01T00:00:00+01:00"),
            ("1.3.26 7:05", "d.M.yy H:mm", "2026-03-01T07:05:00+01:00"),
            ("3/1/2026 12:30 AM", "M/d/yyyy h:mm a", "2026-03-01T00:30:00+01:00"),
            ("3/1/2026 12:30 pm", "M/d/yyyy h:mm a", "2026-03-01T12:30:00+01:00"),
            ("Sunday, 1 March 2026", "EEEE, d MMMM yyyy", "2026-03-01T00:00:00+01:00"),
            ("Sun 1 Mar 2026", "EEE d MMM yyyy", "2026-03-01T00:00:00+01:00"),
            ("2026-03-01T09:00:00.250-0500", "yyyy-MM-dd'T'HH:mm:ss.SSSZZZ", "2026-03-01T15:00:00.250+01:00"),
            ("01 o'clock 03 2026", "dd 'o''clock' MM yyyy", "2026-03-01T00:00:00+01:00"),
            ("20260301", "yyyyMMdd", "2026-03-01T00:00:00+01:00"),
            ("01.03.69", "dd.MM.yy", "1969-03-01T00:00:00+01:00"),
            ("29.03.2026 02:30", "dd.MM.yyyy HH:mm", "2026-03-29T03:30:00+02:00"),
        ],
    )
    def test_reads_patterns(self, text, pattern, expected):
        assert result(text, "parse_date", patterns=[pattern], **BERLIN) == expected

    @pytest.mark.parametrize(
        ("value", "form", "expected"),
        [
            (0, "unix", "1970-01-01T01:00:00+01:00"),
            (1767225600.5, "unix", "2026-01-01T01:00:00.500+01:00"),
            (1767225600000, "unix_ms", "2026-01-01T01:00:00+01:00"),
            (-1, "unix", "1970-01-01T00:59:59+01:00"),
            ("1772355600.000100", "unix", "2026-03-01T10:00:00.000100+01:00"),
            ("1772355600000", "unix_ms", "2026-03-01T10:00:00+01:00"),
            ("Sun, 01 Mar 2026 09:00:00 +0000", "rfc2822", "2026-03-01T10:00:00+01:00"),
            ("2026-03-01T08:00:00Z", "iso", "2026-03-01T09:00:00+01:00"),
        ],
    )
    def test_reads_other_forms(self, value, form, expected):
        assert result(value, "parse_date", form=form, **BERLIN) == expected

    @pytest.mark.parametrize(
        ("value", "settings", "code", "words"),
        [
            ("1.3.2026", {"patterns": ["dd.MM.yyyy"]}, "invalid_moment", "is not written as `dd.MM.yyyy`"),
            ("31.02.2026", {"patterns": ["dd.MM.yyyy"]}, "invalid_moment", "names no day and time"),
            ("Monday 01.03.2026", {"patterns": ["EEEE dd.MM.yyyy"]}, "invalid_moment", "that day is a Sunday"),
            ("01.03.2026 13 PM", {"patterns": ["dd.MM.yyyy hh a"]}, "invalid_moment", "1 to 12"),
            (1e20, {"form": "unix"}, "invalid_moment", "the calendar ends"),
            ("5e3", {"form": "unix"}, "wrong_type", "must be a finite number"),
            ("9" * 15, {"form": "unix"}, "invalid_moment", "the calendar ends"),
            (True, {"form": "unix"}, "wrong_type", "must be a finite number"),
            ("soon", {"form": "rfc2822"}, "invalid_moment", "no date as in e-mail"),
        ],
    )
    def test_says_what_is_wrong(self, value, settings, code, words):
        error = failure(value, "parse_date", **settings)

        assert error.code == code
        assert words in error.message

    @patient
    @given(MOMENTS, ZONES, st.sampled_from(["yyyy-MM-dd'T'HH:mm:ss.SSSSSSZZ", "d MMM yyyy h:mm:ss.SSSSSS a ZZZ"]))
    def test_reads_what_format_date_writes(self, at, zone, pattern):
        written = result(at.isoformat(), "format_date", pattern=pattern, timezone=zone)

        assert moment(result(written, "parse_date", patterns=[pattern])) == at


class TestFormat:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"pattern": "yyyy yy MMMM MMM MM M dd d"}, "2026 26 March Mar 03 3 09 9"),
            ({"pattern": "EEEE EEE E"}, "Monday Mon 1"),
            ({"pattern": "HH H hh h a mm m ss s SSS SSSSSS"}, "15 15 03 3 PM 04 4 05 5 678 678000"),
            ({"pattern": "ZZ ZZZ z"}, "+01:00 +0100 Europe/Berlin"),
            ({"pattern": "kkkk-'W'WW ooo q"}, "2026-W11 068 1"),
            ({"pattern": "'it''s' d/M"}, "it's 9/3"),
            ({"form": "date"}, "2026-03-09"),
            ({"form": "time"}, "15:04:05"),
            ({"form": "unix"}, 1773065045),
            ({"form": "unix_ms"}, 1773065045678),
            ({"form": "rfc2822"}, "Mon, 09 Mar 2026 15:04:05 +0100"),
        ],
    )
    def test_writes(self, settings, expected):
        assert result("2026-03-09T15:04:05.678+01:00", "format_date", **BERLIN, **settings) == expected


class TestAdd:
    @pytest.mark.parametrize(
        ("start", "duration", "expected"),
        [
            # A day on the calendar, and 24 hours, over both changes of the clocks.
            ("2026-03-28T12:00:00+01:00", "P1D", "2026-03-29T12:00:00+02:00"),
            ("2026-03-28T12:00:00+01:00", "PT24H", "2026-03-29T13:00:00+02:00"),
            ("2026-10-24T12:00:00+02:00", "P1D", "2026-10-25T12:00:00+01:00"),
            ("2026-10-24T12:00:00+02:00", "PT24H", "2026-10-25T11:00:00+01:00"),
            ("2026-03-28T02:30:00+01:00", "P1D", "2026-03-29T03:30:00+02:00"),
            ("2026-10-24T02:30:00+02:00", "P1D", "2026-10-25T02:30:00+02:00"),
            ("2026-10-25T02:30:00+02:00", "PT1H", "2026-10-25T02:30:00+01:00"),
            ("2026-01-31T09:00:00+01:00", "P1M", "2026-02-28T09:00:00+01:00"),
            ("2028-01-31T09:00:00+01:00", "P1M", "2028-02-29T09:00:00+01:00"),
            ("2028-02-29T09:00:00+01:00", "P1Y", "2029-02-28T09:00:00+01:00"),
            ("2026-03-31T09:00:00+02:00", "-P1M", "2026-02-28T09:00:00+01:00"),
            ("2026-01-15T09:00:00+01:00", "-P1Y2M3DT4H5M6.5S", "2024-11-12T04:54:53.500+01:00"),
            ("2026-01-15T09:00:00+01:00", "P2W", "2026-01-29T09:00:00+01:00"),
            ("2026-01-31T23:00:00+01:00", "P1M1DT2H", "2026-03-02T01:00:00+01:00"),
        ],
    )
    def test_goes_on_the_calendar_and_then_in_true_time(self, start, duration, expected):
        assert result(start, "add_time", duration=duration, **BERLIN) == expected

    def test_may_add_something_else_to_each(self):
        items = [{"at": "2026-03-01T00:00:00Z", "days": 1}, {"at": "2026-03-01T00:00:00Z", "days": 2}]

        added = result(items, "add_time", field="at", into="due", duration="P{{ item.days }}D")

        assert [item["due"] for item in added] == ["2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"]

    @pytest.mark.parametrize(
        ("start", "settings", "code"),
        [
            ("2026-03-28T02:30:00", {"duration": "P1D", "skipped": "fail", **BERLIN}, "skipped_time"),
            ("2026-10-24T02:30:00", {"duration": "P1D", "repeated": "fail", **BERLIN}, "repeated_time"),
            ("2026-03-01", {"duration": "P9999Y"}, "invalid_moment"),
            ("2026-03-01", {"duration": "-P2026Y"}, "invalid_moment"),
            ("2026-03-01", {"duration": "{{ 'soon' + item.length }}"}, "invalid_duration"),
            ("2026-03-01", {"duration": "{{ item.length }}"}, "wrong_type"),
        ],
    )
    def test_says_what_is_wrong(self, start, settings, code):
        assert failure(start, "add_time", **settings).code == code

    @patient
    @given(MOMENTS, ZONES, st.integers(-100_000, 100_000))
    def test_of_seconds_is_true_time_everywhere(self, at, zone, seconds):
        sign = "-" if seconds < 0 else ""

        later = result(at.isoformat(), "add_time", duration=f"{sign}PT{abs(seconds)}S", timezone=zone)

        assert moment(later) == at + timedelta(seconds=seconds)
        assert moment(later).utcoffset() == moment(later).astimezone(ZoneInfo(zone)).utcoffset()


class TestBetween:
    @pytest.mark.parametrize(
        ("start", "until", "unit", "expected"),
        [
            ("2026-03-28T12:00", "2026-03-29T12:00", "hours", 23),
            ("2026-03-28T12:00", "2026-03-29T12:00", "days", 1),
            ("2026-10-24T12:00", "2026-10-25T12:00", "hours", 25),
            ("2026-10-24T12:00", "2026-10-25T11:59", "days", 0),
            ("2026-03-01T09:00", "2026-03-01T09:00:01.5", "seconds", 1.5),
            ("2026-03-01T09:00", "2026-03-01T09:00:01.5", "milliseconds", 1500),
            ("2026-03-01T09:00", "2026-03-01T08:30", "minutes", -30),
            ("2026-01-31", "2026-02-28", "months", 1),
            ("2026-01-31", "2026-02-27", "months", 0),
            ("2026-02-28", "2026-01-31", "months", -1),
            ("2024-02-29", "2026-02-28", "years", 2),
            ("2024-02-29", "2026-02-27", "years", 1),
            ("2026-01-01", "2026-12-31", "quarters", 3),
            ("2026-01-01", "2026-01-15", "weeks", 2),
            ("2026-01-15", "2026-01-01", "weeks", -2),
        ],
    )
    def test_counts(self, start, until, unit, expected):
        counted = result(start, "time_between", until=until, unit=unit, **BERLIN)

        assert (counted, type(counted)) == (expected, type(expected))

    def test_names_the_item_whose_end_makes_no_sense(self):
        items = [{"a": "2026-03-01", "b": "2026-03-02"}, {"a": "2026-03-01", "b": "soon"}]

        error = failure(items, "time_between", field="a", until="{{ item.b }}", unit="days")

        assert (error.code, error.details["item"]) == ("invalid_moment", 1)

    @patient
    @given(MOMENTS, MOMENTS, ZONES)
    def test_of_whole_months_is_what_add_time_adds(self, first, last, zone):
        first, last = sorted((first.replace(microsecond=0), last.replace(microsecond=0)))
        settings = {"timezone": zone}
        months = result(first.isoformat(), "time_between", until=last.isoformat(), unit="months", **settings)

        fits = result(first.isoformat(), "add_time", duration=f"P{months}M", **settings)
        too_far = result(first.isoformat(), "add_time", duration=f"P{months + 1}M", **settings)

        # On the clocks of the zone; what they skip is shifted by as much as three hours.
        assert moment(fits) <= last + timedelta(hours=3)
        assert moment(too_far) > last - timedelta(hours=3)


class TestStartOf:
    @pytest.mark.parametrize(
        ("unit", "start", "end"),
        [
            ("second", "2026-05-13T15:04:05+02:00", "2026-05-13T15:04:05.999+02:00"),
            ("minute", "2026-05-13T15:04:00+02:00", "2026-05-13T15:04:59.999+02:00"),
            ("hour", "2026-05-13T15:00:00+02:00", "2026-05-13T15:59:59.999+02:00"),
            ("day", "2026-05-13T00:00:00+02:00", "2026-05-13T23:59:59.999+02:00"),
            ("week", "2026-05-11T00:00:00+02:00", "2026-05-17T23:59:59.999+02:00"),
            ("month", "2026-05-01T00:00:00+02:00", "2026-05-31T23:59:59.999+02:00"),
            ("quarter", "2026-04-01T00:00:00+02:00", "2026-06-30T23:59:59.999+02:00"),
            ("year", "2026-01-01T00:00:00+01:00", "2026-12-31T23:59:59.999+01:00"),
        ],
    )
    def test_goes_to_both_ends(self, unit, start, end):
        at = "2026-05-13T13:04:05.678Z"

        assert result(at, "start_of", unit=unit, **BERLIN) == start
        assert result(at, "start_of", unit=unit, side="end", **BERLIN) == end

    @pytest.mark.parametrize(
        ("at", "settings", "expected"),
        [
            # A day of 23 hours, and one of 25.
            ("2026-03-29T12:00:00Z", {"unit": "day", **BERLIN}, "2026-03-29T00:00:00+01:00"),
            ("2026-10-25T12:00:00Z", {"unit": "day", "side": "end", **BERLIN}, "2026-10-25T23:59:59.999+01:00"),
            # Both hours from two to three have a start and an end.
            ("2026-10-25T00:30:00Z", {"unit": "hour", **BERLIN}, "2026-10-25T02:00:00+02:00"),
            ("2026-10-25T01:30:00Z", {"unit": "hour", **BERLIN}, "2026-10-25T02:00:00+01:00"),
            ("2026-10-25T00:30:00Z", {"unit": "hour", "side": "end", **BERLIN}, "2026-10-25T02:59:59.999+02:00"),
            # A day without a midnight: the clocks went from 00:00 to 01:00.
            ("2018-11-04T12:00:00Z", {"unit": "day", "timezone": "America/Sao_Paulo"}, "2018-11-04T01:00:00-02:00"),
            ("2028-02-10T00:00:00Z", {"unit": "month", "side": "end"}, "2028-02-29T23:59:59.999Z"),
        ],
    )
    def test_is_exact_where_the_clocks_change(self, at, settings, expected):
        assert result(at, "start_of", **settings) == expected

    @patient
    @given(MOMENTS, ZONES, st.sampled_from(["minute", "hour", "day", "week", "month", "quarter", "year"]))
    def test_encloses_the_moment(self, at, zone, unit):
        start = moment(result(at.isoformat(), "start_of", unit=unit, timezone=zone))
        end = moment(result(at.isoformat(), "start_of", unit=unit, timezone=zone, side="end"))

        assert start <= at < end + timedelta(milliseconds=1)


class TestConfig:
    @pytest.mark.parametrize(
        ("step", "problem"),
        [
            ({"operation": "parse_date", "patterns": ["YYYY-MM-DD"]}, ("invalid_pattern", "/patterns/0")),
            ({"operation": "parse_date", "patterns": ["dd.MM"]}, ("invalid_pattern", "/patterns/0")),
            ({"operation": "parse_date", "patterns": ["dd.MM.yyyy hh"]}, ("invalid_pattern", "/patterns/0")),
            ({"operation": "parse_date", "patterns": ["dd.dd.MM.yyyy"]}, ("invalid_pattern", "/patterns/0")),
            ({"operation": "parse_date", "patterns": ["dd.MM.yyyy 'open"]}, ("invalid_pattern", "/patterns/0")),
            ({"operation": "parse_date", "timezone": "Berlin"}, ("unknown_timezone", "/timezone")),
            ({"operation": "format_date"}, ("exactly_one", "")),
            ({"operation": "add_time", "duration": "1 day"}, ("invalid_duration", "/duration")),
            ({"operation": "time_between", "until": "x", "unit": "fortnights"}, ("invalid_choice", "/unit")),
            ({"operation": "convert_zone", "to": "{{ input }}"}, ("expression_forbidden", "/to")),
        ],
    )
    def test_is_checked_before_it_runs(self, step, problem):
        assert problems(**step) == [problem]
