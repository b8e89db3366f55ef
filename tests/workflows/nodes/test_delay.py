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
        ],
    )
    def test_s_dos_is_checked_before_it_runs(self, config, code):
        assert [found for found, _ in codes(config)] == ([code] if code else [])

    def test_of_an_expression_is_checked_when_it_runs(self):
        assert draft_problems("delay", {"for": "{{ input }}"}) == []
