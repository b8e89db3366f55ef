"""Random workflows with scopes in scopes, carried by a worker that is struck down again and again."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from executions.engine import recovery
from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.invariants import check_all
from executions.models import WorkflowExecution, WorkflowExecutionLog
from tests.executions.engine.carrying import carry, hurry, start
from tests.workflows.definition.scoped import scoped_definitions
from workflows.nodes.base import Config, NodeError
from workflows.tools import base as tools
from workflows.tools.base import Tool

pytestmark = pytest.mark.django_db(transaction=True)


class StruckDown(BaseException):
    """The worker is gone, between two statements."""


class Fate:
    """Strikes a worker down before one of its next statements, drawn at random."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.strikes = 0
        self._draw()

    def __call__(self, execute, sql, params, many, context):
        self._left -= 1
        if self._left <= 0:
            self._draw()
            self.strikes += 1
            raise StruckDown
        return execute(sql, params, many, context)

    def _draw(self) -> None:
        self._left = self._random.randint(1, 60)


class NoArguments(Config):
    """It needs none."""


class Flaky(Tool[NoArguments]):
    """A call to the outside that fails the first time under each key, and remembers how often it was made."""

    Arguments = NoArguments
    example: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def call(self, arguments, context):
        self.calls[context.idempotency_key] += 1
        if self.calls[context.idempotency_key] == 1:
            raise NodeError("flaky", "Not the first time.", retryable=True)
        return "done"


@pytest.fixture
def flaky(monkeypatch):
    """The tool, in the catalogue for the time of a test."""
    tool = Flaky()
    monkeypatch.setitem(tools._registry, "test.flaky", tool)
    return tool


def with_calls(raw):
    """Make calls that fail at first of a definition's delays.

    They run in threads, so that nobody knows which of several is done first: nothing may depend on it.
    """
    for each in raw["nodes"]:
        if each["type"] == "parallel":
            each["config"].pop("done_when", None)
        if each["type"] == "delay":
            each |= {"type": "tool", "config": {"tool": "test.flaky"}, "retry": {"max_attempts": 10}}
    return raw


def facts(execution):
    """What an execution has come to, but for times and ids."""
    rows = WorkflowExecutionLog.objects.filter(execution=execution, status="completed")
    return (
        execution.status,
        execution.result,
        sorted(rows.values_list("node_id", "iteration", "ports", "output_data"), key=repr),
    )


def survive(execution, fate, *, most=500):
    """Let worker after worker have the execution, each until it is struck down."""
    for _ in range(most):
        worker = Worker()
        try:
            with connection.execute_wrapper(fate):
                worker.work()
        except StruckDown:
            pass
        finally:
            connection.close()
            worker.close()
        execution.refresh_from_db()
        if execution.has_ended:
            return
        past = database_now() - timedelta(seconds=1)
        WorkflowExecution.objects.filter(pk=execution.pk, lease_owner__isnull=False).update(lease_expires_at=past)
        recovery.sweep()
        hurry(execution)
    raise AssertionError(f"It is stuck: {execution.status}, {execution.blocked_detail}")


class TestStruckDownAnywhere:
    @hypothesis_settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(scoped_definitions(), st.integers(0, 2**32))
    def test_comes_to_the_same_end_and_runs_nothing_recorded_again(self, settings, flaky, raw, seed):
        """[R-4, R-11, R-16]"""
        settings.ENGINE_MAX_LOST_WORKERS = 1000
        raw = json.loads(json.dumps(raw).replace("now()", "'some time'"))  # Two executions have two times.
        raw = with_calls(raw)
        undisturbed, disturbed = start(raw), start(raw)
        worker = Worker()
        try:
            disturbed_wake_at = disturbed.wake_at
            WorkflowExecution.objects.filter(pk=disturbed.pk).update(wake_at=None, blocked_on="callback")
            carry(worker, undisturbed)
        finally:
            worker.close()
        WorkflowExecution.objects.filter(pk=disturbed.pk).update(wake_at=disturbed_wake_at, blocked_on="queue")

        survive(disturbed, fate := Fate(seed))

        own_calls = {key: count for key, count in flaky.calls.items() if key.startswith(str(disturbed.pk))}
        attempts = disturbed.node_runs.filter(node_type="tool").count()
        assert sum(own_calls.values()) <= attempts + fate.strikes * 40, "more than what was in flight was called again"
        assert facts(disturbed) == facts(undisturbed)
        assert [(rule.name, ids) for rule, ids in check_all(database_now()) if ids] == []
