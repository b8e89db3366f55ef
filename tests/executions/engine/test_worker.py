"""A worker carries executions from accepted to ended: real rows, a real HTTP service, the real sandbox."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone
from werkzeug import Response

from executions import processes, services
from executions.engine import leases, recovery, stopping
from executions.engine.clock import database_now, database_started_at
from executions.engine.turn import Turn
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from projects.access import Actor
from projects.ids import new_id
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry, hurry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.factories import NodeRunFactory, UserFactory, WorkflowFactory
from tests.threads import beside
from workflows import services as workflows

pytestmark = pytest.mark.django_db(transaction=True)


def runs(execution):
    return [
        (run.node_id, run.attempt, run.status, run.ports)
        for run in execution.node_runs.order_by("started_at", "attempt", "id")
    ]


def statuses(execution):
    return dict(execution.node_runs.order_by("attempt").values_list("node_id", "status"))


def call(url, **policies):
    return node("tool", {"tool": "http.request", "with": {"method": "POST", "url": url, "json": {"a": 1}}}, **policies)


def output(value):
    return node("output", {"value": value})


@contextmanager
def failing_writes(monkeypatch, error):
    def fail(*_):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Turn, "record", fail)
        yield


class TestWork:
    def test_completes_a_chain_and_records_every_node(self, worker):
        execution = start(definition("start > big > end", end=output("{{ input.total + 1 }}")), {"total": 41})

        carry(worker, execution)

        assert (execution.status, execution.result, execution.nodes_executed) == ("completed", 42, 3)
        assert runs(execution) == [
            ("start", 1, "completed", ["main"]),
            ("big", 1, "completed", ["main"]),
            ("end", 1, "completed", ["main"]),
        ]
        assert execution.duration_seconds >= 0

    def test_records_nothing_for_a_dead_branch(self, worker):
        raw = definition(
            "start > check",
            "check.yes > big",
            "check.no > small",
            check=node(
                "condition",
                {"cases": [{"port": "yes", "when": "{{ input.n > 1 }}"}, {"port": "no", "when": "{{ input.n <= 1 }}"}]},
            ),
        )

        execution = carry(worker, start(raw, {"n": 5}))

        assert [run[0] for run in runs(execution)] == ["start", "check", "big"]

    def test_an_expression_that_fails_names_node_field_and_expression(self, worker):
        execution = carry(worker, start(definition("start > end", end=output("{{ input.customer.name }}"))))

        assert execution.status == "failed"
        assert execution.error["node_id"] == "end"
        assert execution.error["message"].startswith("Node `end` failed: /value: `input.customer")
        assert execution.error["message"].count("Node `end`") == 1
        assert "customer" in execution.error["message"]

    def test_a_case_that_is_not_reached_need_not_make_sense(self, worker):
        raw = definition(
            "start > check",
            "check.new > greet",
            check=node(
                "condition",
                {
                    "cases": [
                        {"port": "new", "when": "{{ input.kind === 'new' }}"},
                        {"port": "old", "when": "{{ input.history.length > 3 }}"},
                    ]
                },
            ),
        )

        assert carry(worker, start(raw, {"kind": "new"})).status == "completed"
        failed = carry(worker, start(raw, {"kind": "other"}))
        assert failed.status == "failed"
        assert "/cases/1/when" in failed.error["message"]

    def test_gives_a_join_each_branch_by_its_source(self, worker):
        raw = definition("start > a > end", "start > b > end", end=output("{{ input }}"))

        execution = carry(worker, start(raw, {"n": 1}))

        assert execution.result == {"a": {"n": 1}, "b": {"n": 1}}

    def test_runs_ready_branches_with_effects_at_once(self, worker, httpserver):
        together = threading.Barrier(3)
        httpserver.expect_request("/").respond_with_handler(lambda request: (together.wait(10), Response("ok"))[1])
        url = httpserver.url_for("/")

        execution = carry(
            worker, start(definition("start > a", "start > b", "start > c", a=call(url), b=call(url), c=call(url)))
        )

        assert execution.status == "completed"

    def test_a_slow_node_does_not_stop_another_execution(self, worker, httpserver):
        release = threading.Event()
        httpserver.expect_request("/").respond_with_handler(lambda request: (release.wait(10), Response("ok"))[1])
        slow = start(definition("start > slow", slow=call(httpserver.url_for("/"))))
        working = beside(worker.work)
        while not slow.node_runs.filter(node_id="slow").exists():
            time.sleep(0.02)

        quick = start(definition("start > end"))
        while not WorkflowExecution.objects.get(pk=quick.pk).has_ended:
            time.sleep(0.02)

        slow.refresh_from_db()
        assert slow.status == "running"
        release.set()
        working.join(10)
        slow.refresh_from_db()
        assert slow.status == "completed"

    def test_a_disabled_node_hands_its_input_on(self, worker):
        raw = definition(
            "start > shape > end",
            shape=node("transform", {"steps": [{"operation": "set", "fields": {"n": 2}}]}, disabled=True),
            end=output("{{ input }}"),
        )

        assert carry(worker, start(raw, {"n": 1})).result == {"n": 1}


class TestSecrets:
    def test_are_sent_outside_and_recorded_nowhere(self, worker, httpserver):
        """A placeholder until the door; masked where the outside sends it back. [S-SEC-4]"""
        seen = []
        httpserver.expect_request("/").respond_with_handler(
            lambda request: (seen.append(request.headers["Authorization"]), Response(f"hello {seen[-1]}"))[1]
        )
        arguments = {"url": httpserver.url_for("/"), "headers": {"Authorization": "Bearer {{ secret('API_KEY') }}"}}
        raw = definition("start > ask", ask=node("tool", {"tool": "http.request", "with": arguments}))
        workflow = WorkflowFactory(published=True, definition=raw)
        workflows.set_variable(
            workflow, "API_KEY", value="hunter2-hunter2", is_secret=True, by=None, now=timezone.now()
        )

        execution = services.start_manually(workflow, input={}, by=None, now=timezone.now())
        carry(worker, execution)

        assert execution.status == "completed"
        assert seen == ["Bearer hunter2-hunter2"]
        recorded = str(list(execution.node_runs.values())) + str(execution.result)
        assert "hunter2" not in recorded
        assert "⟦secret:API_KEY⟧" in recorded

    def test_no_placeholder_that_could_be_filled_is_recorded(self, worker):
        arguments = {"url": "{{ secret('API_KEY') }}/x"}
        raw = definition("start > ask", ask=node("tool", {"tool": "http.request", "with": arguments}))
        workflow = WorkflowFactory(published=True, definition=raw)
        workflows.set_variable(
            workflow, "API_KEY", value="hunter2-hunter2", is_secret=True, by=None, now=timezone.now()
        )

        execution = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))

        assert execution.status == "failed"
        assert "⟦secret:API_KEY:" not in str(execution.error) + str(list(execution.node_runs.values()))

    def test_text_from_outside_that_looks_like_a_placeholder_stays_text(self, worker, httpserver):
        seen = []
        httpserver.expect_request("/").respond_with_handler(
            lambda request: (seen.append(request.get_json()), Response("ok"))[1]
        )
        arguments = {
            "method": "POST",
            "url": httpserver.url_for("/"),
            "json": {"said": "{{ input.said }}", "key": "{{ secret('API_KEY') }}"},
        }
        raw = definition("start > tell", tell=node("tool", {"tool": "http.request", "with": arguments}))
        workflow = WorkflowFactory(published=True, definition=raw)
        workflows.set_variable(
            workflow, "API_KEY", value="hunter2-hunter2", is_secret=True, by=None, now=timezone.now()
        )
        fake = "⟦secret:API_KEY:0123456789abcdef⟧"

        execution = services.start_manually(workflow, input={"said": fake}, by=None, now=timezone.now())
        carry(worker, execution)

        assert seen == [{"said": fake, "key": "hunter2-hunter2"}]


class TestFailures:
    def test_each_attempt_is_a_row_and_carries_the_same_key(self, worker, httpserver):
        """[R-11]"""
        keys = []

        def answer(request):
            keys.append(request.headers["Idempotency-Key"])
            return Response("busy", 503) if len(keys) < 3 else Response("ok")

        httpserver.expect_request("/").respond_with_handler(answer)
        raw = definition(
            "start > work", work=call(httpserver.url_for("/"), retry={"max_attempts": 3, "base_seconds": 1})
        )

        execution = carry(worker, start(raw))

        assert execution.status == "completed"
        assert [run[1:3] for run in runs(execution) if run[0] == "work"] == [
            (1, "failed"),
            (2, "failed"),
            (3, "completed"),
        ]
        assert len(keys) == 3
        assert len(set(keys)) == 1

    def test_while_it_waits_for_a_retry_it_says_so_and_no_worker_holds_it(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_response(Response("busy", 503, headers={"Retry-After": "120"}))
        execution = start(definition("start > work", work=call(httpserver.url_for("/"))))

        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on, execution.lease_owner) == ("running", BlockedOn.RETRY, None)
        assert "`work`" in execution.blocked_detail
        assert execution.wake_at > database_now() + timedelta(seconds=100)

    def test_what_no_retry_mends_fails_at_once(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_response(Response("no", 403))

        execution = carry(worker, start(definition("start > work", work=call(httpserver.url_for("/")))))

        assert execution.status == "failed"
        assert execution.error["code"] == "http_status"
        assert len([run for run in runs(execution) if run[0] == "work"]) == 1

    def test_on_error_continue_goes_on_with_the_error(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_response(Response("no", 403))
        raw = definition(
            "start > work > end",
            work=call(httpserver.url_for("/"), on_error="continue"),
            end=output("{{ input.error.code }}"),
        )

        execution = carry(worker, start(raw))

        assert (execution.status, execution.result) == ("completed", "http_status")

    def test_on_error_port_leaves_through_the_error_port_alone(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_response(Response("no", 403))
        raw = definition("start > work > good", "work.error > bad", work=call(httpserver.url_for("/"), on_error="port"))

        execution = carry(worker, start(raw))

        assert execution.status == "completed"
        assert [run[0] for run in runs(execution)] == ["start", "work", "bad"]

    def test_a_node_that_fails_ends_the_others_with_it(self, worker, httpserver):
        release = threading.Event()
        httpserver.expect_request("/slow").respond_with_handler(lambda request: (release.wait(5), Response("ok"))[1])
        httpserver.expect_request("/bad").respond_with_response(Response("no", 400))
        raw = definition(
            "start > slow", "start > bad", slow=call(httpserver.url_for("/slow")), bad=call(httpserver.url_for("/bad"))
        )

        execution = carry(worker, start(raw))
        release.set()

        assert execution.status == "failed"
        assert execution.error["node_id"] == "bad"
        assert statuses(execution)["slow"] == "cancelled"


class TestDelay:
    def test_holds_no_worker_and_goes_on_when_it_is_over(self, worker):
        execution = start(
            definition("start > nap > end", nap=node("delay", {"for": "PT10M"}), end=output("{{ input.n }}")), {"n": 7}
        )

        worker.work()

        execution.refresh_from_db()
        assert (execution.status, execution.blocked_on, execution.lease_owner) == ("running", BlockedOn.TIMER, None)
        assert execution.wake_at > database_now() + timedelta(minutes=9)
        carry(worker, execution)
        assert (execution.status, execution.result) == ("completed", 7)


class TestCancel:
    def test_ends_a_waiting_execution_at_once(self, worker):
        execution = start(definition("start > nap", nap=node("delay", {"for": "PT10M"})))
        worker.work()
        execution.refresh_from_db()

        services.cancel_execution(execution, by=Actor(user=UserFactory(username="olga")), now=timezone.now())

        execution.refresh_from_db()
        assert execution.status == "cancelled"
        assert "olga" in execution.error["message"]
        assert statuses(execution)["nap"] == "cancelled"

    def test_abandons_a_call_in_flight_and_its_late_result_changes_nothing(self, worker, httpserver):
        release = threading.Event()
        httpserver.expect_request("/").respond_with_handler(lambda request: (release.wait(20), Response("ok"))[1])
        execution = start(definition("start > slow > end", slow=call(httpserver.url_for("/"))))
        working = beside(worker.work)
        while not execution.node_runs.filter(node_id="slow").exists():
            time.sleep(0.02)

        services.cancel_execution(WorkflowExecution.objects.get(pk=execution.pk), by=None, now=timezone.now())
        working.join(5)

        assert not working.is_alive(), "the worker let go of the call"
        release.set()
        assert statuses(execution) == {"start": "completed", "slow": "cancelled"}


class TestTimeouts:
    def test_an_execution_past_its_deadline_ends_wherever_it_is(self, worker):
        execution = start(definition("start > nap", nap=node("delay", {"for": "PT10M"})))
        worker.work()
        WorkflowExecution.objects.update(deadline_at=database_now() - timedelta(seconds=1))

        recovery.sweep()

        execution.refresh_from_db()
        assert (execution.status, execution.error["code"]) == ("timeout", "execution_timeout")
        assert statuses(execution)["nap"] == "timeout"

    def test_takes_its_deadline_from_the_workflow(self, worker):
        raw = definition("start > nap", nap=node("delay", {"for": "PT10M"}), settings={"timeout_seconds": 900})
        execution = start(raw)

        worker.work()

        execution.refresh_from_db()
        assert execution.deadline_at == execution.started_at + timedelta(seconds=900)

    def test_a_node_past_its_timeout_fails_and_is_tried_again(self, worker, httpserver):
        httpserver.expect_request("/").respond_with_handler(lambda request: (time.sleep(3), Response("ok"))[1])
        raw = definition(
            "start > slow",
            slow=call(httpserver.url_for("/"), timeout_seconds=0.3, retry={"max_attempts": 2, "base_seconds": 0.1}),
        )

        execution = carry(worker, start(raw))

        assert execution.status == "failed"
        assert [run[1:3] for run in runs(execution) if run[0] == "slow"] == [(1, "failed"), (2, "failed")]


class TestLostWorkers:
    def lose(self, execution, *, owner="lost"):
        """Claim as a worker that then dies: its lease runs out."""
        hurry(execution)
        now = database_now()
        leases.claim(owner, now=now, limit=10)
        leases.claim(owner, now=now, limit=10, suspects=True)
        recovery.release_dead_leases(now + leases.lease_time() + timedelta(seconds=1))
        hurry(execution)

    def test_another_worker_goes_on(self, worker):
        execution = start(definition("start > end"))
        self.lose(execution)

        assert carry(worker, execution).status == "completed"

    def test_the_node_in_flight_runs_again_and_what_was_recorded_does_not(self, worker, httpserver):
        keys = []
        httpserver.expect_request("/").respond_with_handler(
            lambda request: (keys.append(request.headers["Idempotency-Key"]), Response("ok"))[1]
        )
        execution = start(
            definition("start > once > twice", once=call(httpserver.url_for("/")), twice=call(httpserver.url_for("/")))
        )
        carry(worker, execution)
        # As if the worker had died while `twice` was under way: its row says so, and the execution is held by nobody alive.
        again = start(execution.workflow_version.definition)
        leases.claim("lost", now=database_now(), limit=1)
        for run in execution.node_runs.exclude(node_id="twice"):
            run.id, run.execution_id = new_id(), again.pk
            run.save(force_insert=True)
        again.node_runs.create(
            node_id="twice", node_type="tool", status=ExecutionStatus.RUNNING, started_at=database_now(), attempt=1
        )
        WorkflowExecution.objects.filter(pk=again.pk).update(lease_expires_at=database_now() - timedelta(seconds=1))
        recovery.sweep()
        keys.clear()

        carry(worker, again)

        assert keys == [f"{again.pk}:twice:"]
        assert again.node_runs.get(node_id="twice").interruptions == 1

    def test_an_execution_that_loses_three_workers_fails_with_that_reason(self, worker):
        """[R-10]"""
        execution = start(definition("start > end"))
        for number in range(3):
            self.lose(execution, owner=f"lost-{number}")

        execution.refresh_from_db()
        assert (execution.status, execution.error["code"]) == ("failed", "worker_lost")
        assert "3 times" in execution.error["message"]

    def test_a_database_that_was_started_anew_is_no_lost_worker(self, worker):
        """[R-10]"""
        execution = start(definition("start > end"))
        now = database_now()
        leases.claim("cut off", now=now, limit=1)
        if connection.vendor == "sqlite":
            pytest.skip("it is no server")
        WorkflowExecution.objects.filter(pk=execution.pk).update(lease_expires_at=database_started_at())

        recovery.release_dead_leases(now)

        execution.refresh_from_db()
        assert (execution.claims, execution.blocked_detail) == (0, "The database was away.")

    def test_a_connection_that_breaks_each_time_is_not_the_executions_fault(self, worker, monkeypatch):
        """[R-10]"""
        execution = start(definition("start > end"))
        for _ in range(4):
            with failing_writes(monkeypatch, OperationalError("gone")):
                worker.work()
            hurry(execution)

        assert carry(worker, execution).status == "completed"

    def test_an_engine_that_fails_each_time_gives_the_execution_up(self, worker, monkeypatch):
        execution = start(definition("start > end"))
        for _ in range(4):
            with failing_writes(monkeypatch, IntegrityError("a row that exists")):
                worker.work()
            hurry(execution)

        execution.refresh_from_db()
        assert (execution.status, execution.error["code"]) == ("failed", "engine_error")
        assert "a row that exists" in execution.error["message"]

    def test_a_suspect_gets_its_turn_beside_a_stream_of_slow_nodes(self, worker, httpserver, settings):
        settings.ENGINE_SLICE_SECONDS = 1
        httpserver.expect_request("/").respond_with_handler(lambda request: (time.sleep(0.5), Response("ok"))[1])
        raw = definition("start > slow", slow=call(httpserver.url_for("/")))
        suspect = start(definition("start > end"))
        WorkflowExecution.objects.filter(pk=suspect.pk).update(claims=2, wake_at=database_now() + timedelta(seconds=1))
        start(raw)
        working = beside(worker.work)

        until = time.monotonic() + 15
        while working.is_alive() and time.monotonic() < until:
            start(raw)
            time.sleep(0.2)

        assert not working.is_alive(), "the slice ended, although there always was more to do"
        worker.work()
        suspect.refresh_from_db()
        assert suspect.status == "completed"

    def test_getting_further_clears_the_count(self, worker):
        execution = start(definition("start > nap > end", nap=node("delay", {"for": "PT10M"})))
        self.lose(execution)
        self.lose(execution)
        worker.work()

        execution.refresh_from_db()
        assert (execution.claims, execution.blocked_on) == (0, BlockedOn.TIMER)


class TestPause:
    def test_holds_what_is_accepted_until_the_workflow_resumes(self, worker):
        execution = start(definition("start > end"))
        workflows.pause(execution.workflow, by=None, now=timezone.now(), reason="Maintenance.")

        worker.work()

        execution.refresh_from_db()
        assert (execution.blocked_on, execution.wake_at) == (BlockedOn.PAUSED, None)
        assert execution.blocked_detail == "Maintenance."

        execution.workflow.refresh_from_db()
        workflows.resume(execution.workflow, by=None, now=timezone.now())
        assert carry(worker, execution).status == "completed"


class TestLetGo:
    def test_a_worker_that_is_to_end_hands_back_without_counting_a_loss(self, worker, httpserver, settings):
        """[R-12]"""
        settings.ENGINE_GRACE_SECONDS = 1
        release = threading.Event()
        httpserver.expect_request("/").respond_with_handler(lambda request: (release.wait(20), Response("ok"))[1])
        execution = start(definition("start > slow", slow=call(httpserver.url_for("/"))))
        working = beside(worker.work)
        while not execution.node_runs.filter(node_id="slow").exists():
            time.sleep(0.02)

        stopping.ask()
        working.join(10)
        stopping.reset()
        release.set()

        execution.refresh_from_db()
        assert (execution.status, execution.lease_owner, execution.claims) == ("running", None, 0)
        assert carry(worker, execution).status == "completed"

    def test_no_process_ends_before_it_has_handed_back_what_a_thread_of_it_took(self, worker, httpserver, settings):
        """Celery waits for its tasks; what a look without a bell took is in a thread of ours. [R-12]"""
        settings.ENGINE_GRACE_SECONDS = 1
        release = threading.Event()
        httpserver.expect_request("/").respond_with_handler(lambda request: (release.wait(20), Response("ok"))[1])
        execution = start(definition("start > slow", slow=call(httpserver.url_for("/"))))
        working = beside(worker.work)
        while not execution.node_runs.filter(node_id="slow").exists():
            time.sleep(0.02)

        stopping.ask()
        processes.let_the_look_end(worker)

        execution.refresh_from_db()
        release.set()
        working.join(10)
        stopping.reset()
        assert (execution.lease_owner, execution.blocked_on) == (None, "queue")


class TestHops:
    def test_are_counted_from_workflow_to_workflow(self, worker, httpserver):
        """Workflows that call each other in a circle stop at the eighth. [S-DOS-1]"""
        seen = []
        httpserver.expect_request("/").respond_with_handler(
            lambda request: (seen.append(request.headers["X-Segue-Hops"]), Response("ok"))[1]
        )
        workflow = WorkflowFactory(
            published=True, definition=definition("start > work", work=call(httpserver.url_for("/")))
        )

        execution = services.start_execution(
            services.newest_version(workflow), kind="webhook", node_id="start", payload={}, now=timezone.now(), hops=3
        )
        carry(worker, execution)

        assert seen == ["4"]


class TestLostInTheMiddleOfACall:
    """What becomes of a call whose worker was lost before it was answered."""

    def begun(self, httpserver, **policies):
        """An execution whose call was begun by a worker that is no more."""
        httpserver.expect_request("/").respond_with_data("ok")
        execution = start(definition("start > ask", ask=call(httpserver.url_for("/"), **policies)))
        now = database_now()
        WorkflowExecution.objects.filter(pk=execution.pk).update(status="running", fence=1, claims=1, wake_at=now)
        for node_id, type_, status in (("start", "trigger", "completed"), ("ask", "tool", "running")):
            NodeRunFactory(
                execution=execution,
                node_id=node_id,
                node_type=type_,
                status=status,
                ports=["main"] if status == "completed" else [],
                completed_at=now if status == "completed" else None,
            )
        return execution

    def test_it_is_made_again_under_its_key(self, worker, httpserver):
        """[R-11]"""
        execution = carry(worker, self.begun(httpserver))

        assert execution.status == "completed"
        assert [request.headers["Idempotency-Key"] for request, _ in httpserver.log] == [f"{execution.pk}:ask:"]

    def test_it_is_uncertain_where_the_node_says_so(self, worker, httpserver):
        """[R-10]"""
        execution = carry(worker, self.begun(httpserver, retry={"when_lost": "fail"}))

        assert (execution.status, execution.error["code"]) == ("failed", "uncertain")
        assert not httpserver.log


class TestNodeRuns:
    def test_are_limited_in_number(self, worker, settings):
        settings.EXECUTION_MAX_NODE_RUNS = 5
        raw = definition("start > each", each=loop({"items": list(range(20))}, "look"))

        execution = carry(worker, start(raw))

        assert (execution.status, execution.error["code"]) == ("failed", "too_many_node_runs")
        assert execution.nodes_executed == 5


class TestSlowNodes:
    def test_do_not_stop_another_execution_of_the_same_worker(self, worker, settings, httpserver):
        hold = threading.Event()
        httpserver.expect_request("/slow").respond_with_handler(lambda request: (hold.wait(20), Response("ok"))[1])
        httpserver.expect_request("/quick").respond_with_data("ok")
        slow = start(
            definition(
                "start > many", many=parallel({"items": list(range(60))}, "ask", ask=call(httpserver.url_for("/slow")))
            )
        )
        working = beside(worker.work)
        until = time.monotonic() + 10
        while len(httpserver.log) < 1 and not slow.node_runs.filter(node_id="ask").exists():
            assert time.monotonic() < until
            time.sleep(0.05)

        quick = start(definition("start > ask", ask=call(httpserver.url_for("/quick"))))

        while not WorkflowExecution.objects.get(pk=quick.pk).has_ended:
            assert time.monotonic() < until, "the slow one holds every thread"
            time.sleep(0.05)
        assert not WorkflowExecution.objects.get(pk=slow.pk).has_ended
        hold.set()
        working.join(20)
