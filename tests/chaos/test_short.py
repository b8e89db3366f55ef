"""Two hundred executions, a fault a second: nothing lost, nothing double. ``make chaos`` is the same with thousands. [R-16]"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.run import Options, run
from tests.chaos.workload import expected, failures


@pytest.fixture
def aloud(capsys: pytest.CaptureFixture[str]) -> Callable[[object], None]:
    """Print what a run came to, whether it passed or not: the seed is needed to look at it again."""

    def say(report: object) -> None:
        with capsys.disabled():
            print(f"\n{report}")

    return say


class TestChaos:
    def test_loses_nothing_and_does_nothing_twice(self, aloud):
        report = run(Options(executions=200, seed=20, per_second=6))

        aloud(report)
        assert report.is_clean, "\n".join(report.problems())
        assert report.verdict.executions == 200
        assert sum(report.counts.values()) >= 10, "so many faults, at least, or it says nothing"


class TestControl:
    def test_without_a_sweep_executions_of_killed_workers_are_lost(self):
        options = Options(
            executions=40, seed=3, faults=("worker killed",), every_seconds=1.5, settle_seconds=15, without="sweep"
        )

        assert run(options).verdict.lost


class TestWorkload:
    """What a run is judged by."""

    def test_says_what_comes_of_a_delivery(self):
        assert expected(4) == {"n": 4, "total": 24, "noted": None, "audited": 4}
        assert expected(5) == {"n": 5, "total": None, "noted": 5, "audited": 5}

    def test_refuses_some_keys_and_always_the_same(self):
        times = [failures(f"key-{number}") for number in range(1000)]

        assert 100 < times.count(1) < 200
        assert 20 < times.count(2) < 100
        assert times == [failures(f"key-{number}") for number in range(1000)]
