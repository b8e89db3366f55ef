"""A limit on concurrency holds, and lets go, whoever is killed. [R-16]"""

from __future__ import annotations

import itertools
import time

import pytest

from tests.crash.stage import Stage

ORDERS = 6


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    yield segue_stage
    segue_stage.service.seconds = 0.0


def test_never_two_at_once_and_nobody_waits_for_ever(stage):
    """P7 to P12 and P16: A"""
    stage.service.seconds = 0.3
    orders = [stage.order("queued").send_until_accepted() for _ in range(ORDERS)]
    for _ in range(3):
        time.sleep(0.5)
        stage.kill_children("worker")

    for order in orders:
        stage.completes(order, calls={"charge": 1}, more={"charge": 4})
    spans = sorted((call.began, call.ended, call.key) for call in stage.service.calls)
    overlapping = [
        (one[2], other[2]) for one, other in itertools.pairwise(spans) if other[0] < one[1] and one[2] != other[2]
    ]
    assert not overlapping


@pytest.mark.parametrize("point", ["end.inside", "claim.after_commit"])
def test_a_worker_that_dies_between_two_of_them_holds_up_neither(stage, point):
    """P11, P8: A, 1. The end of one lets the next one in, in the same commit."""
    stage.failpoints.arm(f"{point}=kill")
    first, second = (stage.order("queued").send_until_accepted() for _ in range(2))
    stage.reached(point)

    stage.completes(first, calls={"charge": 1}, more={"charge": 2})
    stage.completes(second, calls={"charge": 1}, more={"charge": 2})


def test_the_newest_takes_the_place_of_one_whose_worker_was_killed(stage):
    """P9, F"""
    stage.service.hold()
    old = stage.order("newest").send_until_accepted()
    stage.called(old)
    stage.kill_children("worker")

    new = stage.order("newest").send_until_accepted()

    stage.completes(new, calls={"charge": 1})
    assert stage.status_of(old) == "cancelled"
    assert len(stage.service.calls_of(old.execution_id)) == 1
