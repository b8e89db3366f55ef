"""Wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.builders import definition, node
from tests.clock import NOON
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, draft_problems, outcome
from workflows.nodes.base import Done, NodeError, Wait

NINETY_DAYS = 90 * 86_400


def codes(config):
    return found(definition("start > wait", wait=node("delay", config), settings={"timeout_seconds": 8_640_000}))


class TestDelay:
    @pytest.mark.parametrize(
        ("config", "until"),
        [
            ({"for_seconds": 90}, NOON + timedelta(seconds=90)),
            ({"for_seconds": 0.5}, NOON + timedelta(milliseconds=500)),
            ({"for_seconds": "{{ input.seconds * 2 }}"}, NOON + timedelta(minutes=2)),
            ({"for": "PT5M"}, NOON + timedelta(minutes=5)),
            ({"for": "PT{{ input.seconds }}S"}, NOON + timedelta(minutes=1)),
            ({"until": "2026-03-05T00:00:00+02:00"}, datetime(2026, 3, 4, 22, tzinfo=UTC)),
            ({"for": "P90D"}, NOON + timedelta(days=90)),
        ],
    )
    def test_waits_and_then_hands_its_input_on(self, config, until):
        assert outcome("delay", config, {"seconds": 60}) == Wait(until, output={"seconds": 60})

    def test_reads_a_moment_without_offset_on_the_clock_of_the_workflow(self):
        context = FakeContext(default_timezone="Asia/Tokyo")

        waits = outcome("delay", {"until": "2026-03-05T09:00"}, context=context)

        assert waits == Wait(datetime(2026, 3, 5, 0, tzinfo=UTC), output=None)

    @pytest.mark.parametrize(
        ("config", "now", "until"),
        [
            # On the day on which Berlin's clocks skip from 02:00 to 03:00, and the one on which they show 02:00 to 03:00 twice.
            ({"cron": "30 2 * * *"}, "2026-03-29T00:00:00+01:00", "2026-03-29T01:00:00+00:00"),
            ({"cron": "30 2 * * *"}, "2026-10-25T00:00:00+02:00", "2026-10-25T00:30:00+00:00"),
            ({"cron": "30 2 * * *"}, "2026-10-25T02:30:00+02:00", "2026-10-26T01:30:00+00:00"),
            ({"cron": "@daily"}, "2026-03-28T12:00:00+01:00", "2026-03-28T23:00:00+00:00"),
            ({"cron": "0 9 * * mon-fri"}, "2026-03-27T09:00:00+01:00", "2026-03-30T07:00:00+00:00"),
            ({"cron": "0 9 * * *", "timezone": "Asia/Tokyo"}, "2026-03-27T12:00:00+00:00", "2026-03-28T00:00:00+00:00"),
            (
                {"until": "2026-03-29T09:00", "timezone": "Asia/Tokyo"},
                "2026-03-27T12:00:00+00:00",
                "2026-03-29T00:00:00+00:00",
            ),
            (
                {"cron": "{{ input.cron }}", "timezone": "{{ input.zone }}"},
                "2026-03-27T12:00:00+00:00",
                "2026-03-27T12:05:00+00:00",
            ),
        ],
    )
    def test_waits_until_a_clock_on_the_wall_shows_a_time(self, config, now, until):
        context = FakeContext(default_timezone="Europe/Berlin", now=datetime.fromisoformat(now))

        waits = outcome("delay", config, {"cron": "5 * * * *", "zone": "UTC"}, context=context)

        assert waits.until == datetime.fromisoformat(until)

    def test_does_not_wait_for_a_time_that_never_comes(self):
        with pytest.raises(NodeError) as caught:
            outcome("delay", {"cron": "0 0 30 2 *"})

        assert caught.value.code in ("invalid_config", "no_next_slot")

    def test_s_dos_does_not_wait_for_a_time_that_is_far_away(self):
        with pytest.raises(NodeError, match="at most 90 days"):
            outcome("delay", {"cron": "0 0 29 2 *"})

    @pytest.mark.parametrize("config", [{"for_seconds": 0}, {"for": "PT0S"}, {"until": "2001-01-01T00:00:00Z"}])
    def test_is_done_at_once_when_the_moment_has_passed(self, config):
        assert outcome("delay", config, 7) == Done(7)

    @pytest.mark.parametrize(
        ("config", "value"),
        [
            ({"for_seconds": "{{ input }}"}, -1),
            ({"for_seconds": "{{ input }}"}, "60"),
            ({"for_seconds": "{{ input }}"}, NINETY_DAYS + 1),
            ({"for": "{{ input }}"}, "five minutes"),
            ({"until": "{{ input }}"}, 1772355600),
            ({"until": "{{ input }}"}, "soon"),
        ],
    )
    def test_s_expr_5_refuses_values_that_mean_no_time(self, config, value):
        with pytest.raises(NodeError) as caught:
            outcome("delay", config, value)

        assert caught.value.code == "invalid_config"

    @pytest.mark.parametrize(
        ("config", "value"), [({"for": "{{ input }}"}, "P91D"), ({"until": "{{ input }}"}, "2999-01-01T00:00Z")]
    )
    def test_s_dos_waits_at_most_ninety_days(self, config, value):
        with pytest.raises(NodeError, match="at most 90 days") as caught:
            outcome("delay", config, value)

        assert caught.value.code == "delay_too_long"


class TestConfig:
    @pytest.mark.parametrize(
        "config", [{}, {"for": "PT1S", "for_seconds": 1}, {"until": "{{ input }}", "for_seconds": 0}]
    )
    def test_says_how_long_in_exactly_one_way(self, config):
        assert codes(config) == [("exactly_one", "/nodes/1/config")]

    @pytest.mark.parametrize(
        ("config", "code"),
        [
            ({"for_seconds": NINETY_DAYS}, None),
            ({"for_seconds": NINETY_DAYS + 1}, "out_of_range"),
            ({"for_seconds": -1}, "out_of_range"),
            ({"for": "P90D"}, None),
            ({"for": "P90DT1S"}, "delay_too_long"),
            ({"for": "soon"}, "invalid_duration"),
            ({"until": "soon"}, "invalid_moment"),
            ({"until": "2026-03-01T09:00"}, None),
            ({"cron": "0 9 * * mon-fri"}, None),
            ({"cron": "every morning"}, "invalid_cron"),
            ({"cron": "@daily", "timezone": "Europe/Belrin"}, "unknown_timezone"),
            ({"for": "PT5M", "timezone": "UTC"}, "unknown_key"),
        ],
    )
    def test_s_dos_is_checked_before_it_runs(self, config, code):
        assert [found for found, _ in codes(config)] == ([code] if code else [])

    def test_of_an_expression_is_checked_when_it_runs(self):
        assert draft_problems("delay", {"for": "{{ input }}"}) == []
