"""What ended long ago is removed in small transactions; what is live never is."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import close_old_connections, connection, transaction
from django.test.utils import CaptureQueriesContext

from executions import retention, tasks
from executions.models import ExecutionStatus, LiveText, WorkflowExecution, WorkflowExecutionLog
from executions.retention import Removed
from projects.exceptions import Invalid
from projects.ids import new_id
from tests.clock import NOON
from tests.factories import (
    DeliveryFactory,
    ExecutionFactory,
    LiveTextFactory,
    NodeRunFactory,
    VersionFactory,
    WorkflowFactory,
)
from tests.plans import plan_of

pytestmark = pytest.mark.django_db

LONG_AGO = NOON - timedelta(days=31)


def ended(at: datetime = LONG_AGO, *, node_runs: int = 0, **attributes: Any) -> WorkflowExecution:
    """Return an execution that completed at a moment."""
    execution: WorkflowExecution = ExecutionFactory(ended=True, created_at=at, completed_at=at, **attributes)
    for number in range(node_runs):
        NodeRunFactory(execution=execution, node_id=f"node_{number}")
    return execution


def left() -> set[Any]:
    return set(WorkflowExecution.objects.values_list("pk", flat=True))


class TestCleanUp:
    def test_removes_what_ended_before_the_last_days_with_its_node_runs(self):
        old, young = ended(node_runs=2), ended(NOON, node_runs=1)

        removed = retention.clean_up(days=30, now=NOON)

        assert removed == Removed(executions=1, node_runs=2)
        assert left() == {young.pk}
        assert not WorkflowExecutionLog.objects.filter(execution_id=old.pk).exists()
        assert young.node_runs.count() == 1

    @pytest.mark.parametrize("status", [status for status in ExecutionStatus if status not in ("pending", "running")])
    def test_removes_every_kind_of_end(self, status):
        ended(status=status)

        assert retention.clean_up(days=30, now=NOON).executions == 1

    @pytest.mark.parametrize("trait", [{}, {"leased": True}, {"waiting": True}])
    def test_keeps_what_is_live_whatever_its_age(self, trait):
        ancient = ExecutionFactory(created_at=NOON - timedelta(days=3650), **trait)
        NodeRunFactory(execution=ancient, running=True, started_at=ancient.created_at)

        assert retention.clean_up(days=1, now=NOON) == Removed()
        assert left() == {ancient.pk}

    def test_keeps_what_ended_exactly_so_many_days_ago_and_removes_what_ended_before(self):
        at_the_boundary = ended(NOON - timedelta(days=30))
        ended(NOON - timedelta(days=30, microseconds=1))

        retention.clean_up(days=30, now=NOON)

        assert left() == {at_the_boundary.pk}

    def test_removes_what_was_left_of_live_texts(self):
        LiveTextFactory(created_at=NOON - timedelta(hours=2))

        retention.clean_up(days=30, now=NOON)

        assert not LiveText.objects.exists()

    def test_goes_by_the_end_and_not_by_the_start(self):
        long_one = ended(NOON, started_at=LONG_AGO)

        retention.clean_up(days=30, now=NOON)

        assert left() == {long_one.pk}

    def test_keeps_as_long_as_the_settings_say_unless_told(self, settings):
        settings.EXECUTION_RETENTION_DAYS = 7
        ended(NOON - timedelta(days=8))
        kept = ended(NOON - timedelta(days=6))

        retention.clean_up(now=NOON)

        assert left() == {kept.pk}

    @pytest.mark.parametrize("days", [0, -1, 10**9])
    def test_refuses_days_that_make_no_sense(self, days):
        ended()

        with pytest.raises(Invalid, match="cannot be kept"):
            retention.clean_up(days=days, now=NOON)

        assert len(left()) == 1

    def test_begins_with_the_oldest_and_stops_after_so_many_transactions(self):
        version = VersionFactory()
        moments = [LONG_AGO - timedelta(hours=number) for number in (3, 1, 4, 0, 2)]
        by_age = {moment: ended(moment, workflow_version=version) for moment in moments}

        removed = retention.clean_up(days=30, now=NOON, batch=2, most=2)

        assert removed.executions == 4
        assert left() == {by_age[LONG_AGO].pk}

    def test_the_next_one_finds_what_is_left(self):
        version = VersionFactory()
        for _ in range(5):
            ended(workflow_version=version)

        counts = [retention.clean_up(days=30, now=NOON, batch=2, most=1).executions for _ in range(4)]

        assert counts == [2, 2, 1, 0]

    def test_an_execution_with_very_many_node_runs_takes_several_transactions(self, monkeypatch):
        monkeypatch.setattr(retention, "NODE_RUNS_AT_ONCE", 3)
        ended(node_runs=8)
        steps: list[Removed] = []

        retention.clean_up(days=30, now=NOON, progress=steps.append)

        assert steps == [Removed(node_runs=3), Removed(node_runs=3), Removed(executions=1, node_runs=2)]
        assert not left()

    def test_what_refers_to_a_removed_execution_lets_go(self):
        delivery = DeliveryFactory(execution=ended())
        rerun = ended(NOON, rerun_of=delivery.execution, workflow_version=delivery.execution.workflow_version)

        retention.clean_up(days=30, now=NOON)

        delivery.refresh_from_db()
        rerun.refresh_from_db()
        assert (delivery.execution_id, rerun.rerun_of_id) == (None, None)

    def test_reruns_of_a_removed_slot_do_not_become_the_slot(self):
        slot = {"trigger_id": new_id(), "scheduled_for": LONG_AGO}
        first = ended(**slot)
        again = {"rerun_of": first, "workflow_version": first.workflow_version, **slot}
        reruns = {ended(NOON, **again).pk, ended(NOON, **again).pk}

        assert retention.clean_up(days=30, now=NOON).executions == 1
        assert left() == reruns

    def test_leaves_workflows_and_versions_alone(self):
        execution = ended()

        retention.clean_up(days=30, now=NOON)

        execution.workflow_version.refresh_from_db()
        execution.workflow.refresh_from_db()

    def test_a_transaction_costs_the_same_number_of_queries_for_one_execution_and_for_many(self):
        version = VersionFactory()

        def queries(executions: int) -> int:
            for _ in range(executions):
                ended(node_runs=3, workflow_version=version)
            with CaptureQueriesContext(connection) as captured:
                retention.clean_up(days=30, now=NOON, most=1)
            assert not left()
            return len(captured)

        assert queries(1) == queries(40)

    def test_finds_them_by_an_index(self):
        assert "executions_ended" in plan_of(retention._expired(NOON).values("pk")[:10])

    def test_the_tick_removes_with_the_defaults(self):
        ended(node_runs=1)

        tasks.clean_up()

        assert not left()


@pytest.mark.django_db(transaction=True)
class TestTwoCleanUpsAtOnce:
    def test_the_second_one_passes_over_what_the_first_is_removing(self):
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("SQLite's transactions are alone.")
        version = VersionFactory()
        older, younger = ended(LONG_AGO - timedelta(days=1), workflow_version=version), ended(workflow_version=version)
        removed: list[Removed] = []

        def other() -> None:
            try:
                removed.append(retention.clean_up(days=30, now=NOON, batch=10))
            finally:
                close_old_connections()
                connection.close()

        with transaction.atomic():
            WorkflowExecution.objects.select_for_update().get(pk=older.pk)
            second = threading.Thread(target=other)
            second.start()
            second.join(timeout=30)
            retention.clean_up(days=30, now=NOON, batch=1)

        assert removed == [Removed(executions=1)]
        assert younger.pk not in left()
        assert not left()


class TestCountRemovable:
    def test_counts_what_a_clean_up_then_removes(self):
        version = VersionFactory()
        for _ in range(3):
            ended(node_runs=2, workflow_version=version)
        ended(NOON, node_runs=1)

        counted = retention.count_removable(days=30, now=NOON)

        assert counted == Removed(executions=3, node_runs=6)
        assert retention.clean_up(days=30, now=NOON) == counted


class TestCommand:
    def run(self, *arguments: str) -> str:
        out = StringIO()
        call_command("clean_up_executions", *arguments, stdout=out)
        return out.getvalue()

    def test_removes_all_and_says_how_much(self, monkeypatch):
        monkeypatch.setattr(retention, "NODE_RUNS_AT_ONCE", 1)  # More transactions than a tick does.
        more = retention.TRANSACTIONS_PER_TICK + 1
        ended(node_runs=more)

        assert self.run("--days", "30") == f"Removed 1 executions, {more} node runs.\n"
        assert not left()

    def test_a_dry_run_removes_nothing(self):
        ended(node_runs=2)

        assert self.run("--days", "30", "--dry-run") == "Would remove 1 executions, 2 node runs.\n"
        assert len(left()) == 1

    @pytest.mark.parametrize("arguments", [["--days", "0"], ["--days", "-3"], ["--days", "0", "--dry-run"]])
    def test_refuses_to_keep_less_than_a_day(self, arguments):
        WorkflowFactory()

        with pytest.raises(CommandError, match="Keep them for one day or more"):
            self.run(*arguments)
