"""Firing schedules, and what people and executions do to their jobs (R-8)."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from executions.engine.ending import end_execution
from executions.engine.recovery import sweep
from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import rerun_execution
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import ExecutionFactory, ScheduledJobFactory
from tests.threads import at_once
from tests.triggers.stories import job_of, publish_again, published, schedule, started_by, webhook
from triggers.models import ScheduledJob
from triggers.schedules.misfires import MOST_COUNTED
from triggers.services import fire_due_schedules, pause_job, preview, resume_job, switch_trigger
from triggers.services.schedules import firing
from workflows.models import Workflow
from workflows.services import archive, disable, enable, pause, resume, unarchive

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ONE = NOON + HOUR  # The first slot of an hourly schedule that was published at noon.


def a_job(cron="0 * * * *", **config):
    return job_of(published(started_by(clock=schedule(cron, **config))))


def slots_fired(job):
    fired = WorkflowExecution.objects.filter(trigger_id=job.trigger_id, rerun_of__isnull=True)
    return sorted(fired.values_list("scheduled_for", flat=True))


class TestFireDueSchedules:
    def test_starts_an_execution_for_the_slot(self):
        job = a_job("30 14 * * *", timezone="Europe/Berlin")

        assert fire_due_schedules(NOON + 2 * HOUR) == 1

        execution = WorkflowExecution.objects.get()
        assert execution.scheduled_for == datetime(2026, 3, 4, 13, 30, tzinfo=UTC)
        assert (execution.triggered_by, execution.trigger_id) == ("schedule", job.trigger_id)
        assert execution.execution_context == {
            "trigger": {"scheduled_for": "2026-03-04T14:30:00+01:00", "timezone": "Europe/Berlin"},
            "node_id": "clock",
        }

    def test_moves_the_job_to_its_next_slot(self):
        job = a_job()

        fire_due_schedules(ONE + MINUTE)

        job.refresh_from_db()
        assert (job.next_run, job.last_run, job.run_count) == (ONE + HOUR, ONE + MINUTE, 1)

    def test_leaves_alone_what_is_not_due(self):
        job = a_job()

        assert fire_due_schedules(ONE - timedelta(microseconds=1)) == 0
        assert slots_fired(job) == []
        assert fire_due_schedules(ONE) == 1

    def test_fires_a_slot_once_however_often_it_is_asked(self):
        job = a_job()

        assert [fire_due_schedules(ONE) for _ in range(3)] == [1, 0, 0]
        assert slots_fired(job) == [ONE]

    def test_of_the_slots_that_were_missed_fires_the_last(self):
        job = a_job()

        assert fire_due_schedules(NOON + 3 * DAY + MINUTE) == 1

        assert slots_fired(job) == [NOON + 3 * DAY]
        job.refresh_from_db()
        assert job.next_run == NOON + 3 * DAY + HOUR

    def test_does_not_count_through_a_million_missed_slots(self):
        job = a_job("* * * * * *")

        assert fire_due_schedules(NOON + 365 * DAY) == 60  # Those of the last minute are late, and not missed.
        assert slots_fired(job)[-1] == NOON + 365 * DAY
        assert job.skipped_slots.get().count == MOST_COUNTED

    def test_fires_at_the_end_of_a_gap_and_once_in_a_fold(self):
        job = a_job("30 2 * * *", timezone="Europe/Berlin")
        for day in (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)):
            ScheduledJob.objects.update(next_run=next(iter(preview(job, 1, now=day - 12 * HOUR))))
            for minute in range(0, 6 * 60, 10):
                fire_due_schedules(day + minute * MINUTE)

        assert slots_fired(job) == [datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]

    def test_ends_with_the_last_slot_before_the_end(self):
        job = a_job(end_date="2026-03-04T14:30Z")

        for hour in range(1, 5):
            fire_due_schedules(NOON + hour * HOUR)

        job.refresh_from_db()
        assert slots_fired(job) == [ONE, ONE + HOUR]
        assert job.next_run is None

    def test_runs_the_newest_version(self):
        job = a_job()
        publish_again(job.workflow, started_by(clock=schedule(), other=schedule("0 0 1 1 *")))

        fire_due_schedules(ONE)

        assert WorkflowExecution.objects.get().workflow_version.number == 2

    def test_does_not_fire_a_slot_again_that_comes_up_again(self):
        """R-8: the unique (job, slot) holds even when a schedule is set back."""
        job = a_job()
        fire_due_schedules(ONE)
        ScheduledJob.objects.update(next_run=ONE)

        assert fire_due_schedules(ONE + MINUTE) == 0

        job.refresh_from_db()
        assert (slots_fired(job), job.next_run, job.consecutive_failures) == ([ONE], ONE + HOUR, 0)

    def test_is_backed_by_the_database(self):
        """R-8"""
        job = a_job()
        fire_due_schedules(ONE)
        first = WorkflowExecution.objects.get()

        with pytest.raises(IntegrityError), transaction.atomic():
            ExecutionFactory(
                workflow_version=first.workflow_version,
                trigger_id=job.trigger_id,
                scheduled_for=ONE,
                triggered_by="schedule",
            )

    def test_a_rerun_is_no_second_firing(self):
        job = a_job()
        fire_due_schedules(ONE)
        first = WorkflowExecution.objects.get()
        first.move_to(ExecutionStatus.RUNNING, wake_at=None)
        end_execution(first, ExecutionStatus.FAILED, now=ONE, error={"code": "x", "message": "x"})

        again = rerun_execution(first, by=None, now=ONE)
        again.move_to(ExecutionStatus.RUNNING, wake_at=None)
        end_execution(again, ExecutionStatus.FAILED, now=ONE, error={"code": "x", "message": "x"})

        job.refresh_from_db()
        assert (slots_fired(job), job.consecutive_failures) == ([ONE], 1)

    def test_goes_on_batch_by_batch_until_nothing_is_due(self, monkeypatch):
        monkeypatch.setattr(firing, "BATCH", 2)
        jobs = [ScheduledJobFactory(next_run=NOON + MINUTE * number) for number in (5, 4, 3, 2, 1)]

        assert fire_due_schedules(ONE) == 5
        assert [len(slots_fired(job)) for job in jobs] == [1] * 5

    def test_out_of_time_leaves_the_rest_to_the_next_sweep_and_takes_the_longest_due_first(self, monkeypatch):
        monkeypatch.setattr(firing, "BATCH", 2)
        monkeypatch.setattr(firing, "SECONDS_AT_A_TIME", 0)
        jobs = [ScheduledJobFactory(next_run=NOON + MINUTE * number) for number in (3, 2, 1)]

        assert fire_due_schedules(ONE) == 2
        assert [len(slots_fired(job)) for job in jobs] == [0, 1, 1]

    def test_with_nothing_due_asks_one_question(self, django_assert_num_queries):
        a_job()

        with django_assert_num_queries(1):
            assert fire_due_schedules(NOON) == 0

    def test_asks_no_more_for_twenty_jobs_than_for_one(self):
        def queries(count):
            ScheduledJob.objects.update(is_active=False)
            for _ in range(count):
                a_job()
            with CaptureQueriesContext(connection) as captured:
                assert fire_due_schedules(ONE) == count
            return len(captured)

        assert queries(1) == queries(20)

    def test_tries_each_job_alone_when_a_batch_fails(self, caplog):
        jobs = [a_job() for _ in range(3)]
        failed = []

        def refuse_once(execute, sql, params, many, context):
            if sql.startswith('UPDATE "scheduled_jobs"') and not failed:
                failed.append(sql)
                raise DataError("no such moment")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse_once), caplog.at_level(logging.CRITICAL):
            assert fire_due_schedules(ONE) == 3

        assert [slots_fired(job) for job in jobs] == [[ONE]] * 3
        assert len(failed) == 1

    def test_is_part_of_every_sweep(self):
        job = a_job()
        ScheduledJob.objects.update(next_run=NOON)

        sweep()

        assert len(slots_fired(job)) == 1


class TestOneBadJob:
    def bad_job(self, **values):
        job = a_job()
        ScheduledJob.objects.filter(pk=job.pk).update(next_run=NOON - DAY, **values)
        return job

    @pytest.mark.parametrize("values", [{"cron_expression": "not cron"}, {"timezone": "Mars/Olympus"}])
    def test_does_not_stop_the_others(self, values, caplog):
        bad, good = self.bad_job(**values), a_job()

        with caplog.at_level(logging.CRITICAL):
            assert fire_due_schedules(ONE) == 1

        assert slots_fired(good) == [ONE]
        bad.refresh_from_db()
        assert not bad.is_active
        assert "Its times cannot be read" in bad.paused_reason

    def test_is_tried_again_at_its_next_slot_and_paused_in_the_end(self, caplog):
        job = a_job()
        ScheduledJob.objects.update(max_consecutive_failures=2)
        Workflow.objects.update(version=7)  # Which is not to be found.

        with caplog.at_level(logging.CRITICAL):
            fire_due_schedules(ONE)
            job.refresh_from_db()
            assert (job.consecutive_failures, job.is_active, job.next_run) == (1, True, ONE + HOUR)
            assert fire_due_schedules(ONE + MINUTE) == 0
            fire_due_schedules(ONE + HOUR)

        job.refresh_from_db()
        assert (job.consecutive_failures, job.is_active, job.run_count) == (2, False, 0)
        assert "could not be started" in job.paused_reason

    def test_is_not_blamed_for_a_database_that_is_away(self):
        job = a_job()

        def away(execute, sql, params, many, context):
            if sql.startswith("INSERT"):
                raise OperationalError("the server has gone")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(away), pytest.raises(OperationalError):
            fire_due_schedules(ONE)

        job.refresh_from_db()
        assert (job.consecutive_failures, job.next_run) == (0, ONE)


class TestWhoDoesNotFire:
    def test_a_paused_workflow_but_the_last_missed_slot_fires_when_it_goes_on(self):
        job = a_job()
        pause(job.workflow, by=None, now=NOON)

        assert fire_due_schedules(NOON + DAY) == 0
        resume(job.workflow, by=None, now=NOON + DAY)
        fire_due_schedules(NOON + DAY + MINUTE)

        assert slots_fired(job) == [NOON + DAY]

    def test_a_disabled_workflow_and_it_makes_nothing_up(self):
        job = a_job()
        disable(job.workflow, reason="Moved.", by=None, now=NOON)

        assert fire_due_schedules(NOON + DAY) == 0
        enable(job.workflow, by=None, now=NOON + DAY)

        assert fire_due_schedules(NOON + DAY + MINUTE) == 0
        job.refresh_from_db()
        assert job.next_run == NOON + DAY + HOUR

    def test_an_archived_workflow_and_it_makes_nothing_up(self):
        job = a_job()
        archive(job.workflow, by=None, now=NOON)
        assert fire_due_schedules(NOON + DAY) == 0

        unarchive(job.workflow, by=None, now=NOON + DAY)
        enable(job.workflow, by=None, now=NOON + DAY)

        assert fire_due_schedules(NOON + DAY + MINUTE) == 0

    def test_a_paused_job_and_it_makes_nothing_up(self):
        job = a_job()
        pause_job(job, by=None, now=NOON)
        assert fire_due_schedules(NOON + DAY) == 0

        resume_job(job, by=None, now=NOON + DAY)

        assert fire_due_schedules(NOON + DAY + MINUTE) == 0
        assert fire_due_schedules(NOON + DAY + HOUR) == 1

    def test_a_node_that_is_no_schedule_any_more(self):
        job = a_job()
        publish_again(job.workflow, started_by(clock=webhook()))

        assert fire_due_schedules(NOON + DAY) == 0

    def test_a_trigger_that_is_off_and_it_makes_nothing_up(self):
        job = a_job()
        switch_trigger(job.trigger, is_active=False, by=None, now=NOON)
        assert fire_due_schedules(NOON + DAY) == 0

        switch_trigger(job.trigger, is_active=True, by=None, now=NOON + DAY)

        assert fire_due_schedules(NOON + DAY + MINUTE) == 0
        assert fire_due_schedules(NOON + DAY + HOUR) == 1


class TestCountingEnds:
    def end(self, job, status):
        execution = ExecutionFactory(
            workflow_version=job.workflow.versions.get(),
            triggered_by="schedule",
            trigger_id=job.trigger_id,
            status=ExecutionStatus.RUNNING,
        )
        end_execution(execution, status, now=NOON, error={"code": "x", "message": "x"})
        job.refresh_from_db()
        return execution

    @pytest.mark.parametrize("status", [ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT])
    def test_counts_failures_in_a_row(self, status):
        job = a_job()

        self.end(job, status)
        self.end(job, status)

        assert job.consecutive_failures == 2

    def test_a_success_begins_anew(self):
        job = a_job()
        self.end(job, ExecutionStatus.FAILED)

        self.end(job, ExecutionStatus.COMPLETED)

        assert job.consecutive_failures == 0

    def test_a_cancelled_one_says_nothing(self):
        job = a_job()
        self.end(job, ExecutionStatus.FAILED)

        self.end(job, ExecutionStatus.CANCELLED)

        assert job.consecutive_failures == 1

    def test_too_many_pause_the_job_and_say_so(self):
        job = a_job()
        assert job.max_consecutive_failures == 5

        for _ in range(4):
            self.end(job, ExecutionStatus.FAILED)
        assert job.is_active
        last = self.end(job, ExecutionStatus.FAILED)

        assert not job.is_active
        assert job.paused_reason == f"5 failures in a row; the last one is {last.pk}."
        assert AuditEntry.objects.filter(action="scheduled_job.paused", actor=None).count() == 1

    def test_none_are_too_many_where_the_limit_is_zero(self):
        job = a_job()
        ScheduledJob.objects.update(max_consecutive_failures=0)

        for _ in range(6):
            self.end(job, ExecutionStatus.FAILED)

        assert (job.is_active, job.consecutive_failures) == (True, 6)

    def test_an_execution_by_hand_counts_for_no_job(self):
        job = a_job()
        execution = ExecutionFactory(
            workflow_version=job.workflow.versions.get(), trigger_id=job.trigger_id, status=ExecutionStatus.RUNNING
        )

        end_execution(execution, ExecutionStatus.FAILED, now=NOON, error={"code": "x", "message": "x"})

        job.refresh_from_db()
        assert job.consecutive_failures == 0

    def test_an_execution_whose_trigger_is_gone_ends_all_the_same(self):
        job = a_job()
        version = job.workflow.versions.get()
        trigger_id = job.trigger_id
        job.trigger.delete()
        execution = ExecutionFactory(
            workflow_version=version, triggered_by="schedule", trigger_id=trigger_id, status=ExecutionStatus.RUNNING
        )

        end_execution(execution, ExecutionStatus.FAILED, now=NOON, error={"code": "x", "message": "x"})

        assert execution.has_ended


class TestPauseAndResume:
    def test_a_pause_has_a_reason_and_is_written_down(self):
        job = pause_job(a_job(), reason="Stocktaking.", by=None, now=NOON)

        assert (job.is_active, job.paused_reason) == (False, "Stocktaking.")
        assert AuditEntry.objects.get(action="scheduled_job.paused").details == {"reason": "Stocktaking."}

    def test_going_on_forgives_the_failures(self):
        job = a_job()
        ScheduledJob.objects.update(consecutive_failures=5, is_active=False, paused_reason="Five failures.")

        resume_job(job, by=None, now=NOON + DAY)

        assert (job.is_active, job.paused_reason, job.consecutive_failures) == (True, "", 0)
        assert job.next_run == NOON + DAY + HOUR
        assert AuditEntry.objects.filter(action="scheduled_job.resumed").count() == 1

    def test_a_preview_tells_the_next_slots(self):
        job = a_job("30 2 * * *", timezone="Europe/Berlin")

        assert preview(job, 2, now=datetime(2026, 3, 28, 12, tzinfo=UTC)) == [
            datetime(2026, 3, 29, 1, tzinfo=UTC),
            datetime(2026, 3, 30, 0, 30, tzinfo=UTC),
        ]


@pytest.mark.django_db(transaction=True)
class TestSeveralAtOnce:
    def test_each_slot_fires_once(self):
        """R-8, R-7: four sweeps at once over twenty jobs."""
        jobs = [a_job() for _ in range(20)]

        fired = at_once(*[lambda: fire_due_schedules(ONE)] * 4)

        assert sum(fired) == 20
        assert [slots_fired(job) for job in jobs] == [[ONE]] * 20
        assert set(ScheduledJob.objects.values_list("run_count", "next_run")) == {(1, ONE + HOUR)}

    def test_each_slot_fires_once_also_when_the_clocks_of_the_sweeps_differ(self):
        job = a_job("* * * * *")

        at_once(
            *[
                lambda second=second: fire_due_schedules(NOON + timedelta(seconds=second))
                for second in (61, 119, 121, 59)
            ]
        )

        fired = slots_fired(job)
        assert len(fired) == len(set(fired)) > 0
        job.refresh_from_db()
        assert job.run_count == len(fired)
        assert job.next_run > max(fired)

    def test_no_end_is_lost_and_the_job_is_paused_once(self):
        job = a_job()
        version = job.workflow.versions.get()
        executions = [
            ExecutionFactory(
                workflow_version=version,
                triggered_by="schedule",
                trigger_id=job.trigger_id,
                status=ExecutionStatus.RUNNING,
            )
            for _ in range(6)
        ]

        def ending(execution):
            error = {"code": "x", "message": "x"}
            return lambda: end_execution(execution, ExecutionStatus.FAILED, now=NOON, error=error)

        at_once(*[ending(execution) for execution in executions])

        job.refresh_from_db()
        assert (job.consecutive_failures, job.is_active) == (6, False)
        assert AuditEntry.objects.filter(action="scheduled_job.paused").count() == 1
