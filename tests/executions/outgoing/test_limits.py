"""Limits for what goes out, and hosts that ask to be left alone, with a real worker and real services."""

from __future__ import annotations

import json
import threading
import time
from datetime import timedelta

import pytest
from django.db import connection
from werkzeug import Response

from executions import services
from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.models import OutgoingCall, OutgoingHold, OutgoingLimit, WorkflowExecution
from executions.outgoing import permits
from tests.executions.engine.carrying import carry, hurry
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import OutgoingHoldFactory, OutgoingLimitFactory, ProjectFactory, WorkflowFactory
from workflows.services import set_variable

pytestmark = pytest.mark.django_db(transaction=True)
HOST = "localhost"


@pytest.fixture(autouse=True)
def _rules_are_read_anew():
    permits.forget_rules()
    yield
    permits.forget_rules()


def calling(url, **arguments):
    """A workflow that makes one call."""
    return {
        "schema": 1,
        "nodes": [
            {"id": "start", "type": "trigger", "config": {"kind": "manual"}},
            {"id": "call", "type": "tool", "config": {"tool": "http.request", "with": {"url": url, **arguments}}},
            {"id": "end", "type": "output", "config": {"value": "{{ input.body }}"}},
        ],
        "edges": [{"source": "start", "target": "call"}, {"source": "call", "target": "end"}],
    }


def executions_of(raw, count, project):
    workflow = WorkflowFactory(published=True, definition=raw, project=project)
    now = database_now()
    return [services.start_manually(workflow, input={}, by=None, now=now) for _ in range(count)]


class TestRate:
    def test_a_call_beyond_it_sleeps_as_a_row_and_costs_no_attempt(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=6, burst=1)
        first, second = executions_of(calling(httpserver.url_for("/")), 2, project)

        worker.work()
        for each in (first, second):
            each.refresh_from_db()

        early, late = sorted((first, second), key=lambda each: each.status != "completed")
        assert early.status == "completed"
        assert (late.status, late.blocked_on, late.lease_owner) == ("running", "retry", None)
        assert "among the 6 calls a minute that localhost may have, until" in late.blocked_detail
        assert timedelta(seconds=8) < late.wake_at - database_now() < timedelta(seconds=10.1)
        assert len(httpserver.log) == 1
        (run,) = late.node_runs.filter(node_id="call")
        assert (run.status, run.attempt, run.interruptions, run.waits_for) == ("running", 1, 0, "retry")

    def test_when_its_turn_has_come_it_goes_on_as_the_same_attempt(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=30, burst=1)
        first, second = executions_of(calling(httpserver.url_for("/"), method="POST"), 2, project)

        began = time.monotonic()
        carry(worker, first)
        carry(worker, second)

        assert time.monotonic() - began > 1.5
        assert (first.status, second.status, second.result) == ("completed", "completed", "ok")
        (run,) = second.node_runs.filter(node_id="call")
        assert (run.attempt, run.interruptions, run.output_data["status"]) == (1, 0, 200)

    def test_many_that_wait_each_have_a_turn_of_their_own(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=6, burst=1)
        executions_of(calling(httpserver.url_for("/")), 4, project)

        worker.work()

        now = database_now()
        waits = sorted((each.wake_at - now).total_seconds() for each in WorkflowExecution.objects.live())
        assert [round(each / 10) for each in waits] == [1, 2, 3]

    def test_holds_over_several_worker_processes(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=1, burst=3)
        executions_of(calling(httpserver.url_for("/")), 8, project)
        other = Worker()
        threads = [threading.Thread(target=_work, args=(each,)) for each in (worker, other)]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        other.close()

        assert len(httpserver.log) == 3

    def test_a_limit_of_a_secret_holds_for_every_workflow_that_uses_it(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host="", secret_name="TOKEN", per_minute=1, burst=1)
        with_secret = calling(httpserver.url_for("/"), auth={"type": "bearer", "token": "{{ secret('TOKEN') }}"})
        (free,) = executions_of(calling(httpserver.url_for("/")), 1, project)
        limited = [*executions_of(with_secret, 1, project), *executions_of(with_secret, 1, project)]
        for execution in limited:
            set_variable(
                execution.workflow, "TOKEN", value="s3cret-of-all", is_secret=True, by=None, now=database_now()
            )

        worker.work()

        for execution in (free, *limited):
            execution.refresh_from_db()
        assert free.status == "completed"
        assert sorted(execution.status for execution in limited) == ["completed", "running"]
        assert "that the secret TOKEN may have" in "".join(execution.blocked_detail for execution in limited)

    def test_other_hosts_and_other_projects_go_on(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        OutgoingLimitFactory(host=HOST, per_minute=1)
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host="*.example.com", per_minute=1)

        for execution in executions_of(calling(httpserver.url_for("/")), 3, project):
            assert carry(worker, execution).status == "completed"

        assert OutgoingLimit.objects.filter(paced_until_us__gt=0).count() == 0

    def test_pages_that_were_had_are_not_asked_for_again(self, worker, httpserver):
        def answer(request):
            page = int(request.args["page"])
            return Response(json.dumps([page] if page < 5 else []), content_type="application/json")

        httpserver.expect_request("/").respond_with_handler(answer)
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=40, burst=2)
        (execution,) = executions_of(calling(httpserver.url_for("/"), pagination={"type": "page"}), 1, project)

        carry(worker, execution)

        assert execution.result == [1, 2, 3, 4]
        assert [request.args["page"] for request, _ in httpserver.log] == ["1", "2", "3", "4", "5"]


def _work(worker):
    worker.work()
    connection.close()


class TestAtOnce:
    def test_never_more_than_so_many_and_all_come_through(self, worker, httpserver):
        at_once, most, guard = 0, 0, threading.Lock()

        def answer(_):
            nonlocal at_once, most
            with guard:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.1)
            with guard:
                at_once -= 1
            return Response('"ok"', content_type="application/json")

        httpserver.expect_request("/").respond_with_handler(answer)
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=2)
        executions = executions_of(calling(httpserver.url_for("/")), 8, project)

        for execution in executions:
            carry(worker, execution)

        assert [each.status for each in executions] == ["completed"] * 8
        assert most == 2
        assert OutgoingCall.objects.count() == 0

    def test_a_call_whose_process_died_counts_until_it_expires(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        limit = OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=1)
        OutgoingCall.objects.create(limit=limit, expires_at=database_now() + timedelta(minutes=5))
        (execution,) = executions_of(calling(httpserver.url_for("/")), 1, project)
        worker.work()
        execution.refresh_from_db()
        assert "for one of the 1 calls at once that localhost may have" in execution.blocked_detail

        OutgoingCall.objects.update(expires_at=database_now() - timedelta(seconds=1))
        hurry(execution)

        assert carry(worker, execution).status == "completed"

    def test_a_call_that_fails_gives_its_place_back(self, worker):
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=None, at_once=1)
        (execution,) = executions_of(calling("http://localhost:1/"), 1, project)

        assert carry(worker, execution).error["code"] == "connect"

        assert OutgoingCall.objects.count() == 0


class TestRetryAfter:
    def test_all_calls_of_the_project_to_the_host_wait(self, worker, httpserver):
        httpserver.expect_request("/busy").respond_with_data("later", status=429, headers={"Retry-After": "30"})
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        executions_of(calling(httpserver.url_for("/busy")), 1, project)
        worker.work()

        (other,) = executions_of(calling(httpserver.url_for("/")), 1, project)
        worker.work()

        other.refresh_from_db()
        assert other.blocked_detail.startswith(
            "Waits for `call` for localhost, which has asked for it (Retry-After), until"
        )
        assert timedelta(seconds=25) < other.wake_at - database_now() < timedelta(seconds=31)
        assert len(httpserver.log) == 1

    def test_and_go_on_when_the_time_is_over(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        hold = OutgoingHoldFactory(project=project, host=HOST, until=database_now() + timedelta(seconds=60))
        (execution,) = executions_of(calling(httpserver.url_for("/")), 1, project)
        worker.work()
        assert len(httpserver.log) == 0

        hold.delete()
        permits.forget_rules()

        assert carry(worker, execution).status == "completed"

    def test_other_projects_and_other_hosts_do_not_wait(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_json("ok")
        project = ProjectFactory()
        OutgoingHoldFactory(host=HOST)
        OutgoingHoldFactory(project=project, host="api.example.com")
        (execution,) = executions_of(calling(httpserver.url_for("/")), 1, project)

        assert carry(worker, execution).status == "completed"

    @pytest.mark.parametrize("status", [200, 500])
    def test_other_answers_say_nothing_about_the_host(self, worker, httpserver, status):
        httpserver.expect_request("/").respond_with_data("x", status=status, headers={"Retry-After": "30"})
        executions_of(calling(httpserver.url_for("/")), 1, ProjectFactory())

        worker.work()

        assert OutgoingHold.objects.count() == 0

    def test_the_longest_word_stands_and_no_wait_is_longer_than_an_hour(self, worker, httpserver):
        answers = iter(["86400", "5"])
        httpserver.expect_request("/").respond_with_handler(
            lambda _: Response("later", status=503, headers={"Retry-After": next(answers)})
        )
        project = ProjectFactory()
        executions_of(calling(httpserver.url_for("/")), 1, project)
        worker.work()
        permits.hold(str(project.pk), HOST, 5)

        (hold,) = OutgoingHold.objects.all()
        assert timedelta(minutes=59) < hold.until - database_now() <= timedelta(hours=1)


class TestCancel:
    def test_a_node_run_that_waits_can_be_cancelled(self, worker, httpserver):
        project = ProjectFactory()
        OutgoingHoldFactory(project=project, host=HOST)
        (execution,) = executions_of(calling(httpserver.url_for("/")), 1, project)
        worker.work()
        execution.refresh_from_db()

        services.cancel_execution(execution, by=None, now=database_now())

        execution.refresh_from_db()
        assert execution.status == "cancelled"
        assert {run.status for run in execution.node_runs.filter(node_id="call")} == {"cancelled"}
