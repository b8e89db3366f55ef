"""The page that says whether the engine is well, and the few figures of it on the first page."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from executions.models import ENDED
from executions.operations import Broker, Owner, broker, operations
from tests.clock import NOON
from tests.factories import ExecutionFactory, ScheduledJobFactory, VersionFactory, WorkflowFactory

pytestmark = pytest.mark.django_db


def see(client) -> str:
    response = client.get(reverse("admin:executions_operations"))
    assert response.status_code == 200
    return response.content.decode()


class TestOperations:
    def test_counts_what_is_due_and_since_when(self):
        version = VersionFactory()
        for minutes in (1, 5, -5):
            ExecutionFactory(workflow_version=version, wake_at=NOON - timedelta(minutes=minutes))

        found = operations(NOON)

        assert (found.due, found.due_since) == (2, NOON - timedelta(minutes=5))

    def test_nothing_is_due_when_nothing_is_there(self):
        found = operations(NOON)

        assert (found.due, found.due_since, found.leased, found.owners, found.last_hour) == (0, None, 0, (), {})

    def test_sees_the_workers_that_hold_executions_and_the_leases_that_ran_out(self):
        version = VersionFactory()
        for owner, seconds in (("one", 10), ("one", 20), ("two", -10)):
            ExecutionFactory(
                workflow_version=version,
                leased=True,
                lease_owner=owner,
                lease_expires_at=NOON + timedelta(seconds=seconds),
            )

        found = operations(NOON)

        assert (found.leased, found.expired_leases) == (3, 1)
        assert found.owners == (
            Owner("one", 2, NOON + timedelta(seconds=10)),
            Owner("two", 1, NOON - timedelta(seconds=10)),
        )

    def test_counts_what_live_executions_wait_for(self):
        version = VersionFactory()
        for reason in ("timer", "queue", "timer"):
            ExecutionFactory(workflow_version=version, blocked_on=reason)

        assert operations(NOON).waiting == {"queue": 1, "timer": 2}

    def test_counts_the_executions_of_the_last_hour_by_status(self):
        version = VersionFactory()
        for status in (*ENDED, ENDED[0]):
            ExecutionFactory(ended=True, status=status, workflow_version=version, created_at=NOON)
        ExecutionFactory(ended=True, workflow_version=version, created_at=NOON - timedelta(hours=1, seconds=1))

        assert operations(NOON).last_hour == {"completed": 2, "failed": 1, "cancelled": 1, "timeout": 1}

    def test_asks_the_same_number_of_queries_whatever_there_is(self):
        version = VersionFactory()

        def queries() -> int:
            with CaptureQueriesContext(connection) as captured:
                operations(NOON)
            return len(captured)

        before = queries()
        for _ in range(5):
            ExecutionFactory(workflow_version=version)
            ExecutionFactory(workflow_version=version, leased=True)

        assert queries() == before


class TestBroker:
    def test_answers_when_it_is_there(self, broker):
        from executions.operations import broker as look

        found = look()

        assert found.is_reachable
        assert "bells waiting" in found.detail

    def test_that_is_not_there_is_said_so_without_its_password(self, monkeypatch):
        from celery import current_app

        monkeypatch.setattr(current_app.conf, "broker_write_url", "redis://:canary@127.0.0.1:1/0")
        monkeypatch.setattr(current_app.conf, "broker_url", "redis://:canary@127.0.0.1:1/0")

        found = broker()

        assert isinstance(found, Broker)
        assert not found.is_reachable
        assert "canary" not in found.detail
        assert "127.0.0.1:1" in found.detail


class TestPage:
    def test_opens_without_executions(self, browser):
        assert "Nothing waits." in see(browser)

    def test_shows_the_engine(self, browser):
        now = timezone.now()
        version = VersionFactory()
        ExecutionFactory(workflow_version=version, created_at=now - timedelta(minutes=10))
        ExecutionFactory(workflow_version=version, leased=True, lease_owner="<b>worker</b>", lease_expires_at=now)

        page = see(browser)

        assert "Are enough workers running?" in page
        assert "&lt;b&gt;worker&lt;/b&gt;" in page
        assert "their worker is gone" in page.lower()

    def test_shows_schedules_that_nobody_fires(self, browser):
        late = ScheduledJobFactory(next_run=timezone.now() - timedelta(minutes=10), workflow__name="Forgotten")
        ScheduledJobFactory(next_run=timezone.now() - timedelta(minutes=10), is_active=False, workflow__name="Paused")
        ScheduledJobFactory(next_run=timezone.now() + timedelta(minutes=10), workflow__name="Later")
        WorkflowFactory()

        page = see(browser)

        assert str(late.pk) in page
        assert "Paused" not in page
        assert "Later" not in page

    def test_is_for_those_who_may_see_executions(self, staff, client):
        assert staff().get(reverse("admin:executions_operations")).status_code == 403
        assert client.get(reverse("admin:executions_operations")).status_code == 302
        assert "Nothing waits." in see(staff("executions.view_workflowexecution"))

    def test_says_so_when_the_database_is_too_busy(self, browser, monkeypatch):
        from executions import operations as module
        from projects.backoffice.counting import TooSlow

        def too_slow(now):
            raise TooSlow

        monkeypatch.setattr(module, "operations", too_slow)

        assert "too busy" in see(browser)
        assert "too busy" in browser.get("/admin/").content.decode()

    def test_in_short_is_on_the_first_page(self, browser, staff):
        ExecutionFactory(created_at=timezone.now())

        assert reverse("admin:executions_operations") in browser.get("/admin/").content.decode()
        assert "With workers" in browser.get("/admin/").content.decode()
        assert "With workers" not in staff("projects.view_project").get("/admin/").content.decode()
