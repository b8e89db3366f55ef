"""What an execution waits for is brought to it, whoever holds it, and is not slept over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from executions.engine import leases, signals
from executions.models import BlockedOn
from tests.clock import NOON
from tests.factories import ExecutionFactory, NodeRunFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def lease_of(execution):
    return leases.Lease(execution.pk, execution.fence)


def state(execution):
    execution.refresh_from_db()
    return execution.blocked_on, execution.wake_at is not None, execution.is_signalled


def sleeping(blocked_on, **attributes):
    given = {"status": "running", "started_at": NOON, "wake_at": None} | attributes
    return ExecutionFactory(blocked_on=blocked_on, **given)


class TestSignal:
    @pytest.mark.parametrize("blocked_on", ["callback", "approval"])
    def test_one_that_sleeps_is_due_now(self, blocked_on):
        execution = sleeping(blocked_on, blocked_detail="Waits for `approve`.")

        signals.signal(execution.pk)

        assert state(execution) == ("queue", True, False)
        assert execution.blocked_detail == ""

    @pytest.mark.parametrize("blocked_on", ["timer", "retry"])
    def test_does_not_wait_for_a_timer(self, blocked_on):
        much_later = NOON + timedelta(days=36500)
        execution = sleeping(blocked_on, wake_at=much_later)

        signals.signal(execution.pk)

        assert state(execution) == ("queue", True, False)
        assert execution.wake_at < much_later

    def test_one_that_is_due_keeps_its_place_in_the_queue(self):
        execution = ExecutionFactory()

        signals.signal(execution.pk)

        assert state(execution) == ("queue", True, False)
        assert execution.wake_at == NOON

    @pytest.mark.parametrize("blocked_on", ["paused", "concurrency"])
    def test_one_that_is_held_back_stays_where_it_is(self, blocked_on):
        execution = sleeping(blocked_on)

        signals.signal(execution.pk)

        assert state(execution) == (blocked_on, False, False)

    def test_one_that_a_worker_holds_is_marked(self):
        execution = ExecutionFactory(leased=True)

        signals.signal(execution.pk)

        assert state(execution) == (None, False, True)

    def test_one_that_has_ended_stays_so(self):
        execution = ExecutionFactory(ended=True)

        signals.signal(execution.pk)

        assert state(execution) == (None, False, False)

    def test_is_one_statement(self, django_assert_num_queries):
        with django_assert_num_queries(1):
            signals.signal(ExecutionFactory.build().pk)


class TestAnswer:
    def test_the_first_answer_counts(self):
        run = NodeRunFactory(execution=sleeping("approval"), running=True)

        first = signals.answer(run.execution_id, run.pk, {"output": "yes"})
        second = signals.answer(run.execution_id, run.pk, {"output": "no"})

        run.refresh_from_db()
        assert (first, second, run.answer) == (True, False, {"output": "yes"})

    def test_a_node_run_that_has_ended_takes_none(self):
        run = NodeRunFactory(execution=sleeping("approval"))

        assert signals.answer(run.execution_id, run.pk, {"output": "yes"}) is False
        assert state(run.execution) == ("approval", False, False)

    @pytest.mark.django_db(transaction=True)
    def test_many_that_answer_at_once_and_a_worker_that_records_take_turns(self):
        execution = ExecutionFactory(leased=True)
        runs = [NodeRunFactory(execution=execution, running=True, iteration=str(n)) for n in range(3)]

        def record():
            with transaction.atomic():
                leases.write(lease_of(execution), nodes_executed=1)
                execution.node_runs.update(interruptions=1)

        answers = [lambda run=run: signals.answer(execution.pk, run.pk, {"output": 1}) for run in runs]
        for _ in range(5):
            at_once(record, *map(transaction.atomic, answers))

        assert set(execution.node_runs.values_list("answer__output", "interruptions")) == {(1, 1)}


class TestHandBack:
    def hand_back(self, execution, blocked_on=BlockedOn.CALLBACK, wake_at=None):
        leases.hand_back(lease_of(execution), wake_at=wake_at, blocked_on=blocked_on, detail="Waits for `bill`.")
        execution.refresh_from_db()

    def test_falls_asleep_when_nothing_has_come(self):
        execution = ExecutionFactory(leased=True)

        self.hand_back(execution)

        assert state(execution) == ("callback", False, False)
        assert execution.blocked_detail == "Waits for `bill`."

    def test_keeps_its_timer_when_nothing_has_come(self):
        execution = ExecutionFactory(leased=True)

        self.hand_back(execution, BlockedOn.TIMER, wake_at=NOON)

        assert (execution.blocked_on, execution.wake_at) == ("timer", NOON)

    def test_does_not_fall_asleep_over_what_has_come(self):
        execution = ExecutionFactory(leased=True)
        signals.signal(execution.pk)

        self.hand_back(execution)

        assert state(execution) == ("queue", True, False)
        assert (execution.blocked_detail, execution.lease_owner) == ("", None)
        assert leases.claim("another", now=execution.wake_at + timedelta(seconds=1), limit=1) == [execution]

    @pytest.mark.django_db(transaction=True)
    def test_a_signal_in_the_same_moment_is_not_lost(self):
        for _ in range(20):
            execution = ExecutionFactory(leased=True)

            at_once(
                lambda execution=execution: self.hand_back(execution),
                lambda execution=execution: signals.signal(execution.pk),
            )

            assert state(execution) == ("queue", True, False)
