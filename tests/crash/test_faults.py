"""The faults of reliability-security.md, 3.10, each at its phase. [R-16]

A cell is a phase (P) and a fault (F). What must come of it is in the names of the tests: *N* not accepted, and the sender's next
try starts exactly one execution; *A* accepted, and it completes; *2x* the call in flight is made again, under the same
key; *1* what follows happens once; *Z* whoever wakes up late records nothing; *F* the end that was asked for stands.
"""

from __future__ import annotations

import signal
import threading
import time

import pytest

from tests.crash.stage import LEASE_SECONDS, RECOVERY_SECONDS, Stage
from tests.processes import children_of, lives

# Where an execution may lose its worker, and how often its two calls may be made then.
BEFORE_THE_CALL = {
    "P6": "bell.heard",
    "P7": "claim.inside",
    "P8": "claim.after_commit",
    "P8-started-unwritten": "record.inside",
    "P8-started": "effect.before",
}
AFTER_THE_CALL = {
    "P10": "effect.after",
    "P11": "record.inside@2",
}
AT_THE_END = {"P11-end": "end.inside"}


def cells(points: dict[str, str]) -> list:
    return [pytest.param(rule, id=cell) for cell, rule in points.items()]


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


class TestWebKilled:
    """F1. The sender hears nothing or 202, and sends again what it heard nothing of."""

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    @pytest.mark.parametrize("point", cells({"P1": "accept.before", "P2": "accept.inside"}))
    def test_before_the_commit_nothing_is_accepted_and_the_next_try_is(self, stage, point, action):
        """N [R-1]"""
        stage.failpoints.arm(f"{point}={action}")
        order = stage.order()

        assert order.send() is None
        assert order.executions() == []
        if action == "kill_group":
            stage.restart("web")

        stage.completes(order, calls={"charge": 1, "ship": 1})

    def test_after_the_commit_the_next_try_gets_the_same_execution(self, stage):
        """P3, A* [R-1, R-2]"""
        stage.failpoints.arm("accept.after_commit=kill")
        order = stage.order()

        assert order.send() is None
        (accepted,) = order.executions()

        stage.completes(order, calls={"charge": 1, "ship": 1})
        assert order.execution_id == accepted

    def test_before_the_bell_the_execution_is_found_without_it(self, stage):
        """P4, A [R-7]"""
        stage.failpoints.hold("bell.before_publish")
        order = stage.order()

        assert order.send() == 202
        stage.reached("bell.before_publish")
        stage.restart("web")

        stage.completes(order, calls={"charge": 1, "ship": 1})

    def test_in_a_cancel_either_all_of_it_happened_or_nothing(self, stage):
        """P16 [R-12]"""
        stage.service.hold()
        order = stage.order().send_until_accepted()
        stage.called(order)
        stage.failpoints.arm("cancel.inside=kill")

        with pytest.raises(Exception, match=r"."):
            stage.segue.api.post(f"/executions/{order.execution_id}/cancel/", json={})

        stage.completes(order, calls={"charge": 1, "ship": 1})


class TestWorkerKilled:
    """F2 (the server with all its processes) and F3 (the process that does the work)."""

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    @pytest.mark.parametrize("rule", cells(BEFORE_THE_CALL))
    def test_before_the_call_another_one_makes_it(self, stage, rule, action):
        """A [R-3]"""
        order = lose_worker(stage, rule, action)

        stage.completes(order, calls={"charge": 1, "ship": 1})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    @pytest.mark.parametrize("rule", cells(AFTER_THE_CALL))
    def test_before_the_call_is_recorded_it_is_made_again_under_its_key(self, stage, rule, action):
        """2x [R-11]"""
        order = lose_worker(stage, rule, action)

        stage.completes(order, calls={"charge": 2, "ship": 1})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    def test_in_the_commit_that_ends_it_the_last_call_is_made_again(self, stage, action):
        """P11, 2x [R-4]"""
        order = lose_worker(stage, "end.inside", action)

        stage.completes(order, calls={"charge": 1, "ship": 2})

    @pytest.mark.parametrize("who", ["child", "all"])
    def test_during_the_call_it_is_made_again_under_its_key(self, stage, who):
        """P9, 2x [R-11]"""
        stage.service.hold()
        order = stage.order().send_until_accepted()
        stage.called(order)

        stage.kill_children("worker") if who == "child" else stage.restart("worker")

        stage.completes(order, calls={"charge": 2, "ship": 1})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    def test_after_it_is_recorded_it_never_runs_again(self, stage, action):
        """P12, 1 [R-4]: the first call is recorded together with the beginning of the second."""
        order = lose_worker(stage, "effect.before@2", action)

        stage.completes(order, calls={"charge": 1, "ship": 1})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    def test_at_a_join_what_comes_after_it_runs_once(self, stage, action):
        """P13, 1 [R-5]"""
        order = lose_worker(stage, "effect.before@3", action, kind="join")

        stage.completes(order, calls={"charge": 1, "ship": 1, "pack": 1})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    @pytest.mark.parametrize("rule", ["pass.begin@2", "record.inside@3", "effect.before@2"])
    def test_between_two_passes_each_runs_once(self, stage, rule, action):
        """P14, 1: pure nodes since the last commit run again, calls that were recorded do not."""
        order = lose_worker(stage, rule, action, kind="loop")

        passes = {"charge:0": 1, "charge:1": 1, "charge:2": 1}
        stage.completes(order, calls={**passes, "ship": 1}, more={"charge:0": 2, "charge:1": 2})

    @pytest.mark.parametrize("action", ["kill", "kill_group"])
    def test_while_a_timer_runs_it_goes_off_all_the_same(self, stage, action):
        """P15, A"""
        order = stage.order("timer").send_until_accepted()
        stage.wait_for(lambda: stage.blocked_on(order) == "timer", what="the timer to run")
        stage.failpoints.arm(f"claim.after_commit={action}")
        stage.reached("claim.after_commit")
        if action == "kill_group":
            stage.restart("worker")

        stage.completes(order, calls={"charge": 1, "ship": 1})

    def test_its_children_do_not_outlive_a_main_process_that_is_killed_alone(self, stage):
        """F2: no process works on unseen."""
        children = children_of(stage.segue.pid("worker"))
        stage.segue.kill_alone("worker")

        stage.wait_for(lambda: not any(lives(pid) for pid in children), what="the children to end")


def lose_worker(stage: Stage, rule: str, action: str, *, kind: str = "chain"):
    """Send an order and let its worker die at a point; after a whole server died, a supervisor starts another."""
    point, _, nth = rule.partition("@")
    stage.failpoints.arm(f"{point}={action}" + (f"@{nth}" if nth else ""))
    order = stage.order(kind).send_until_accepted()
    stage.reached(point)
    if action == "kill_group":
        stage.restart("worker")
    return order


class TestCancelledExecution:
    @pytest.mark.parametrize("fault", ["kill", "freeze"])
    def test_stays_cancelled_whatever_its_worker_does(self, stage, fault):
        """P16, F [R-12]"""
        stage.service.hold()
        order = stage.order().send_until_accepted()
        stage.called(order)

        if fault == "freeze":
            stage.segue.signal("worker", signal.SIGSTOP)
        else:
            stage.kill_children("worker")
        answer = stage.segue.api.post(f"/executions/{order.execution_id}/cancel/", json={})
        stage.service.release()
        stage.segue.signal("worker", signal.SIGCONT)
        later = stage.order().send_until_accepted()
        stage.completes(later, calls={"charge": 1, "ship": 1})

        assert answer.status_code == 200
        assert stage.status_of(order) == "cancelled"
        assert stage.history.recorded_twice() == []


# Where an execution stands still while something around it breaks: once at each phase of one life.
LIFE = (
    "accept.before",
    "accept.inside",
    "accept.after_commit",
    "bell.before_publish",
    "bell.after_publish",
    "bell.heard",
    "claim.inside",
    "claim.after_commit",
    "record.inside",
    "effect.before",
    "effect.after",
    "record.after_commit",
    "end.inside",
)


# Where it need not come by: a bell may be lost, or late, and then somebody was there before it.
BELLS = {"bell.before_publish", "bell.after_publish", "bell.heard"}


def live_through(stage: Stage, fault, *, points=LIFE, kind: str = "chain"):
    """Send an order, and let a fault happen at every point that it comes by, while it stands still there."""
    order = stage.order(kind)
    stage.failpoints.hold_each(points)
    sender = threading.Thread(target=order.send, kwargs={"timeout": 60})
    sender.start()
    visited = set()
    until = time.monotonic() + 2 * RECOVERY_SECONDS
    while not order.has_ended or stage.failpoints.held():
        if point := stage.failpoints.held():
            fault()
            visited.add(point)
            stage.failpoints.release(point)
        assert time.monotonic() < until, f"so far it came by at {sorted(visited)}"
        time.sleep(0.02)
    sender.join()
    assert set(points) - visited <= BELLS, "it came by everywhere, though perhaps without a bell"
    return order


class TestBroker:
    """F6 and F7. It carries no work: whatever becomes of it, nothing changes but the time."""

    @pytest.mark.parametrize("fault", ["killed", "frozen", "emptied"])
    def test_changes_nothing_at_any_phase(self, stage, fault):
        """P1 to P14: ok, A, 1 [R-1, R-7]"""
        faults = {
            "killed": lambda: (stage.broker.kill(), stage.broker.start()),
            "frozen": lambda: (stage.broker.freeze(), time.sleep(0.1), stage.broker.thaw()),
            "emptied": stage.broker.forget,
        }

        order = live_through(stage, faults[fault])

        stage.completes(order, calls={"charge": 1, "ship": 1})

    @pytest.mark.parametrize("fault", ["kill", "freeze"])
    def test_is_not_needed(self, stage, fault):
        """P4, P5, P12, P15: A. Answers do not wait for it either. [R-1, R-13]"""
        getattr(stage.broker, fault)()
        order = stage.order("timer")

        began = time.monotonic()
        status = order.send()
        took = time.monotonic() - began

        assert status == 202
        assert took < 1
        stage.completes(order, calls={"charge": 1, "ship": 1})


class TestBells:
    def test_heard_ten_times_they_do_it_once(self, stage):
        """F12, P4 to P14: ok, 1"""
        order = live_through(stage, lambda: stage.ring(10))

        stage.completes(order, calls={"charge": 1, "ship": 1})


class TestBeat:
    """F5. Absent, killed in the middle of a sweep, or there twice."""

    def test_twice_fires_a_slot_once_and_sweeps_do_not_disturb_each_other(self, stage):
        """P4 to P6, P12, P15: A, U [R-7, R-8]"""
        stage.start("beat", "beat-2")
        slots = stage.schedule()

        order = live_through(stage, lambda: time.sleep(0.2), kind="timer")

        stage.completes(order, calls={"charge": 1, "ship": 1})
        stage.wait_for(lambda: len(slots()) >= 2, what="two slots to fire")
        fired = slots()
        assert len(fired) == len(set(fired))

    @pytest.mark.parametrize("point", ["sweep.before", "schedule.inside"])
    def test_whoever_sweeps_may_die_of_it(self, stage, point):
        """F3, F4, P15: U"""
        slots = stage.schedule()
        stage.failpoints.arm(f"{point}=kill")
        stage.reached(point)
        order = stage.order("timer").send_until_accepted()

        stage.completes(order, calls={"charge": 1, "ship": 1})
        stage.wait_for(lambda: slots(), what="a slot to fire")
        fired = slots()
        assert len(fired) == len(set(fired))


class TestPostgres:
    """F8, F9 and F10. Nothing is accepted without it; what was recorded is there when it is back."""

    @pytest.mark.parametrize("point", ["accept.before", "accept.inside"])
    def test_killed_before_the_commit_the_next_try_is_accepted(self, stage, point):
        """F8, P1, P2: N [R-1]"""
        order = held_while(stage, point, stage.restart_postgres)

        assert order.executions() == []
        stage.completes(order, calls={"charge": 1, "ship": 1})

    def test_killed_after_the_commit_the_execution_is_there(self, stage):
        """F8, P3, A* [R-1]"""
        order = held_while(stage, "accept.after_commit", stage.restart_postgres)
        (accepted,) = order.executions()

        stage.completes(order, calls={"charge": 1, "ship": 1})
        assert order.execution_id == accepted

    @pytest.mark.parametrize(
        "point", ["claim.inside", "claim.after_commit", "record.inside", "effect.before", "record.after_commit"]
    )
    def test_killed_before_the_call_it_is_made_all_the_same(self, stage, point):
        """F8, P7, P8: A. In its own time, once: what was claimed goes on, or is claimed again."""
        order = held_while(stage, point, stage.restart_postgres)

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2})

    @pytest.mark.parametrize("point", ["effect.after", "end.inside"])
    def test_killed_before_the_call_is_recorded_it_is_made_again_under_its_key(self, stage, point):
        """F8, P10, P11: 2x [R-11]"""
        order = held_while(stage, point, stage.restart_postgres)

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2, "ship": 2})

    def test_killed_three_times_in_a_row_it_is_not_the_execution_that_is_to_blame(self, stage):
        """F8, P8: no loss of a worker is counted. [R-10]"""
        stage.failpoints.hold("record.inside")
        order = stage.order().send_until_accepted()
        for _ in range(4):
            stage.reached("record.inside")
            stage.restart_postgres()
            stage.failpoints.hold("record.inside")

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 5})

    @pytest.mark.parametrize("point", LIFE)
    def test_a_connection_may_break_anywhere(self, stage, point):
        """F9, every phase: as with F8"""
        stage.failpoints.arm(f"{point}=disconnect")
        order = stage.order()
        order.send()
        stage.reached(point)

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2, "ship": 2})

    @pytest.mark.parametrize(
        ("statement", "what"),
        [
            (b'INSERT INTO "webhook_deliveries"', "the acceptance"),
            (b"SET \"status\" = 'running'", "the claim"),
            (b'INSERT INTO "workflow_execution_logs"', "the beginning of a call"),
            (b"SET \"status\" = 'completed'", "the end"),
        ],
        ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
    )
    def test_the_answer_to_a_commit_may_be_lost(self, stage, statement, what):
        """F9, P3, P8, P11, P12: A*, 2x?, 1. What was committed stands, and is not done again."""
        stage.proxy.lose_commit_after(statement)
        order = stage.order()
        order.send()
        stage.wait_for(stage.proxy.lost.is_set, what=f"the answer to the commit of {what} to be lost")

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2, "ship": 2})

    def test_frozen_for_a_moment_nothing_but_time_is_lost(self, stage):
        """F10, P1 to P12"""

        def freeze() -> None:
            stage.postgres.freeze()
            time.sleep(0.3)
            stage.postgres.thaw()

        order = live_through(stage, freeze)

        stage.completes(order, calls={"charge": 1, "ship": 1})

    def test_frozen_for_longer_than_a_lease_its_workers_end_themselves(self, stage):
        """F10, P9: 2x [R-6]"""
        stage.service.hold()
        order = stage.order().send_until_accepted()
        stage.called(order)
        workers = children_of(stage.segue.pid("worker"))

        stage.postgres.freeze()
        stage.wait_for(lambda: not all(lives(pid) for pid in workers), what="the worker that holds it to end itself")
        stage.postgres.thaw()

        stage.completes(order, calls={"charge": 2, "ship": 1})


def held_while(stage: Stage, point: str, fault):
    """Send an order, and let a fault happen while it stands still at a point."""
    stage.failpoints.hold(point)
    order = stage.order()
    sender = threading.Thread(target=order.send, kwargs={"timeout": 60})
    sender.start()
    stage.reached(point)
    fault()
    stage.failpoints.release(point)
    sender.join()
    return order


class TestFrozenWorker:
    """F11. Stopped for longer than its lease, and then it goes on as if nothing had been."""

    @pytest.mark.parametrize("point", ["claim.after_commit", "effect.before", "record.after_commit", "effect.after"])
    def test_records_nothing_any_more(self, stage, point):
        """P8 to P12: Z, 2x, 1 [R-3, R-4]"""
        order = held_while(stage, point, lambda: replace_frozen(stage))
        order.send_until_accepted()
        stage.wait_for(lambda: stage.status_of(order) == "completed", what="the other worker to complete it")

        stage.segue.signal("worker", signal.SIGCONT)
        time.sleep(AWAKE_SECONDS)

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2})

    @pytest.mark.parametrize("point", ["claim.inside", "record.inside", "end.inside"])
    def test_in_a_transaction_stops_nobody_else(self, stage, point):
        """P7, P11. It holds the row's lock; the others are taken over meanwhile, and this one when PostgreSQL ends it."""
        stage.failpoints.hold(point)
        order = stage.order().send_until_accepted()
        stage.reached(point)

        replace_frozen(stage)
        other = stage.order().send_until_accepted()
        stage.wait_for(lambda: stage.status_of(other) == "completed", what="another execution", seconds=5)
        stage.wait_for(lambda: stage.status_of(order) == "completed", what="the one that was held")
        stage.failpoints.release(point)
        stage.segue.signal("worker", signal.SIGCONT)

        stage.completes(order, calls={"charge": 1, "ship": 1}, more={"ship": 2})

    def test_cannot_hold_up_a_dead_one_s_executions(self, stage):
        """What a worker has locked and does not let go does not keep the sweep from the rest. [R-7]"""
        stage.service.hold()
        dead = stage.order().send_until_accepted()
        stage.called(dead)
        stage.failpoints.hold("record.inside")
        frozen = stage.order().send_until_accepted()
        stage.reached("record.inside")

        replace_frozen(stage)
        stage.service.release()
        stage.wait_for(
            lambda: stage.status_of(dead) == "completed", what="the dead one's execution", seconds=LEASE_SECONDS + 5
        )

        stage.segue.signal("worker", signal.SIGCONT)
        stage.completes(frozen, calls={"charge": 1, "ship": 1}, more={"charge": 2})


# Time for a process that wakes up to do what it would have done, and to notice.
AWAKE_SECONDS = 2


def replace_frozen(stage: Stage) -> None:
    """Stop the worker with all its processes, start another one, and let the lease run out."""
    stage.segue.signal("worker", signal.SIGSTOP)
    stage.start("worker-2")
    time.sleep(LEASE_SECONDS + 1)
