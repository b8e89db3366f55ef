"""Text that means time is read strictly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from workflows.nodes.moments import parse_duration, parse_moment


class TestParseMoment:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            ("2026-03-01T09:00:00Z", datetime(2026, 3, 1, 9, tzinfo=UTC)),
            ("2026-03-01T09:00:00.250+01:00", datetime(2026, 3, 1, 8, 0, 0, 250_000, tzinfo=UTC)),
            ("2026-03-01 09:00-05:30", datetime(2026, 3, 1, 14, 30, tzinfo=UTC)),
            ("2026-07-01T09:00", datetime(2026, 7, 1, 7, tzinfo=UTC)),  # Berlin in summer.
            ("2026-01-01T09:00", datetime(2026, 1, 1, 8, tzinfo=UTC)),  # Berlin in winter.
            ("2028-02-29T00:00", datetime(2028, 2, 28, 23, tzinfo=UTC)),
        ],
    )
    def test_reads_moments(self, text, moment):
        assert parse_moment(text, default_timezone="Europe/Berlin") == moment

    def test_takes_the_first_of_two_times_when_clocks_go_back(self):
        first = parse_moment("2026-10-25T02:30", default_timezone="Europe/Berlin")

        assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)

    def test_gives_moments_whose_sums_are_true_time(self):
        before = parse_moment("2026-10-24T14:30", default_timezone="Europe/Berlin")

        assert before + timedelta(hours=24) == datetime(2026, 10, 25, 12, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "tomorrow",
            "2026-03-01",
            "2026-W09-1T09:00",
            "20260301T090000",
            "2026-02-30T09:00",
            "2026-03-01T24:00",
            "2026-03-01T09",
            "2026-03-01T09:00:00+0100",
            "2026-03-01T09:00 ",
            "0001-01-01T00:00",
            "\u0662026-03-01T09:00",
            "2026-03-01T09:00:00.1234567",
            "2026-03-01T09:00+99:00",
            "1772355600",
        ],
    )
    def test_refuses_everything_else(self, text):
        with pytest.raises(ValueError, match="is no date and time"):
            parse_moment(text, default_timezone="UTC")


class TestParseDuration:
    @pytest.mark.parametrize(
        ("text", "length"),
        [
            ("PT30S", timedelta(seconds=30)),
            ("PT0.5S", timedelta(milliseconds=500)),
            ("PT5M", timedelta(minutes=5)),
            ("P1DT12H", timedelta(days=1, hours=12)),
            ("P2W", timedelta(weeks=2)),
            ("P1W2DT3H4M5S", timedelta(weeks=1, days=2, hours=3, minutes=4, seconds=5)),
            ("PT0S", timedelta(0)),
        ],
    )
    def test_reads_durations(self, text, length):
        assert parse_duration(text) == length

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "P",
            "PT",
            "P1DT",
            "5M",
            "PT5",
            "pt5m",
            "P1Y",
            "P1M",
            "-PT5M",
            "PT-5M",
            "PT5M1H",
            "PT1e3S",
            "P1.5D",
            "PT5M ",
            "PT\u0665M",
        ],
    )
    def test_refuses_everything_else(self, text):
        with pytest.raises(ValueError, match="is no duration"):
            parse_duration(text)
