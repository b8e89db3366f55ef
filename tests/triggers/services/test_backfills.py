"""Running slots of the past: what is planned, what is started, and that a crash neither loses nor doubles any (R-8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.engine.ending import end_execution
from executions.models import ExecutionStatus, WorkflowExecution
from projects.access import Actor
from projects.models import AuditEntry
from tests.clock import NOON
from tests.factories import UserFactory
from tests.threads import at_once
from tests.triggers.stories import job_of, publish_again, published, schedule, started_by, webhook
from triggers.exceptions import BackfillEnded, BackfillRunning, InvalidBackfill, TriggerGone
from triggers.models import BackfillMode, ScheduleBackfill
from triggers.services import (
    cancel_backfill,
    carry_on_backfills,
    fire_due_schedules,
    pause_job,
    plan_backfill,
    start_backfill,
)
from triggers.services.schedules import backfills
from workflows.services import pause

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def hour(number):
    return NOON + HOUR * number


LATER = hour(10)


def a_job(settings=None, **config):
    """Return a job that was published at noon, and that nobody has fired."""
    more = {"settings": settings} if settings else {}
    return job_of(published(started_by(clock=schedule("0 * * * *", **config), **more)))


def begun(job, mode=BackfillMode.MISSING, *, first=1, last=5, max_running=10, by=None):
    return start_backfill(job, start=hour(first), end=hour(last), mode=mode, max_running=max_running, by=by, now=LATER)


def fire(job, number, status=None):
    """Fire one slot, and let its execution come to an end."""
    fire_due_schedules(hour(number))
    execution = WorkflowExecution.objects.get(scheduled_for=hour(number), rerun_of__isnull=True)
    if status:
        end(execution, status)
    return execution


def end(execution, status=ExecutionStatus.COMPLETED):
    execution.refresh_from_db()
    execution.move_to(ExecutionStatus.RUNNING, wake_at=None)
    error = None if status == ExecutionStatus.COMPLETED else {"code": "x", "message": "x"}
    end_execution(execution, status, now=NOON, error=error)


def executions(job):
    rows = WorkflowExecution.objects.filter(trigger_id=job.trigger_id).order_by("scheduled_for", "created_at", "id")
    return [(row.scheduled_for, row.rerun_of_id) for row in rows]


class TestPlan:
    @pytest.fixture
    def job(self):
        """Return a job with a slot that completed, one that failed, one that runs, and two that never fired."""
        job = a_job()
        fire(job, 1, ExecutionStatus.COMPLETED)
        fire(job, 2, ExecutionStatus.FAILED)
        fire(job, 3)
        return job

    @pytest.mark.parametrize(
        ("mode", "deeds"),
        [
            (BackfillMode.MISSING, ["leave", "leave", "leave", "start", "start"]),
            (BackfillMode.FAILED, ["leave", "rerun", "leave", "leave", "leave"]),
            (BackfillMode.ALL, ["rerun", "rerun", "leave", "start", "start"]),
        ],
    )
    def test_tells_what_would_be_done_about_each_slot(self, job, mode, deeds):
        plan = plan_backfill(job, start=hour(1), end=hour(5), mode=mode, now=LATER)

        assert [planned.slot for planned in plan.slots] == [hour(number) for number in range(1, 6)]
        assert [planned.deed for planned in plan.slots] == deeds

    def test_does_nothing(self, job):
        before = executions(job)

        plan_backfill(job, start=hour(1), end=hour(5), mode=BackfillMode.ALL, now=LATER)

        assert (executions(job), ScheduleBackfill.objects.exists()) == (before, False)

    def test_looks_at_the_latest_rerun(self, job):
        begun(job, BackfillMode.FAILED)
        carry_on_backfills(LATER)
        end(WorkflowExecution.objects.get(rerun_of__isnull=False))

        plan = plan_backfill(job, start=hour(2), end=hour(2), mode=BackfillMode.FAILED, now=LATER)

        assert [planned.deed for planned in plan.slots] == ["leave"]

    @pytest.mark.parametrize(
        ("first", "last", "path"),
        [(1, 11, "/end"), (1.1, 1.9, "/start"), (5, 1, "/start")],
    )
    def test_is_refused_for_a_range_that_makes_no_sense(self, job, first, last, path):
        with pytest.raises(InvalidBackfill) as refused:
            plan_backfill(job, start=hour(first), end=hour(last), mode=BackfillMode.ALL, now=LATER)

        assert refused.value.path == path

    def test_is_refused_for_more_slots_than_are_allowed(self, job, monkeypatch):
        monkeypatch.setattr(backfills, "MAX_SLOTS", 4)

        with pytest.raises(InvalidBackfill, match="more than 4 slots"):
            plan_backfill(job, start=hour(1), end=hour(5), mode=BackfillMode.ALL, now=LATER)


class TestStart:
    def test_starts_the_slots_that_are_missing_in_their_order_and_is_over(self):
        job, user = a_job(), UserFactory()
        fire(job, 1, ExecutionStatus.COMPLETED)
        backfill = begun(job, by=Actor(user))

        assert carry_on_backfills(LATER) == 4

        backfill.refresh_from_db()
        assert executions(job) == [(hour(number), None) for number in range(1, 6)]
        assert (backfill.status, backfill.started_count, backfill.passed_count) == ("completed", 4, 1)
        started = WorkflowExecution.objects.filter(scheduled_for__gt=hour(1))
        assert {(row.started_by, row.triggered_by) for row in started} == {(user, "schedule")}
        assert started.first().execution_context["trigger"]["scheduled_for"].startswith("2026-03-04T1")

    def test_runs_what_failed_again_and_knows_what_it_came_from(self):
        job = a_job()
        failed = fire(job, 1, ExecutionStatus.FAILED)
        fire(job, 2, ExecutionStatus.COMPLETED)
        begun(job, BackfillMode.FAILED)

        assert carry_on_backfills(LATER) == 1

        assert executions(job) == [(hour(1), None), (hour(1), failed.pk), (hour(2), None)]

    def test_has_no_more_under_way_than_it_may(self):
        job = a_job()
        backfill = begun(job, max_running=2)

        assert [carry_on_backfills(LATER) for _ in range(2)] == [2, 0]
        end(WorkflowExecution.objects.get(scheduled_for=hour(1)))
        assert carry_on_backfills(LATER) == 1

        backfill.refresh_from_db()
        assert (backfill.status, backfill.cursor, backfill.started_count) == ("running", hour(3), 3)

    def test_of_a_schedule_that_may_not_overlap_goes_one_by_one(self):
        job = a_job(overlap="skip")
        begun(job)

        assert [carry_on_backfills(LATER) for _ in range(2)] == [1, 0]

    def test_of_a_limited_workflow_keeps_to_the_limit(self):
        job = a_job(settings={"concurrency": {"max": 1}})
        begun(job, last=3)

        assert carry_on_backfills(LATER) == 3

        blocked = WorkflowExecution.objects.order_by("scheduled_for").values_list("blocked_on", flat=True)
        assert list(blocked) == ["queue", "concurrency", "concurrency"]

    def test_goes_through_more_slots_than_one_batch(self, monkeypatch):
        monkeypatch.setattr(backfills, "BATCH", 2)
        job = a_job()
        backfill = begun(job)

        assert carry_on_backfills(LATER) == 5

        backfill.refresh_from_db()
        assert (backfill.status, backfill.cursor) == ("completed", hour(5))

    def test_is_for_paused_jobs_too_and_leaves_the_clock_alone(self):
        job = pause_job(a_job(), by=None, now=NOON)
        begun(job)

        assert carry_on_backfills(LATER) == 5

        job.refresh_from_db()
        assert (job.next_run, job.run_count) == (hour(1), 0)

    def test_waits_while_the_workflow_is_paused(self):
        job = a_job()
        backfill = begun(job)
        pause(job.workflow, by=None, now=NOON)

        assert carry_on_backfills(LATER) == 0

        backfill.refresh_from_db()
        assert backfill.status == "running"

    def test_counts_for_no_failures(self):
        job = a_job()
        begun(job, last=1, by=Actor(UserFactory()))
        carry_on_backfills(LATER)

        end(WorkflowExecution.objects.get(), ExecutionStatus.FAILED)

        job.refresh_from_db()
        assert job.consecutive_failures == 0

    def test_is_written_down(self):
        begun(a_job(), BackfillMode.ALL)

        assert AuditEntry.objects.get(action="scheduled_job.backfilled").details["slots"] == "all"

    def test_is_one_at_a_time(self):
        job = a_job()
        begun(job)

        with pytest.raises(BackfillRunning, match="has not ended"):
            begun(job)

    def test_needs_the_node_in_the_published_version(self):
        job = a_job()
        publish_again(job.workflow, started_by(hook=webhook()))

        with pytest.raises(TriggerGone):
            begun(job_of(job.workflow))

    def test_that_cannot_go_on_says_why_and_stops(self, caplog):
        job = a_job()
        backfill = begun(job)
        type(job).objects.update(cron_expression="never")

        with caplog.at_level("CRITICAL"):
            assert carry_on_backfills(LATER) == 0

        backfill.refresh_from_db()
        assert (backfill.status, backfill.reason[:18]) == ("cancelled", "It could not go on")


class TestCancel:
    def test_starts_nothing_more(self):
        job = a_job()
        backfill = begun(job, max_running=1)
        carry_on_backfills(LATER)

        cancel_backfill(backfill, by=None, now=LATER)
        end(WorkflowExecution.objects.get())

        assert carry_on_backfills(LATER) == 0
        assert (backfill.status, backfill.ended_at) == ("cancelled", LATER)

    def test_of_one_that_is_over_is_refused(self):
        backfill = begun(a_job())
        carry_on_backfills(LATER)

        with pytest.raises(BackfillEnded):
            cancel_backfill(backfill, by=None, now=LATER)


@pytest.mark.django_db(transaction=True)
class TestSeveralAtOnce:
    def test_each_slot_is_started_once_beside_the_clock(self):
        """R-8: two sweeps carry one backfill on while two others fire the same slots."""
        job = a_job(misfire={"policy": "all", "max": 100})
        begun(job, last=9, max_running=100)

        at_once(
            *[lambda: carry_on_backfills(LATER)] * 2,
            *[lambda: fire_due_schedules(LATER)] * 2,
        )
        for _ in range(3):  # Who finds somebody there leaves it to the next sweep.
            carry_on_backfills(LATER)
            fire_due_schedules(LATER)

        assert executions(job) == [(hour(number), None) for number in range(1, 11)]
