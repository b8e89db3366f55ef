"""Who fires a slot (R-8)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction

from tests.clock import NOON
from tests.factories import ScheduledJobFactory
from tests.threads import at_once
from triggers.models import ScheduledJob
from triggers.schedules.claims import claim, move_on
from workflows.models import Workflow

HOUR = timedelta(hours=1)


@pytest.mark.django_db
class TestMoveOn:
    def test_moves_a_job_that_still_stands_where_it_was_read(self):
        job = ScheduledJobFactory(next_run=NOON)

        assert move_on(job, NOON + HOUR, run_count=3)

        job.refresh_from_db()
        assert (job.next_run, job.run_count) == (NOON + HOUR, 3)

    def test_leaves_alone_one_that_somebody_else_has_moved(self):
        job = ScheduledJobFactory(next_run=NOON)
        ScheduledJob.objects.update(next_run=NOON + 2 * HOUR)

        assert not move_on(job, NOON + HOUR, run_count=3)

        job.refresh_from_db()
        assert (job.next_run, job.run_count) == (NOON + 2 * HOUR, 0)


@pytest.mark.django_db(transaction=True)
class TestClaim:
    def test_returns_a_job_that_is_due_and_nothing_else(self):
        job = ScheduledJobFactory(next_run=NOON)

        with transaction.atomic():
            assert claim(job.pk, NOON) == job
            assert claim(job.pk, NOON - HOUR) is None

    def test_does_not_wait_for_somebody_who_has_the_job(self):
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("there is one writer at a time")
        job = ScheduledJobFactory(next_run=NOON)

        def claim_beside():
            with transaction.atomic():
                return claim(job.pk, NOON)

        with transaction.atomic():
            claim(job.pk, NOON)
            assert at_once(claim_beside) == [None]

    def test_does_not_wait_for_somebody_who_has_the_workflow(self):
        """Who publishes has the workflow and wants its jobs: who had the job and wanted the workflow would wait in a circle."""
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("there is one writer at a time")
        job = ScheduledJobFactory(next_run=NOON)

        def claim_beside():
            with transaction.atomic():
                return claim(job.pk, NOON)

        with transaction.atomic():
            Workflow.objects.select_for_update(no_key=True).get(pk=job.workflow_id)
            assert at_once(claim_beside) == [None]
        assert at_once(claim_beside) == [job]
