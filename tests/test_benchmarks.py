"""Every measurement runs, and prints its table. What it measures is nobody's business here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks import chains, floors, history, idle, loops, parallels, recovery, schedules, wakeups, webhooks
from benchmarks.__main__ import MEASUREMENTS
from benchmarks.installations import Measured, has_postgres, running
from benchmarks.tables import median_of, percentile

# The smallest run of each that still goes all its way, in an order in which none harms the next.
TINY = {
    webhooks: ["--requests", "4", "--alone", "2", "--connections", "2", "--rounds", "1"],
    chains: ["--requests", "4", "--connections", "2", "--rounds", "1"],
    loops: ["--items", "10", "--rounds", "1"],
    parallels: ["--calls", "2", "--rounds", "1"],
    wakeups: [
        "--crowd",
        "4",
        "--singles",
        "1",
        "--idle-seconds",
        "0.2",
        "--accepted-per-second",
        "4",
        "--lead-seconds",
        "2",
    ],
    schedules: ["--idle", "4", "--ticks", "2", "--crowd", "4", "--stream", "2", "--seconds", "3"],
    idle: ["--seconds", "0.2", "--settle", "0"],
    history: ["--executions", "60", "--rounds", "1", "--rest", "1"],
    floors: ["--tasks", "5", "--rows", "5", "--requests", "5", "--rounds", "1", "--connections", "1"],
}


@pytest.fixture(scope="module")
def segue(broker: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """Return one installation for all: starting it takes longer than all that is measured here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEST_BROKER_URL", broker)
        with running(ENGINE_LEASE_SECONDS="2", ENGINE_SWEEP_SECONDS="1") as installation:
            yield installation


@pytest.mark.journey
class TestReports:
    @pytest.mark.parametrize("measurement", TINY, ids=lambda module: module.__name__.rpartition(".")[2])
    def test_print_a_table(self, segue, measurement, capsys):
        if measurement is history and not has_postgres():
            pytest.skip("History is measured on PostgreSQL alone.")

        measurement.report(segue, measurement.asked(TINY[measurement]))

        printed = capsys.readouterr().out
        assert "\n### " in printed
        assert "load average" in printed

    def test_are_all_tried_here(self):
        assert {measurement.main for measurement in TINY} < set(MEASUREMENTS.values())
        assert len(MEASUREMENTS) == len(TINY) + 2  # Recovery starts its own; expressions need no installation.

    def test_recovery_sees_an_execution_go_on(self, segue):
        (seconds,) = recovery.seconds_until_they_go_on(segue, executions=1)

        assert seconds > 0


class TestPercentile:
    @pytest.mark.parametrize(("share", "expected"), [(0.0, 1), (0.5, 51), (0.99, 100), (1.0, 100)])
    def test_is_the_value_at_that_rank(self, share, expected):
        assert percentile(range(1, 101), share) == expected


class TestMedianOf:
    def test_takes_each_figure_by_itself(self):
        rounds = [{"a": 1, "b": 9}, {"a": 2}, {"a": 30, "b": 11}]

        assert median_of(rounds) == {"a": 2, "b": 10}
