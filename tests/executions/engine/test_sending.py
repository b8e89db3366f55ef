"""Signed calls, carried by a worker: the table of attempts, and endpoints that are gone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from executions import endpoints
from executions.models import GoneEndpoint
from tests.builders import definition, node
from tests.executions.engine.carrying import carry, hurry
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.executions.waiting_executions import started
from tests.factories import MemberFactory, WorkflowFactory
from workflows.services import set_variable

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LONG = {"timeout_seconds": 400_000}


def workflow(url, *, project=None, settings=None, **policies):
    config = {"action": "send", "url": url, "secret": "{{ secret('KEY') }}"}
    raw = definition("start > tell", tell=node("webhook", config, **policies), settings=settings or LONG)
    of_project = {"project": project} if project else {}
    made = WorkflowFactory(published=True, definition=raw, **of_project)
    set_variable(made, "KEY", value=SECRET, is_secret=True, by=None, now=timezone.now())
    return made


def delays(execution):
    runs = execution.node_runs.filter(node_id="tell").order_by("attempt")
    return [run.wake_at - run.completed_at if run.wake_at else None for run in runs]


class TestAttempts:
    def test_follow_the_table(self, worker, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=500)
        execution = started(workflow(httpserver.url_for("/hook")))
        waits = []
        for _ in range(9):
            worker.work()
            waits.append(max(delay for delay in delays(execution) if delay is not None))
            hurry(execution)

        execution = carry(worker, execution)

        table = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
        assert all(
            timedelta(seconds=seconds) <= wait <= timedelta(seconds=1.1 * seconds)
            for seconds, wait in zip(table, waits, strict=True)
        )
        assert (execution.status, execution.error["code"], execution.error["attempts"]) == (
            "failed",
            "webhook_refused",
            10,
        )
        assert len({request.headers["webhook-id"] for request, _ in httpserver.log}) == 1

    def test_end_when_the_execution_would_not_live_to_see_the_next(self, worker, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=500)
        execution = started(workflow(httpserver.url_for("/hook"), settings={"timeout_seconds": 3}))

        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.error["code"]) == ("failed", "webhook_refused")

    def test_follow_the_nodes_own_policy_if_it_has_one(self, worker, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=500)
        execution = started(workflow(httpserver.url_for("/hook"), retry={"max_attempts": 2, "base_seconds": 0.1}))

        assert carry(worker, execution).error["attempts"] == 2

    def test_keep_what_was_answered(self, worker, httpserver):
        httpserver.expect_request("/hook").respond_with_data("busy", status=500)
        execution = started(workflow(httpserver.url_for("/hook"), retry={"max_attempts": 1}))

        carry(worker, execution)

        run = execution.node_runs.get(node_id="tell")
        assert (run.error["details"]["status"], run.error["details"]["body"]) == (500, "busy")
        assert SECRET not in str(vars(run))


class TestGone:
    @pytest.fixture
    def url(self, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=410)
        return httpserver.url_for("/hook")

    def test_ends_it_at_once_and_is_remembered_for_the_project(self, worker, httpserver, url):
        first = workflow(url)
        execution = carry(worker, started(first))
        second = carry(worker, started(workflow(url, project=first.project)))

        assert (execution.status, execution.error["code"]) == ("failed", "endpoint_gone")
        assert second.error["code"] == "endpoint_gone"
        assert f"/api/gone-endpoints/{GoneEndpoint.objects.get().pk}/enable/" in second.error["message"]
        assert len(httpserver.log) == 1

    def test_is_nothing_to_other_projects(self, worker, httpserver, url):
        carry(worker, started(workflow(url)))
        carry(worker, started(workflow(url)))

        assert len(httpserver.log) == 2

    def test_is_over_when_an_operator_says_so(self, worker, httpserver, url):
        one = workflow(url)
        carry(worker, started(one))
        endpoints.enable(GoneEndpoint.objects.get(), by=None)
        httpserver.clear()
        httpserver.expect_request("/hook").respond_with_data("")

        assert carry(worker, started(one)).status == "completed"

    def test_is_enabled_over_the_api(self, worker, url):
        one = workflow(url)
        carry(worker, started(one))
        client = APIClient()
        client.force_login(MemberFactory(project=one.project, role="operator").user)
        (listed,) = client.get("/api/gone-endpoints/").data["results"]

        assert listed["url"] == url
        assert client.post(f"/api/gone-endpoints/{listed['id']}/enable/").status_code == 204
        assert not GoneEndpoint.objects.exists()
