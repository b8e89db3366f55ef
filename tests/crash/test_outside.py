"""F13 and F14: a network that fails between a worker and a service, and a worker whose clock is an hour off."""

from __future__ import annotations

import pytest

from tests.crash.stage import Stage
from tests.sabotage import with_clock


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


class TestNetwork:
    @pytest.mark.parametrize("fault", ["reset", "black hole", "trickle", "half an answer"])
    def test_whose_answer_is_lost_the_call_is_made_again_under_its_key(self, stage, fault):
        """F13, P9: 2x [R-11]"""
        stage.service.break_next(fault)
        order = stage.order("impatient").send_until_accepted()

        stage.completes(order, calls={"charge": 2, "ship": 1})

    def test_that_swallows_everything_holds_up_no_cancel(self, stage):
        """F13, P16: ok [R-12]"""
        stage.service.break_next("black hole")
        order = stage.order().send_until_accepted()
        stage.called(order)

        answer = stage.segue.api.post(f"/executions/{order.execution_id}/cancel/", json={})
        other = stage.order().send_until_accepted()

        assert answer.json()["status"] == "cancelled"
        stage.completes(other, calls={"charge": 1, "ship": 1})
        assert stage.status_of(order) == "cancelled"
        assert len(stage.service.calls_of(order.execution_id)) == 1


class TestClock:
    """F14. What is due, overdue or lost is told by the database's clock."""

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_of_a_worker_may_be_wrong(self, stage, hours):
        """P1 to P15: ok, U"""
        with stage.settings(**with_clock(hours)):
            stage.restart("worker")
            order = stage.order("timer").send_until_accepted()

            stage.completes(order, calls={"charge": 1, "ship": 1})
        ((rested,),) = stage.query(
            "SELECT extract(epoch FROM completed_at - started_at) FROM workflow_execution_logs "
            "WHERE execution_id = %s AND node_id = 'rest'",
            order.execution_id,
        )
        assert 1 <= rested < 60

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_of_one_worker_takes_nothing_from_another(self, stage, hours):
        """P9: ok. What another one holds is neither overdue nor lost."""
        stage.service.hold()
        order = stage.order().send_until_accepted()
        stage.called(order)

        stage.segue.start("worker-2", **with_clock(hours))
        other = stage.order().send_until_accepted()
        stage.called(other)

        stage.completes(order, calls={"charge": 1, "ship": 1})
        stage.completes(other, calls={"charge": 1, "ship": 1})
