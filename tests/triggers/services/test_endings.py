"""Workflow triggers: what the end of an execution starts."""

from __future__ import annotations

import pytest
from django.db import OperationalError, transaction

from executions.engine.ending import end_execution
from executions.models import ExecutionStatus, WorkflowExecution
from executions.services import cancel_execution, rerun_execution, start_manually
from tests.builders import definition, node
from tests.clock import NOON
from tests.factories import ProjectFactory
from tests.triggers.stories import after, event, publish_again, published, started_by, trigger_of
from triggers.models import Event, MatchVerdict
from triggers.services import emit, endings, switch_trigger
from workflows.exceptions import InvalidDefinition
from workflows.services import archive, disable, pause, save_draft

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ProjectFactory()


@pytest.fixture
def orders(project):
    """Return a workflow that others wait for."""
    return published(definition("start > end", end=node("output", {"value": {"total": 42}})), project=project)


def following(workflow, project, **config):
    return published(started_by(then=after(workflow, **config)), project=project)


def an_end(workflow, status=ExecutionStatus.COMPLETED, result=None):
    """Start an execution and end it."""
    execution = start_manually(workflow, input={}, by=None, now=NOON)
    finish(execution, status, result)
    return execution


def finish(execution, status=ExecutionStatus.COMPLETED, result=None):
    execution.move_to(ExecutionStatus.RUNNING, wake_at=None, blocked_on=None, started_at=NOON)
    error = None if status is ExecutionStatus.COMPLETED else {"code": "node_failed", "message": "No.", "node_id": "end"}
    with transaction.atomic():
        end_execution(execution, status, now=NOON, result=result, error=error)


def started(workflow):
    return list(WorkflowExecution.objects.filter(workflow=workflow))


class TestStartFollowers:
    def test_starts_what_waits_for_the_end(self, project, orders):
        follower = following(orders, project)

        first = an_end(orders, result={"total": 42})

        (execution,) = started(follower)
        told = execution.execution_context["trigger"]
        assert (execution.triggered_by, execution.depth) == ("workflow", 1)
        assert execution.trigger_id == trigger_of(follower, "then").pk
        assert told["execution"]["id"] == str(first.pk)
        assert told["execution"]["status"] == "completed"
        assert told["workflow"] == {"id": str(orders.pk), "name": orders.name, "version": 1}
        assert told["result"] == {"total": 42}

    def test_tells_what_failed(self, project, orders):
        follower = following(orders, project, on="failed")

        an_end(orders, ExecutionStatus.FAILED)

        told = started(follower)[0].execution_context["trigger"]
        assert (told["error"]["code"], told["error"]["node_id"]) == ("node_failed", "end")

    @pytest.mark.parametrize(
        ("on", "starts_it"),
        [
            ("completed", {ExecutionStatus.COMPLETED}),
            ("failed", {ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT}),
            ("any", {*ExecutionStatus} - {ExecutionStatus.PENDING, ExecutionStatus.RUNNING}),
        ],
    )
    @pytest.mark.parametrize(
        "status",
        [ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT, ExecutionStatus.CANCELLED],
    )
    def test_goes_by_how_it_ended(self, project, orders, on, starts_it, status):
        follower = following(orders, project, on=on)

        an_end(orders, status)

        assert bool(started(follower)) is (status in starts_it)
        # An end that nobody waits for leaves no line in the log.
        assert Event.objects.exists() is (status in starts_it)

    def test_knows_the_other_by_its_id_however_it_is_written(self, project, orders):
        follower = following(str(orders.pk).upper(), project)

        an_end(orders)

        assert started(follower)

    def test_knows_the_other_by_its_name_of_today(self, project, orders):
        follower = following("Renamed", project) if rename(orders, "Renamed") else None

        an_end(orders)

        assert started(follower)

    def test_does_not_look_into_other_projects(self, orders):
        elsewhere = ProjectFactory()
        published(definition("start > end", end=node("output")), project=elsewhere)
        namesake = published(definition("start > end", end=node("output")), project=elsewhere)
        rename(namesake, orders.name)
        follower = following(orders, elsewhere)

        an_end(orders)

        assert not started(follower)

    def test_asks_the_filter(self, project, orders):
        follower = following(orders, project, filter="{{ trigger.result.total > 100 }}")

        an_end(orders, result={"total": 42})
        assert not started(follower)

        an_end(orders, result={"total": 420})
        assert len(started(follower)) == 1
        assert list(Event.objects.order_by("received_at", "id").values_list("filtered_count", flat=True)) == [1, 0]

    def test_counts_runs_again_like_any_other(self, project, orders):
        follower = following(orders, project)
        first = an_end(orders, ExecutionStatus.FAILED)

        finish(rerun_execution(first, by=None, now=NOON))

        assert len(started(follower)) == 1

    def test_counts_one_that_was_cancelled_by_hand(self, project, orders):
        follower = following(orders, project, on="any")

        cancel_execution(start_manually(orders, input={}, by=None, now=NOON), by=None, now=NOON)

        assert started(follower)

    def test_leaves_out_a_result_that_is_too_large(self, project, orders, settings):
        settings.WEBHOOK_MAX_BODY_BYTES = 100
        follower = following(orders, project)

        an_end(orders, result="x" * 200)

        assert "left_out" in started(follower)[0].execution_context["trigger"]["result"]

    def test_is_kept_in_the_log_of_events(self, project, orders):
        following(orders, project)

        first = an_end(orders)

        kept = Event.objects.get()
        assert (kept.type, kept.name, kept.emitted_by_id) == ("workflow", "execution.completed", first.pk)
        assert kept.matches.get().verdict == MatchVerdict.MATCHED

    def test_is_no_event_that_others_may_listen_to(self, project, orders):
        following(orders, project)
        listener = published(started_by(heard=event("*")), project=project)

        an_end(orders)
        assert not started(listener)

        emit(project, "execution.completed", now=NOON)
        assert len(started(listener)) == 1


class TestWhyNot:
    def test_a_paused_follower_accepts(self, project, orders):
        follower = following(orders, project)
        pause(follower, by=None, now=NOON)

        an_end(orders)

        assert started(follower)

    def test_a_disabled_follower_starts_nothing_and_the_log_says_so(self, project, orders):
        follower = following(orders, project)
        disable(follower, reason="Moved.", by=None, now=NOON)

        an_end(orders)

        assert not started(follower)
        assert Event.objects.get().matches.get().reason_code == "workflow_disabled"

    def test_a_trigger_that_is_off_starts_nothing(self, project, orders):
        follower = following(orders, project)
        switch_trigger(trigger_of(follower, "then"), is_active=False, by=None, now=NOON)

        an_end(orders)

        assert Event.objects.get().matches.get().reason_code == "trigger_off"

    def test_an_archived_follower_is_silent(self, project, orders):
        follower = following(orders, project)
        archive(follower, by=None, now=NOON)

        an_end(orders)

        assert not started(follower)

    def test_a_circle_comes_to_its_end(self, project, orders, settings):
        settings.WORKFLOW_MAX_DEPTH = 3
        second = following(orders, project)
        publish_again(orders, started_by(then=after(second), start=node("trigger", {"kind": "manual"})))

        finish(start_manually(orders, node_id="start", input={}, by=None, now=NOON))
        while live := WorkflowExecution.objects.live().first():
            finish(live)

        assert sorted(WorkflowExecution.objects.values_list("depth", flat=True)) == [0, 1, 2, 3]
        last = Event.objects.order_by("-depth")[0]
        assert last.matches.get().reason_code == "too_deep"

    def test_what_goes_wrong_does_not_keep_the_execution_from_ending(self, project, orders, monkeypatch):
        follower = following(orders, project)
        monkeypatch.setattr(endings, "told", _fails(ValueError("broken")))

        first = an_end(orders)

        first.refresh_from_db()
        assert first.status == "completed"
        assert not started(follower)

    def test_a_database_that_goes_away_undoes_both(self, project, orders, monkeypatch):
        following(orders, project)
        monkeypatch.setattr(endings, "told", _fails(OperationalError("server closed the connection unexpectedly")))

        with pytest.raises(OperationalError):
            an_end(orders)

        assert WorkflowExecution.objects.get().status != "completed"


class TestPublishing:
    def test_refuses_a_workflow_that_starts_itself(self, project):
        workflow = published(started_by(start=node("trigger", {"kind": "manual"})), project=project)

        with pytest.raises(InvalidDefinition) as refused:
            publish_again(workflow, started_by(then=after(workflow)))

        assert [problem["code"] for problem in refused.value.problems] == ["own_trigger"]

    def test_refuses_a_workflow_that_is_not_there(self, project):
        with pytest.raises(InvalidDefinition) as refused:
            following("Nobody", project)

        assert [(problem["code"], problem["path"]) for problem in refused.value.problems] == [
            ("unknown_workflow", "/nodes/0/config/workflow")
        ]


def rename(workflow, name):
    save_draft(workflow, name=name, by=None, now=NOON)
    return workflow


def _fails(error):
    def fail(*_, **__):
        raise error

    return fail
