"""Who may write an execution. [R-3, R-4, R-6]"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from executions.engine import leases
from executions.engine.leases import Lease, LeaseLost
from executions.exceptions import IllegalTransition
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from tests.clock import NOON
from tests.factories import ExecutionFactory, VersionFactory
from tests.threads import at_once

pytestmark = pytest.mark.django_db


def claim(owner="worker", *, now=NOON, limit=10, suspects=False):
    return leases.claim(owner, now=now, limit=limit, suspects=suspects)


class TestClaim:
    def test_takes_what_is_due_and_counts_the_claim(self):
        due = ExecutionFactory()

        (claimed,) = claim()

        assert claimed.pk == due.pk
        assert (claimed.status, claimed.lease_owner, claimed.fence, claimed.claims) == ("running", "worker", 1, 1)
        assert claimed.lease_expires_at == NOON + leases.lease_time()
        assert claimed.wake_at is None
        assert claimed.started_at == NOON

    def test_leaves_what_is_not_due_yet(self):
        ExecutionFactory(waiting=True)

        assert claim() == []

    @pytest.mark.parametrize("trait", ["leased", "ended", "failed"])
    def test_leaves_what_is_held_or_has_ended(self, trait):
        ExecutionFactory(**{trait: True})

        assert claim(now=NOON + timedelta(days=1)) == []

    def test_takes_the_longest_due_first(self):
        version = VersionFactory()
        late, early = (ExecutionFactory(workflow_version=version, wake_at=NOON - timedelta(seconds=s)) for s in (1, 9))

        assert [execution.pk for execution in claim()] == [early.pk, late.pk]

    def test_takes_turns_between_projects(self):
        """One project's many do not delay another one's single execution. [S-TEN-4]"""
        crowd = VersionFactory()
        ExecutionFactory.create_batch(20, workflow_version=crowd, wake_at=NOON - timedelta(hours=1))
        single = ExecutionFactory()

        assert single.pk in [execution.pk for execution in claim(limit=2)]

    def test_takes_no_more_than_asked(self):
        ExecutionFactory.create_batch(3, workflow_version=VersionFactory())

        assert len(claim(limit=2)) == 2

    def test_leaves_suspects_to_a_claim_of_their_own(self):
        """An execution that was lost twice runs alone, so that its neighbours are not blamed. [R-10]"""
        suspect = ExecutionFactory(claims=2)

        assert claim() == []
        assert [execution.pk for execution in claim(suspects=True)] == [suspect.pk]

    def test_keeps_the_first_start(self):
        ExecutionFactory(started_at=NOON - timedelta(days=1))

        assert claim()[0].started_at == NOON - timedelta(days=1)

    def test_asks_the_same_number_of_queries_for_one_and_for_many(self, django_assert_num_queries):
        ExecutionFactory.create_batch(8, workflow_version=VersionFactory())

        with django_assert_num_queries(3 if connection.in_atomic_block is False else 5):
            claim(limit=8)


class TestMaxRunning:
    """No project has more than its share of all workers together. [S-TEN-4]"""

    @pytest.fixture(autouse=True)
    def limit(self, settings):
        settings.PROJECT_MAX_RUNNING = 3

    def test_takes_as_many_of_a_project_as_the_limit_says(self):
        ExecutionFactory.create_batch(4, workflow_version=VersionFactory())

        assert len(claim()) == 3

    def test_counts_what_other_workers_hold(self):
        version = VersionFactory()
        ExecutionFactory.create_batch(2, workflow_version=version, leased=True)
        ExecutionFactory.create_batch(4, workflow_version=version)

        assert len(claim()) == 1
        assert claim() == []

    def test_gives_the_room_that_is_left_to_others(self):
        ExecutionFactory.create_batch(9, workflow_version=VersionFactory(), wake_at=NOON - timedelta(hours=1))
        other = VersionFactory()
        ExecutionFactory.create_batch(2, workflow_version=other)

        claimed = claim()

        assert len(claimed) == 5
        assert [execution.project_id for execution in claimed].count(other.workflow.project_id) == 2

    def test_goes_on_when_one_has_ended(self):
        version = VersionFactory()
        ExecutionFactory.create_batch(4, workflow_version=version)
        (first, *_) = claim()
        leases.hand_back(Lease(first.pk, first.fence), wake_at=None, blocked_on=BlockedOn.CALLBACK)

        assert len(claim()) == 1


@pytest.mark.django_db(transaction=True)
class TestClaimAtOnce:
    def test_keeps_to_the_limit_of_a_project(self, settings):
        settings.PROJECT_MAX_RUNNING = 7
        ExecutionFactory.create_batch(40, workflow_version=VersionFactory())

        taken = at_once(*[lambda owner=f"worker-{n}": len(claim(owner, limit=5)) for n in range(4)])

        assert sum(taken) == 7

    def test_gives_each_execution_to_one_worker(self):
        ExecutionFactory.create_batch(40, workflow_version=VersionFactory())

        taken = at_once(*[lambda owner=f"worker-{n}": [e.pk for e in claim(owner, limit=10)] for n in range(4)])

        everything = [pk for pks in taken for pk in pks]
        assert len(everything) == len(set(everything))
        assert len(everything) >= 10


class TestWrite:
    def test_changes_what_the_holder_writes(self):
        execution = ExecutionFactory(leased=True)

        leases.write(Lease(execution.pk, execution.fence), nodes_executed=7)

        execution.refresh_from_db()
        assert execution.nodes_executed == 7

    def test_refuses_a_fence_that_has_moved_on(self):
        """A worker that was paused longer than its lease changes nothing. [R-4]"""
        execution = ExecutionFactory(leased=True, fence=2)

        with pytest.raises(LeaseLost):
            leases.write(Lease(execution.pk, 1), nodes_executed=7)

        execution.refresh_from_db()
        assert execution.nodes_executed == 0

    def test_refuses_after_it_was_handed_back(self):
        execution = ExecutionFactory(leased=True)
        lease = Lease(execution.pk, execution.fence)
        leases.hand_back(lease, wake_at=NOON, blocked_on=BlockedOn.TIMER)

        with pytest.raises(LeaseLost):
            leases.write(lease, nodes_executed=7)


class TestHandBack:
    def test_counts_no_loss_and_says_why_it_waits(self):
        execution = ExecutionFactory(leased=True, claims=2)

        leases.hand_back(
            Lease(execution.pk, 1), wake_at=NOON + timedelta(minutes=1), blocked_on=BlockedOn.RETRY, detail="Waits."
        )

        execution.refresh_from_db()
        assert (execution.claims, execution.lease_owner, execution.blocked_on) == (0, None, "retry")
        assert execution.wake_at == NOON + timedelta(minutes=1)


class TestRenew:
    def test_renews_all_of_a_process_in_one_statement(self, django_assert_num_queries):
        executions = ExecutionFactory.create_batch(3, leased=True, workflow_version=VersionFactory())

        with django_assert_num_queries(3):  # A savepoint around it.
            leases.renew("worker", [execution.pk for execution in executions], now=NOON + timedelta(seconds=10))

        for execution in executions:
            execution.refresh_from_db()
            assert execution.lease_expires_at == NOON + timedelta(seconds=10) + leases.lease_time()

    def test_lets_a_claim_run_out_that_the_process_knows_nothing_of(self):
        """Its commit happened, but the answer to it was lost: nobody works on it. [R-6]"""
        forgotten = ExecutionFactory(leased=True)

        leases.renew("worker", [], now=NOON + timedelta(seconds=10))

        forgotten.refresh_from_db()
        assert forgotten.lease_expires_at == NOON + timedelta(seconds=30)

    def test_does_not_bring_an_expired_lease_back(self):
        execution = ExecutionFactory(leased=True)

        leases.renew("worker", [execution.pk], now=NOON + timedelta(minutes=10))

        execution.refresh_from_db()
        assert execution.lease_expires_at == NOON + timedelta(seconds=30)


class TestMoveTo:
    @pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "timeout"])
    def test_never_leaves_a_terminal_status(self, status):
        execution = ExecutionFactory(ended=True, status=status, error={"code": "x", "message": "x"})

        with pytest.raises(IllegalTransition, match="cannot become cancelled"):
            execution.move_to(ExecutionStatus.CANCELLED, completed_at=NOON)

        assert WorkflowExecution.objects.get(pk=execution.pk).status == status

    def test_frees_the_lease_and_raises_the_fence(self):
        execution = ExecutionFactory(leased=True)

        execution.move_to(ExecutionStatus.CANCELLED, completed_at=NOON)

        execution.refresh_from_db()
        assert (execution.lease_owner, execution.lease_expires_at, execution.fence) == (None, None, 2)
