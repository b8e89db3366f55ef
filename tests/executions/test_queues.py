"""Executions with agents have a queue of their own, and workers that serve it; others are not in each other's way."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from executions import bell, queues, services
from executions.engine import leases, limits, recovery, signals
from executions.engine.clock import database_now
from executions.models import ExecutionQueue, WorkflowExecution
from executions.services import Start, start_execution, start_many
from tests.clock import NOON
from tests.factories import (
    DEFINITION,
    ExecutionFactory,
    NodeRunFactory,
    TriggerFactory,
    VersionFactory,
    WorkflowFactory,
)
from workflows.definition.agents import has_agent
from workflows.models import TriggerType, WorkflowVersion

pytestmark = pytest.mark.django_db

AGENTS, DEFAULT = ExecutionQueue.AGENTS, ExecutionQueue.DEFAULT


def with_agent(**more):
    agent = {"id": "agent", "type": "agent", "name": "Agent", "config": {}, **more}
    return {**DEFINITION, "nodes": [*DEFINITION["nodes"], agent]}


@pytest.fixture
def rung(monkeypatch):
    """Collect the queues for which the bell rings."""
    heard = []
    monkeypatch.setattr(bell, "ring", lambda *names: heard.extend(names))
    return heard


class TestHasAgent:
    @pytest.mark.parametrize(
        ("definition", "expected"),
        [(DEFINITION, False), (with_agent(), True), (with_agent(disabled=True), False)],
    )
    def test_is_whether_a_node_that_can_run_is_one(self, definition, expected):
        assert has_agent(definition) is expected


class TestSettings:
    def test_name_the_queues_that_there_are(self, settings):
        assert set(settings.BELL_QUEUES) == set(ExecutionQueue.values)

    @pytest.mark.parametrize(
        ("names", "served", "alone"),
        [
            (["default", "agents"], (DEFAULT, AGENTS), None),
            (["agents"], (AGENTS,), AGENTS),
            (["default"], (DEFAULT,), DEFAULT),
        ],
    )
    def test_say_what_a_worker_serves(self, settings, names, served, alone):
        settings.WORKER_QUEUES = names

        assert (queues.served(), queues.alone()) == (served, alone)


class TestStart:
    def start(self, version, **more):
        return start_execution(
            version, kind=TriggerType.MANUAL, node_id="start", payload={}, now=database_now(), **more
        )

    @pytest.mark.parametrize(("definition", "queue"), [(DEFINITION, DEFAULT), (with_agent(), AGENTS)])
    def test_puts_an_execution_where_its_version_belongs(
        self, definition, queue, rung, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            execution = self.start(VersionFactory(definition=definition))

        execution.refresh_from_db()
        assert execution.queue == queue
        assert rung == [queue]

    def test_of_many_reads_no_definition(self, rung, django_capture_on_commit_callbacks, django_assert_num_queries):
        pks = [VersionFactory(definition=written).pk for written in (DEFINITION, with_agent())]
        versions = WorkflowVersion.objects.select_related("workflow").defer("definition").in_bulk(pks)
        trigger = TriggerFactory()
        starts = [Start(versions[pk], "start", {}, trigger.pk) for pk in pks]

        with django_capture_on_commit_callbacks(execute=True), django_assert_num_queries(1):
            executions = start_many(starts, kind=TriggerType.SCHEDULE, now=NOON)

        assert [execution.queue for execution in executions] == [DEFAULT, AGENTS]
        assert set(rung) == {DEFAULT, AGENTS}

    def test_again_goes_where_its_version_belongs(self):
        before = ExecutionFactory(workflow_version=VersionFactory(has_agent=True), ended=True)

        again = services.rerun_execution(before, by=None, now=NOON)

        assert again.queue == AGENTS


class TestPublish:
    def test_notes_whether_there_is_an_agent(self, monkeypatch):
        from workflows import services as workflows

        # The node type is not there yet; what is tested is what becomes of a definition that has one.
        monkeypatch.setattr(workflows, "validate", lambda *_, **__: [])
        workflow = WorkflowFactory(definition=with_agent())

        assert workflows.publish(workflow, by=None, now=NOON).has_agent
        assert workflows.version_to_try(workflow, by=None, now=NOON).has_agent


class TestClaim:
    def claim(self, queue, **more):
        return leases.claim("worker", now=NOON, limit=10, queue=queue, **more)

    @pytest.mark.parametrize("most", [0, 5])
    def test_takes_those_of_one_queue_alone(self, settings, most):
        settings.PROJECT_MAX_RUNNING = most
        version = VersionFactory()
        ordinary, agent = (ExecutionFactory(workflow_version=version, queue=queue) for queue in (DEFAULT, AGENTS))

        assert self.claim(AGENTS) == [agent]
        assert self.claim(DEFAULT) == [ordinary]

    def test_takes_all_where_no_queue_is_named(self):
        version = VersionFactory()
        both = {ExecutionFactory(workflow_version=version, queue=queue).pk for queue in (DEFAULT, AGENTS)}

        assert {execution.pk for execution in self.claim(None)} == both

    def test_leaves_suspects_to_those_who_serve_them(self):
        suspect = ExecutionFactory(queue=AGENTS, claims=2)

        assert not leases.has_suspects(now=NOON, queue=DEFAULT)
        assert leases.has_suspects(now=NOON, queue=AGENTS)
        assert leases.has_suspects(now=NOON)
        assert self.claim(DEFAULT, suspects=True) == []
        assert self.claim(AGENTS, suspects=True) == [suspect]

    @pytest.mark.skipif("connection.vendor != 'postgresql'")
    @pytest.mark.parametrize("most", [0, 20])
    def test_looks_at_none_of_the_other_queue(self, most):
        """However many agents wait, a worker that serves none steps over them."""
        version = VersionFactory()
        ExecutionFactory.create_batch(200, workflow_version=version, queue=AGENTS, wake_at=NOON - timedelta(hours=1))
        ExecutionFactory.create_batch(3, workflow_version=version)
        asked = {"now": NOON, "limit": 10, "live": ["pending", "running"], "most": most, "queue": "default"}

        with connection.cursor() as cursor:
            for way in ("seqscan", "bitmapscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
            sql = leases._due_sql(suspects=False, most=most, queue=DEFAULT)
            cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {sql}", asked)
            plan = "\n".join(line for (line,) in cursor.fetchall())

        assert "executions_due_in_queue" in plan
        assert "using executions_due on" not in plan
        assert "Rows Removed by Filter: 200" not in plan

    def test_of_all_queues_asks_what_it_always_asked(self):
        sql = leases._due_sql(suspects=False, most=0, queue=None)

        assert "queue" not in sql


class TestBells:
    def test_a_sweep_rings_for_each_queue_in_which_something_is_due(self, rung):
        ExecutionFactory(queue=AGENTS)
        ExecutionFactory(waiting=True, wake_at=database_now() + timedelta(hours=1))

        recovery.sweep()

        assert rung == [AGENTS]

    def test_what_comes_rings_where_the_execution_belongs(self, rung, django_capture_on_commit_callbacks):
        execution = ExecutionFactory(waiting=True, queue=AGENTS)
        run = NodeRunFactory(execution=execution, running=True)

        with django_capture_on_commit_callbacks(execute=True):
            assert signals.answer(execution.pk, run.pk, {"output": "yes"})

        assert rung == [AGENTS]

    def test_those_that_are_let_in_are_rung_for(self, rung, django_capture_on_commit_callbacks):
        definition = {**DEFINITION, "settings": {"concurrency": {"max": 1}}}
        waiting = ExecutionFactory(
            workflow_version=VersionFactory(definition=definition),
            queue=AGENTS,
            concurrency_key="",
            blocked_on="concurrency",
            wake_at=None,
        )

        with django_capture_on_commit_callbacks(execute=True):
            assert limits.let_in(limits.Group(waiting.workflow_id, "")) == 1

        assert rung == [AGENTS]


class TestPlans:
    @pytest.mark.skipif("connection.vendor != 'sqlite'")
    def test_sqlite_finds_the_queue_by_its_index(self):
        due = WorkflowExecution.objects.filter(queue=AGENTS, project=VersionFactory().workflow.project_id)

        assert (
            "executions_due_in_queue" in due.filter(wake_at__lte=NOON).order_by("wake_at", "id").values("pk").explain()
        )
