"""Tests that cannot fail prove nothing. Here a part of the safety is taken out, and the same tests have to fail. [R-16]"""

from __future__ import annotations

import pytest

from tests.crash import test_faults as faults
from tests.crash.stage import Stage
from tests.sabotage import without

# Longer than a lease and a sweep: what has not gone on by then never does.
IN_VAIN_SECONDS = 9


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


class TestWithoutItsParts:
    @pytest.mark.parametrize(
        ("part", "story"),
        [
            pytest.param(
                "sweep",
                lambda stage: faults.TestWorkerKilled().test_during_the_call_it_is_made_again_under_its_key(
                    stage, "all"
                ),
                id="sweep: a killed worker's executions stay with it",
            ),
            pytest.param(
                "looking",
                lambda stage: faults.TestWebKilled().test_before_the_bell_the_execution_is_found_without_it(stage),
                id="looking: an execution whose bell is lost is not found",
            ),
        ],
    )
    def test_the_same_test_fails(self, stage, part, story):
        with stage.sabotaged(without(part), recovery_seconds=IN_VAIN_SECONDS), pytest.raises(AssertionError):
            story(stage)

    def test_without_fence_and_keys_a_worker_that_wakes_up_records_what_another_one_has(self, stage):
        with stage.without_keys(), stage.sabotaged(without("fence")), pytest.raises(AssertionError, match="recorded"):
            faults.TestFrozenWorker().test_records_nothing_any_more(stage, "effect.after")


class TestWithOneGuardLess:
    """A worker that wakes up late is stopped by any one of these. [R-4, R-6]"""

    def test_the_fence_alone_is_enough(self, stage):
        with stage.without_keys(), stage.sabotaged(without("self_end")):
            faults.TestFrozenWorker().test_records_nothing_any_more(stage, "effect.after")

    def test_the_keys_alone_are_enough(self, stage):
        with stage.sabotaged(without("fence")):
            faults.TestFrozenWorker().test_records_nothing_any_more(stage, "effect.after")
