"""Events that workflows emit: in the commit that records the node run, and in no other. [R-5]"""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from executions import emitting as registry
from executions import services
from executions.models import WorkflowExecution
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from tests.factories import ExecutionFactory, WorkflowFactory
from tests.triggers.stories import event, published, started_by
from triggers.models import Event
from triggers.services import emissions
from triggers.services.emissions import plan_emission
from workflows.nodes.base import EmitEvent, NodeError
from workflows.services import set_variable

pytestmark = pytest.mark.django_db(transaction=True)


def emitting(name="order.created", data=None, policies=None, **more):
    return node("tool", {"tool": "event.emit", "with": {"name": name, "data": data, **more}}, **(policies or {}))


def story(**nodes):
    return definition("start > emit > end", end=node("output", {"value": "{{ input }}"}), **nodes)


class TestEmit:
    def test_starts_what_listens_and_says_which_event_it_was(self, worker):
        execution = start(story(emit=emitting(data={"total": "{{ trigger.total }}"})), {"total": 7})
        listener = published(started_by(heard=event("order.*")), project=execution.project)

        carry(worker, execution)

        sent = Event.objects.get()
        assert execution.result == {"event_id": str(sent.pk), "name": "order.created", "is_duplicate": False}
        assert (sent.data, sent.emitted_by, sent.source) == ({"total": 7}, execution, execution.workflow_name)
        started = WorkflowExecution.objects.get(workflow=listener)
        assert started.execution_context["trigger"]["data"] == {"total": 7}
        assert (started.triggered_by, started.depth) == ("event", execution.depth + 1)

    def test_is_heard_in_its_own_project_alone(self, worker):
        stranger = published(started_by(heard=event("*")))

        carry(worker, start(story(emit=emitting())))

        assert not stranger.executions.exists()

    def test_an_id_that_was_here_emits_nothing_more(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 1, 2]}, "emit", emit=emitting(id="order-{{ item }}", data="{{ item }}")),
            end=node("output", {"value": "{{ nodes.emit.output.map(each => each.is_duplicate) }}"}),
        )

        execution = carry(worker, start(raw))

        assert execution.result == [False, True, False]
        assert Event.objects.count() == 2

    def test_an_id_that_nodes_emit_in_the_same_moment_is_emitted_once(self, worker):
        raw = definition(
            "start > each > end",
            each=parallel({"items": [1, 2, 3, 4]}, "emit", emit=emitting(id="order", data=7)),
            end=node("output", {"value": "{{ nodes.emit.output }}"}),
        )

        execution = carry(worker, start(raw))

        assert execution.status == "completed", execution.error
        event = Event.objects.get()
        assert {each["event_id"] for each in execution.result} == {str(event.pk)}
        assert sorted(each["is_duplicate"] for each in execution.result) == [False, True, True, True]

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"name": "no name"}, "invalid_event"),
            ({"name": "poll.paused"}, "invalid_event"),
            ({"data": "x" * 3_000}, "too_large"),
        ],
    )
    def test_what_is_no_event_fails_the_node(self, worker, settings, more, code):
        settings.WEBHOOK_MAX_BODY_BYTES = 2_000

        execution = carry(worker, start(story(emit=emitting(**more))))

        assert (execution.status, execution.error["code"]) == ("failed", code)
        assert not Event.objects.exists()

    def test_an_id_with_other_data_fails_the_node(self, worker):
        execution = start(
            definition("start > emit > again", emit=emitting(id="a", data=1), again=emitting(id="a", data=2))
        )

        carry(worker, execution)

        assert execution.error["code"] == "idempotency_mismatch"

    def test_workflows_that_emit_in_a_circle_come_to_an_end(self, worker, settings):
        settings.WORKFLOW_MAX_DEPTH = 2
        raw = definition("heard > emit", heard=event("ping"), emit=emitting("ping"))
        circle = published(raw)

        first = WorkflowFactory(project=circle.project, published=True, definition=story(emit=emitting("ping")))
        services.start_manually(first, input={}, by=None, now=timezone.now())
        for _ in range(10):
            worker.work()

        assert [each.depth for each in circle.executions.order_by("depth")] == [1, 2]
        last = Event.objects.order_by("-depth").first()
        assert (last.depth, last.refused_count) == (3, 1)

    def test_secrets_stay_out_of_it(self, worker):
        execution = start(story(emit=emitting(data="{{ secret('TOKEN') }}")))
        set_variable(execution.workflow, "TOKEN", value="t0ken-of-alice", is_secret=True, by=None, now=timezone.now())

        carry(worker, execution)

        assert Event.objects.get().data == "⟦secret:TOKEN⟧"


class TestOnce:
    def test_a_fault_in_the_commit_leaves_neither_event_nor_node_run(self, worker, monkeypatch):
        execution = start(story(emit=emitting()))
        published(started_by(heard=event("order.*")), project=execution.project)
        write, faults = emissions.write_event, iter([True])

        def break_once(plan, *, now):
            written = write(plan, now=now)
            if next(faults, False):
                assert Event.objects.count() == 1
                raise RuntimeError("The process dies here.")
            return written

        monkeypatch.setattr(emissions, "write_event", break_once)
        worker.work()
        assert not Event.objects.exists()
        assert execution.node_runs.get(node_id="emit").status == "running"

        carry(worker, execution)

        assert Event.objects.count() == 1
        assert execution.node_runs.get(node_id="emit").interruptions == 1

    def test_of_two_in_the_same_moment_one_is_written(self):
        execution = ExecutionFactory()
        now = timezone.now()
        one, other = (plan_emission(EmitEvent("ping", 1, "a"), execution, now=now) for _ in range(2))

        one.write(now=now)

        with pytest.raises(IntegrityError), transaction.atomic():
            other.write(now=now)
        assert plan_emission(EmitEvent("ping", 1, "a"), execution, now=now).output["event_id"] == one.output["event_id"]

    def test_an_installation_without_events_says_so(self, monkeypatch):
        monkeypatch.setattr(registry, "_emitters", [])

        with pytest.raises(NodeError, match="keeps no events"):
            registry.plan(EmitEvent("ping", 1), ExecutionFactory.build(), now=timezone.now())
