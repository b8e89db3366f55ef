from __future__ import annotations

import pytest

from config.supervisor.restart import STEADY_SECONDS, failures_after, pause_seconds


class TestPauseSeconds:
    def test_grows_and_stays_bounded(self):
        assert [pause_seconds(failures) for failures in range(1, 9)] == [0.5, 1, 2, 4, 8, 16, 30, 30]

    def test_takes_any_number_of_failures(self):
        assert pause_seconds(1_000_000) == 30


class TestFailuresAfter:
    @pytest.mark.parametrize(("ran_seconds", "failures"), [(0.0, 4), (STEADY_SECONDS - 1, 4), (STEADY_SECONDS, 1)])
    def test_counts_ends_in_a_row_and_forgives_after_a_steady_run(self, ran_seconds, failures):
        assert failures_after(3, ran_seconds=ran_seconds) == failures
