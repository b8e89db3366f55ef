"""The rules of a schedule at work: intervals, misfire, overlap, jitter, resuming, firing by hand (R-8)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from executions.engine.ending import end_execution
from executions.exceptions import NotRunnable
from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import rerun_execution
from projects.access import Actor
from projects.models import AuditEntry
from tests.builders import node
from tests.clock import NOON
from tests.factories import UserFactory
from tests.triggers.stories import event, job_of, publish_again, published, schedule, started_by, webhook
from triggers.exceptions import TriggerGone
from triggers.models import ScheduledJob, SkippedSlots
from triggers.schedules.misfires import MisfirePolicy
from triggers.services import (
    change_job,
    fire_due_schedules,
    fire_now,
    let_waiting_go,
    pause_job,
    remove_old_skips,
    resume_job,
)
from workflows.services import disable, pause, resume

pytestmark = pytest.mark.django_db

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def every(interval="1h", **config):
    return node("trigger", {"kind": "schedule", "every": interval, **config})


def a_job(clock=None, settings=None, **config):
    more = {"settings": settings} if settings else {}
    return job_of(published(started_by(clock=clock or schedule("0 * * * *", **config), **more)))


def hour(number):
    return NOON + HOUR * number


def slots_fired(job):
    fired = WorkflowExecution.objects.filter(trigger_id=job.trigger_id, scheduled_for__isnull=False)
    return sorted(fired.values_list("scheduled_for", flat=True))


def live(job):
    return WorkflowExecution.objects.live().filter(trigger_id=job.trigger_id).order_by("created_at", "id")


def end(execution, status=ExecutionStatus.COMPLETED, *, now=NOON):
    execution.refresh_from_db()
    execution.move_to(ExecutionStatus.RUNNING, wake_at=None)
    error = None if status == ExecutionStatus.COMPLETED else {"code": "x", "message": "x"}
    end_execution(execution, status, now=now, error=error)


def skips(job):
    rows = job.skipped_slots.order_by("created_at", "id")
    return list(rows.values_list("reason", "first_slot", "last_slot", "count"))


class TestIntervals:
    def test_are_counted_from_the_first_publishing(self):
        job = a_job(every("25m"))

        for minutes in range(0, 120, 5):
            fire_due_schedules(NOON + MINUTE * minutes)

        assert slots_fired(job) == [NOON + MINUTE * minutes for minutes in (25, 50, 75, 100)]

    def test_are_counted_from_their_start(self):
        job = a_job(every("90s", start_date="2026-03-04T13:00:30Z"))

        assert (job.anchor, job.next_run) == (hour(1) + 30 * SECOND, hour(1) + 30 * SECOND)

    def test_are_counted_in_true_time_from_a_start_before_the_clocks_changed(self):
        """[R-8] 14:30 in Berlin's summer is 12:30 UTC, and stays it in winter."""
        job = a_job(every("1h"))
        clock = every("12h", timezone="Europe/Berlin", start_date="2025-10-25T14:30")

        publish_again(job.workflow, started_by(clock=clock))

        job.refresh_from_db()
        assert job.next_run == NOON + 30 * MINUTE

    def test_keep_their_next_run_in_a_new_version_though_they_start_at_a_time_that_was_never_shown(self):
        """[R-8] Between zones, Python takes no time in a gap for equal to itself."""
        times = {"timezone": "Europe/Berlin", "start_date": "2025-03-30T02:30"}
        job = a_job(every("1h", **times))

        publish_again(job.workflow, started_by(clock=every("1h", overlap="skip", **times)), now=NOON + 90 * MINUTE)

        job.refresh_from_db()
        assert job.next_run == hour(1) - 30 * MINUTE

    def test_keep_their_anchor_in_a_new_version(self):
        job = a_job(every("1h"))

        publish_again(job.workflow, started_by(clock=every("2h")), now=NOON + 17 * MINUTE)

        job.refresh_from_db()
        assert (job.every_seconds, job.next_run) == (7200, hour(2))

    def test_are_told_as_what_they_are(self):
        assert str(a_job(every("90s"))).startswith("every 90 s (UTC) for ")


class TestMisfire:
    @pytest.mark.parametrize(
        ("misfire", "fired"),
        [({"policy": "skip"}, []), ({"policy": "last"}, [3]), ({"policy": "all", "max": 2}, [2, 3]), ({}, [3])],
    )
    def test_is_the_version_s(self, misfire, fired):
        job = a_job(misfire=misfire)

        fire_due_schedules(hour(3) + 10 * MINUTE)

        job.refresh_from_db()
        assert slots_fired(job) == [hour(number) for number in fired]
        assert job.next_run == hour(4)

    def test_skipped_slots_are_written_down(self):
        job = a_job(misfire={"policy": "skip"})

        fire_due_schedules(hour(3) + 10 * MINUTE)

        assert skips(job) == [("missed", hour(1), hour(3), 3)]

    def test_a_slot_within_the_grace_fires(self):
        job = a_job(misfire={"policy": "skip", "grace_seconds": 600})

        fire_due_schedules(hour(1) + 9 * MINUTE)

        assert slots_fired(job) == [hour(1)]

    def test_also_decides_after_a_pause_of_the_workflow(self):
        job = a_job(misfire={"policy": "all", "max": 5})
        pause(job.workflow, by=None, now=NOON)
        resume(job.workflow, by=None, now=hour(3) + 10 * MINUTE)

        fire_due_schedules(hour(3) + 10 * MINUTE)

        assert slots_fired(job) == [hour(1), hour(2), hour(3)]


class TestOverlap:
    def test_allowed_starts_one_beside_the_other(self):
        job = a_job(overlap="allow")

        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))

        assert live(job).count() == 2

    def test_skipped_says_which_execution_was_in_the_way(self):
        job = a_job(overlap="skip")
        fire_due_schedules(hour(1))
        first = live(job).get()

        fire_due_schedules(hour(2))
        fire_due_schedules(hour(3))

        assert (slots_fired(job), skips(job)) == ([hour(1)], [("overlap", hour(2), hour(3), 2)])
        assert job.skipped_slots.get().detail == f"Execution {first.pk} (of 2026-03-04 13:00:00 UTC) had not ended."

    def test_skipped_fires_again_when_nothing_runs(self):
        job = a_job(overlap="skip")
        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))
        end(live(job).get())

        fire_due_schedules(hour(3))
        fire_due_schedules(hour(4))

        assert slots_fired(job) == [hour(1), hour(3)]
        assert skips(job) == [("overlap", hour(2), hour(2), 1), ("overlap", hour(4), hour(4), 1)]

    def test_skipped_looks_at_what_a_person_started_too(self):
        job = a_job(overlap="skip")
        fire_now(job, by=None, now=NOON)

        fire_due_schedules(hour(1))

        assert slots_fired(job) == []
        assert "(started by hand) had not ended" in job.skipped_slots.get().detail

    def test_queued_waits_for_the_end_and_then_goes_one_by_one(self):
        job = a_job(overlap="queue")
        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))
        fire_due_schedules(hour(3))
        assert slots_fired(job) == [hour(1)]
        job.refresh_from_db()
        assert (job.waits_for, job.next_run) == (live(job).get().pk, hour(2))

        end(live(job).get())
        fire_due_schedules(hour(3) + 10 * MINUTE)
        assert slots_fired(job) == [hour(1), hour(2)]

        end(live(job).get())
        fire_due_schedules(hour(3) + 20 * MINUTE)
        assert slots_fired(job) == [hour(1), hour(2), hour(3)]
        assert skips(job) == []
        job.refresh_from_db()
        assert (job.waits_for, job.is_queued, job.next_run) == (None, False, hour(4))

    def test_queued_is_let_go_by_a_sweep_when_nobody_told_of_the_end(self):
        job = a_job(overlap="queue")
        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))
        execution = live(job).get()
        end(execution)
        ScheduledJob.objects.update(waits_for=execution.pk)
        assert fire_due_schedules(hour(2) + MINUTE) == 0

        assert let_waiting_go(hour(2) + MINUTE) == 1
        fire_due_schedules(hour(2) + MINUTE)

        assert slots_fired(job) == [hour(1), hour(2)]

    def test_queued_goes_at_once_when_a_version_allows_it(self):
        job = a_job(overlap="queue")
        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))

        publish_again(job.workflow, started_by(clock=schedule("0 * * * *")), now=hour(2))
        fire_due_schedules(hour(2))

        assert slots_fired(job) == [hour(1), hour(2)]

    def test_cancelling_ends_the_earlier_one_and_says_for_what(self):
        job = a_job(overlap="cancel")
        fire_due_schedules(hour(1))
        first = live(job).get()

        fire_due_schedules(hour(2))

        first.refresh_from_db()
        assert first.status == ExecutionStatus.CANCELLED
        assert "The slot of 2026-03-04 14:00:00 UTC replaces it." in first.error["message"]
        assert live(job).get().scheduled_for == hour(2)

    def test_cancelling_leaves_alone_what_a_person_started(self):
        job = a_job(overlap="cancel")
        by_hand = fire_now(job, by=None, now=NOON)

        fire_due_schedules(hour(1))

        assert set(live(job)) == {by_hand, WorkflowExecution.objects.get(scheduled_for=hour(1))}

    def test_cancelling_fires_the_newest_of_several_that_are_due(self):
        job = a_job(clock=schedule("* * * * *", overlap="cancel", misfire={"grace_seconds": 600}))

        fire_due_schedules(NOON + 3 * MINUTE)

        assert slots_fired(job) == [NOON + 3 * MINUTE]
        assert skips(job) == [("overlap", NOON + MINUTE, NOON + 2 * MINUTE, 2)]

    def test_goes_together_with_the_workflow_s_own_limit(self):
        job = a_job(overlap="skip", settings={"concurrency": {"max": 1}})

        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))

        assert slots_fired(job) == [hour(1)]


class TestLimitedWorkflows:
    def test_have_their_slots_accepted_under_the_limit(self):
        job = a_job(settings={"concurrency": {"max": 1, "on_limit": "queue"}})

        fire_due_schedules(hour(1))
        fire_due_schedules(hour(2))

        found = WorkflowExecution.objects.order_by("scheduled_for").values_list("blocked_on", flat=True)
        assert list(found) == ["queue", "concurrency"]
        job.refresh_from_db()
        assert (job.run_count, job.next_run) == (2, hour(3))


class TestJitter:
    def test_fires_later_and_the_slot_stays_what_it_is(self):
        job = a_job(jitter_seconds=600)
        delay = job.delay_of(hour(1))
        assert timedelta(0) < delay <= timedelta(seconds=600)

        assert fire_due_schedules(hour(1) + delay - timedelta(milliseconds=1)) == 0
        assert fire_due_schedules(hour(1) + delay) == 1

        assert slots_fired(job) == [hour(1)]

    def test_is_no_misfire(self):
        job = a_job(jitter_seconds=3600, misfire={"policy": "skip"})

        fire_due_schedules(hour(1) + job.delay_of(hour(1)) + 30 * SECOND)

        assert slots_fired(job) == [hour(1)]


class TestResume:
    @pytest.mark.parametrize(
        ("missed", "fired"),
        [(MisfirePolicy.SKIP, []), (MisfirePolicy.LAST, [3]), (MisfirePolicy.ALL, [1, 2, 3])],
    )
    def test_does_with_missed_slots_what_is_asked(self, missed, fired):
        job = a_job(misfire={"policy": "skip"})
        pause_job(job, by=None, now=NOON)

        resume_job(job, missed=missed, by=None, now=hour(3) + MINUTE)
        fire_due_schedules(hour(3) + MINUTE)
        fire_due_schedules(hour(3) + 2 * MINUTE)

        job.refresh_from_db()
        assert slots_fired(job) == [hour(number) for number in fired]
        assert (job.next_run, job.catch_up) == (hour(4), "")

    def test_writes_down_what_nobody_wanted(self):
        job = a_job()
        pause_job(job, by=None, now=NOON)

        resume_job(job, by=None, now=hour(3) + MINUTE)

        assert skips(job) == [("resumed", hour(1), hour(3), 3)]

    def test_of_a_job_that_runs_skips_nothing(self):
        job = a_job()

        resume_job(job, by=None, now=hour(1) + SECOND)

        assert fire_due_schedules(hour(1) + SECOND) == 1


class TestFireNow:
    def test_starts_an_execution_of_no_slot_and_says_who_wanted_it(self):
        job, user = a_job(timezone="Europe/Berlin"), UserFactory()

        execution = fire_now(job, reason="Payday.", by=Actor(user), now=NOON)

        job.refresh_from_db()
        assert (execution.scheduled_for, execution.started_by, execution.triggered_by) == (None, user, "manual")
        assert execution.execution_context["trigger"]["scheduled_for"] == "2026-03-04T13:00:00+01:00"
        assert (job.next_run, job.run_count) == (hour(1), 0)
        entry = AuditEntry.objects.get(action="scheduled_job.fired")
        assert (entry.actor, entry.details) == (user, {"reason": "Payday.", "execution": str(execution.pk)})

    def test_works_while_the_job_is_paused(self):
        job = pause_job(a_job(), by=None, now=NOON)

        assert fire_now(job, by=None, now=NOON).trigger_id == job.trigger_id

    def test_counts_for_no_failures(self):
        job = a_job()

        end(fire_now(job, by=None, now=NOON), ExecutionStatus.FAILED)

        job.refresh_from_db()
        assert job.consecutive_failures == 0

    def test_needs_the_node_in_the_published_version(self):
        job = a_job()
        publish_again(job.workflow, started_by(hook=webhook()))
        job = job_of(job.workflow)

        with pytest.raises(TriggerGone, match="has no schedule 'clock'"):
            fire_now(job, by=None, now=NOON)

    def test_needs_a_workflow_that_may_start(self):
        job = a_job()
        disable(job.workflow, reason="Moved.", by=None, now=NOON)

        with pytest.raises(NotRunnable):
            fire_now(job_of(job.workflow), by=None, now=NOON)


class TestFailures:
    def fail(self, job, times):
        for number in range(times):
            fire_due_schedules(hour(number + 1))
            end(live(job).get(), ExecutionStatus.FAILED)

    def test_are_too_many_when_the_version_says_so_and_an_event_tells_it(self):
        job = a_job(max_consecutive_failures=2)
        listening = published(started_by(told=event("schedule.paused")), project=job.workflow.project)

        self.fail(job, 2)

        job.refresh_from_db()
        assert not job.is_active
        told = listening.executions.get().execution_context["trigger"]["data"]
        assert (told["schedule"], told["reason"]) == (str(job.pk), job.paused_reason)

    def test_of_reruns_do_not_count(self):
        job = a_job()
        self.fail(job, 1)
        execution = WorkflowExecution.objects.get()

        end(rerun_execution(execution, by=None, now=NOON), ExecutionStatus.FAILED)

        job.refresh_from_db()
        assert job.consecutive_failures == 1

    def test_how_many_are_too_many_is_an_operator_s_until_a_version_says_something_new(self):
        job = a_job(max_consecutive_failures=2)
        change_job(job, max_consecutive_failures=9, by=None, now=NOON)

        publish_again(job.workflow, started_by(clock=schedule("5 * * * *", max_consecutive_failures=2)))
        job.refresh_from_db()
        assert job.max_consecutive_failures == 9

        publish_again(job.workflow, started_by(clock=schedule("5 * * * *", max_consecutive_failures=3)))
        job.refresh_from_db()
        assert job.max_consecutive_failures == 3


class TestRemoveOldSkips:
    def test_removes_what_is_older_than_executions_are_kept(self, settings):
        settings.EXECUTION_RETENTION_DAYS = 30
        job = a_job(misfire={"policy": "skip"})
        fire_due_schedules(hour(3) + 10 * MINUTE)

        assert remove_old_skips(NOON + 20 * DAY) == 0
        assert remove_old_skips(NOON + 40 * DAY) == 1
        assert not SkippedSlots.objects.filter(job=job).exists()
