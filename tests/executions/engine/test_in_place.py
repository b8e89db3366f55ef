"""Executions of pure nodes, carried in the transaction that accepts them."""

from __future__ import annotations

import pytest
from django.db import transaction
from django.utils import timezone

from executions import services
from executions.engine import in_place
from executions.engine.turn import Turn
from executions.models import WorkflowExecution, WorkflowExecutionLog
from tests.builders import definition, loop, node
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.factories import WorkflowFactory
from workflows.models import TriggerType, WorkflowStatus

pytestmark = pytest.mark.django_db(transaction=True)

ANSWER = {"end": node("output", {"value": "{{ input.n + 1 }}"})}


def accept(raw, value=None, **more):
    workflow = WorkflowFactory(published=True, definition=raw, **more)
    return services.start_execution(
        services.newest_version(workflow),
        kind=TriggerType.MANUAL,
        node_id="start",
        payload=value or {},
        now=timezone.now(),
        in_place=True,
    )


class TestRun:
    def test_ends_with_its_acceptance(self):
        execution = accept(definition("start > end", **ANSWER), {"n": 1})

        stored = WorkflowExecution.objects.get()
        assert (stored.status, stored.result, stored.nodes_executed) == ("completed", 2, 2)
        assert (execution.pk, execution.status) == (stored.pk, "completed")
        assert stored.lease_owner is None
        assert WorkflowExecutionLog.objects.filter(status="completed").count() == 2

    def test_fails_with_its_acceptance(self):
        accept(definition("start > end", **ANSWER), {"m": 1})

        stored = WorkflowExecution.objects.get()
        assert (stored.status, stored.error["node_id"]) == ("failed", "end")

    def test_is_undone_with_its_acceptance(self):
        """[R-1]"""
        with transaction.atomic():
            accept(definition("start > end", **ANSWER), {"n": 1})
            transaction.set_rollback(True)

        assert not WorkflowExecution.objects.exists()

    def test_falls_asleep_and_is_woken_by_a_worker(self, worker):
        raw = definition("start > nap > end", nap=node("delay", {"for_seconds": 60}), **ANSWER)

        execution = accept(raw, {"n": 1})

        assert (execution.status, execution.blocked_on, execution.nodes_executed) == ("running", "timer", 1)
        assert carry(worker, execution).result == 2

    def test_leaves_to_a_worker_what_takes_long(self, worker, monkeypatch):
        monkeypatch.setattr(in_place, "SECONDS", 0)
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2, 3]}, "look"),
            end=node("output", {"value": "{{ input.count }}"}),
        )

        execution = accept(raw)

        assert (execution.status, execution.blocked_on) == ("running", "queue")
        assert carry(worker, execution).result == 3

    def test_leaves_to_a_worker_what_has_effects(self):
        ask = node("tool", {"tool": "http.request", "with": {"url": "http://127.0.0.1:9/"}})

        execution = accept(definition("start > ask", ask=ask))

        assert (execution.status, execution.nodes_executed) == ("pending", 0)

    def test_leaves_to_workers_what_waits_because_its_workflow_is_paused(self):
        assert accept(definition("start > end"), status=WorkflowStatus.PAUSED).status == "pending"

    def test_leaves_to_a_worker_what_the_engine_fails_on(self, monkeypatch):
        def fail(self, **_):
            raise AssertionError("a fault of the engine's")

        monkeypatch.setattr(Turn, "run", fail)

        assert accept(definition("start > end")).status == "pending"
        assert WorkflowExecution.objects.get().wake_at is not None

    def test_leaves_no_answer_that_the_engine_did_not_live_to_write(self, worker, monkeypatch):
        say = node("webhook", {"action": "respond", "value": "hello"})
        run = Turn.run

        def run_and_fail(self, **more):
            run(self, **more)
            raise AssertionError("a fault of the engine's")

        with monkeypatch.context() as patch:
            patch.setattr(Turn, "run", run_and_fail)
            execution = accept(definition("start > say", say=say))

        assert execution.answered_by is None
        assert services.early_answer_of(carry(worker, execution))["value"] == "hello"
