"""Who works, what they serve, and that an execution says when nobody will take it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from executions import processes, worker_processes
from executions.admin.words import why
from executions.engine.clock import database_now
from executions.models import WorkerProcess
from executions.operations import operations
from executions.tasks import clean_up
from tests.clock import NOON
from tests.factories import ExecutionFactory, VersionFactory, WorkerProcessFactory
from workflows import llm

pytestmark = pytest.mark.django_db

NOBODY = "No worker serves the queue agents. Start one whose WORKER_QUEUES names it."


@pytest.fixture
def listed():
    """Let this process be listed, as a worker's is."""
    worker_processes.begin()
    yield
    worker_processes.end()


class TestList:
    def test_holds_a_process_once_it_has_looked_for_work(self, listed, settings):
        settings.WORKER_QUEUES = ["agents"]

        worker_processes.note()

        (process,) = WorkerProcess.objects.all()
        assert process.queues == ["agents"]
        assert worker_processes.living(database_now()) == [process]
        assert worker_processes.unserved(database_now()) == {"default"}

    def test_is_not_written_again_at_once(self, listed, django_assert_num_queries):
        worker_processes.note()

        with django_assert_num_queries(0):
            worker_processes.note()

    def test_is_written_again_after_a_while_also_if_somebody_removed_it(self, listed, monkeypatch):
        worker_processes.note()
        WorkerProcess.objects.all().delete()
        monkeypatch.setattr(worker_processes, "TOUCH_SECONDS", 0)

        worker_processes.note()
        worker_processes.note()

        assert WorkerProcess.objects.count() == 1

    def test_loses_a_process_that_ends(self, listed):
        worker_processes.note()

        worker_processes.end()

        assert not WorkerProcess.objects.exists()

    def test_knows_nothing_of_processes_that_are_no_workers(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            worker_processes.note()

    def test_leaves_out_who_was_not_seen_for_a_minute_and_forgets_them_after_a_day(self):
        WorkerProcessFactory(seen_at=NOON - timedelta(seconds=61))
        seen = WorkerProcessFactory(seen_at=NOON - timedelta(seconds=59))

        assert worker_processes.living(NOON) == [seen]
        assert worker_processes.forget_gone(NOON) == 0
        clean_up()
        assert not WorkerProcess.objects.exists()


class TestReadiness:
    @pytest.mark.parametrize(
        ("served", "loads"), [(["agents"], True), (["default", "agents"], False), (["default"], False)]
    )
    def test_is_made_before_the_fork_by_those_alone_who_serve_nothing_else(self, settings, monkeypatch, served, loads):
        settings.WORKER_QUEUES = served
        loaded = []
        monkeypatch.setattr(llm, "prepare", lambda: loaded.append(True))

        processes.get_agents_ready()

        assert bool(loaded) is loads


class TestNobody:
    def left_waiting(self, project=None):
        more = {"workflow__project": project} if project else {}
        return ExecutionFactory(
            workflow_version=VersionFactory(**more), queue="agents", wake_at=database_now() - timedelta(minutes=1)
        )

    def test_serves_it_says_the_execution(self, api, project):
        execution = self.left_waiting(project)

        seen = api("viewer").get(f"/api/executions/{execution.pk}/").json()

        assert (seen["queue"], seen["blocked_on"], seen["blocked_detail"]) == ("agents", "queue", NOBODY)

    def test_is_nothing_to_say_while_somebody_does(self, api, project):
        WorkerProcessFactory(queues=["agents"], seen_at=database_now())
        execution = self.left_waiting(project)

        assert api("viewer").get(f"/api/executions/{execution.pk}/").json()["blocked_detail"] == ""

    def test_is_asked_once_for_a_list(self, api, project):
        self.left_waiting(project)
        client = api("viewer")
        with CaptureQueriesContext(
            connection,
        ) as one:
            client.get("/api/executions/")
        for _ in range(3):
            self.left_waiting(project)

        with CaptureQueriesContext(connection) as four:
            details = [row["blocked_detail"] for row in client.get("/api/executions/").json()["results"]]

        assert details == [NOBODY] * 4
        assert len(four) == len(one)

    def test_serves_it_says_its_page(self):
        execution = self.left_waiting()

        assert NOBODY in why(execution, now=database_now())

    def test_serves_it_say_operations_while_something_waits(self):
        now = database_now()
        WorkerProcessFactory(queues=["default"], seen_at=now)
        assert operations(now).unserved == ()

        self.left_waiting()

        assert operations(now).unserved == ("agents",)

    def test_serves_it_says_the_page_of_operations(self, admin_client):
        WorkerProcessFactory(host="alpha", queues=["default"], seen_at=database_now())
        self.left_waiting()

        page = admin_client.get(reverse("admin:executions_operations")).content.decode()

        assert "No worker serves the queue agents" in page
        assert "alpha" in page
