"""Schedules while processes and servers die: every slot fires, and fires once. [R-8]"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.crash.stage import Stage
from tests.sabotage import without

SECOND = timedelta(seconds=1)


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


def gapless(slots: list[Any]) -> bool:
    """Return whether there is one slot in each second from the first to the last, whenever they were started."""
    ordered = sorted(slots)
    return all(later - earlier == SECOND for earlier, later in pairwise(ordered))


def fires_on(stage: Stage, slots: Callable[[], list[Any]], *, more: int = 3) -> list[Any]:
    """Wait until so many slots more have fired and nothing is owed, and return all of them."""
    before = len(slots())
    stage.wait_for(lambda: len(slots()) >= before + more, what=f"{more} slots more to fire")
    stage.wait_for(
        lambda: (
            not stage.query("SELECT FROM scheduled_jobs WHERE is_active AND next_run < now() - interval '2 seconds'")
        ),
        what="the clock to be up to date",
    )
    return slots()


class TestBeats:
    def test_two_of_them_and_two_workers_fire_each_slot_once(self, stage):
        stage.start("beat", "beat-2", "worker-2")
        several = [stage.schedule() for _ in range(3)]

        for slots in several:
            assert gapless(fires_on(stage, slots))

    def test_one_that_is_killed_takes_no_slot_with_it(self, stage):
        stage.start("beat")
        slots = stage.schedule()
        fires_on(stage, slots, more=1)

        stage.segue.kill("beat")

        assert gapless(fires_on(stage, slots))


class TestSweeps:
    def test_killed_inside_a_batch_its_slots_are_another_one_s(self, stage):
        """The batch holds several jobs; none of them is lost, none fires twice."""
        several = [stage.schedule() for _ in range(4)]

        stage.failpoints.arm("schedule.inside=kill")
        stage.reached("schedule.inside")

        for slots in several:
            assert gapless(fires_on(stage, slots))

    def test_killed_inside_a_backfill_it_is_carried_on_from_its_last_commit(self, stage):
        slots = stage.schedule()
        ((job_id,),) = stage.query("SELECT id FROM scheduled_jobs WHERE is_active AND cron_expression = '* * * * * *'")
        end = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        body = {"start": (end - 300 * SECOND).isoformat(), "end": end.isoformat(), "slots": "missing"}

        stage.failpoints.arm("backfill.inside=kill@2")
        made = stage.segue.api.post(f"/scheduled-jobs/{job_id}/backfills/", json={**body, "max_running": 50})
        assert made.status_code == 201, made.text
        stage.reached("backfill.inside")
        stage.failpoints.disarm()
        url = f"/scheduled-jobs/{job_id}/backfills/{made.json()['id']}/"
        stage.wait_for(lambda: stage.segue.api.get(url).json()["status"] == "completed", what="the backfill to end")

        past = [slot for slot in slots() if slot <= end]
        assert (len(past), gapless(past)) == (301, True)
        assert stage.segue.api.get(url).json()["started_count"] == 301


class TestClocks:
    def test_a_worker_whose_clock_is_an_hour_ahead_fires_nothing_before_its_time(self, stage):
        """Only the database's clock counts."""
        stage.segue.kill("worker")
        with stage.settings(**without("clock")):
            stage.start("worker", "beat")
            slots = stage.schedule()

            fired = fires_on(stage, slots)

            assert gapless(fired)
            ((now,),) = stage.query("SELECT clock_timestamp()")
            assert max(fired) <= now

    def test_one_that_is_right_beside_one_that_is_wrong_changes_nothing(self, stage):
        with stage.settings(**without("clock")):
            stage.start("worker-2")
            slots = stage.schedule()

            assert gapless(fires_on(stage, slots))


class TestDatabase:
    def test_killed_and_started_again_every_slot_fires_once(self, stage):
        slots = stage.schedule()
        fires_on(stage, slots, more=2)

        stage.restart_postgres()
        time.sleep(2)  # Slots pass meanwhile, and are late.

        assert gapless(fires_on(stage, slots, more=4))
