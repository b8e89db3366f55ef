"""An execution that ends badly starts its workflow's error workflow, whoever ends it."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db import transaction

from executions import services
from executions.engine import children, failures, recovery
from executions.engine.clock import database_now
from executions.engine.ending import end_execution
from executions.models import ExecutionStatus, WorkflowExecution
from projects.ids import new_id
from tests.builders import definition
from tests.clock import NOON
from tests.factories import ExecutionFactory, ProjectFactory, VersionFactory, WorkflowFactory
from workflows.nodes.base import NodeError, StartWorkflow

pytestmark = pytest.mark.django_db

ERROR = {
    "code": "http_status",
    "message": "Node `pay` failed: no money.",
    "node_id": "pay",
    "iteration": "3",
    "attempts": 2,
    "details": {"body": "…"},
}


@pytest.fixture
def tell():
    """An error workflow."""
    return WorkflowFactory(published=True, name="Tell somebody")


def failing(tell, *, on_failure=None, **attributes):
    """An execution of a workflow whose failures are told."""
    on_failure = {"workflow": "Tell somebody"} if on_failure is None else on_failure
    workflow = WorkflowFactory(project=tell.project, status="active", version=4, name="Pay")
    version = VersionFactory(
        workflow=workflow, number=4, definition=definition("start > end", settings={"on_failure": on_failure})
    )
    given = {"leased": True, "execution_context": {"trigger": {"order": 7}, "node_id": "start"}} | attributes
    return ExecutionFactory(workflow_version=version, **given)


def end(execution, status="failed", error=None):
    status = ExecutionStatus(status)
    error = None if status is ExecutionStatus.COMPLETED else error or ERROR
    with transaction.atomic():
        end_execution(execution, status, now=NOON + timedelta(minutes=1), error=error)


def told(execution):
    return WorkflowExecution.objects.filter(failure_of=execution).first()


class TestStartErrorWorkflow:
    def test_tells_what_failed_where_and_why(self, tell, settings):
        settings.WEBHOOK_BASE_URL = "https://segue.example.com"
        execution = failing(tell)

        end(execution)

        handler = told(execution)
        assert (handler.workflow, handler.triggered_by, handler.status) == (tell, "workflow", "pending")
        assert handler.execution_context["trigger"] == {
            "execution": {
                "id": str(execution.pk),
                "status": "failed",
                "started_at": NOON.isoformat(),
                "completed_at": (NOON + timedelta(minutes=1)).isoformat(),
                "url": f"https://segue.example.com/api/executions/{execution.pk}/",
            },
            "workflow": {"id": str(execution.workflow_id), "name": "Pay", "version": 4},
            "error": {
                "code": "http_status",
                "message": "Node `pay` failed: no money.",
                "node_id": "pay",
                "iteration": "3",
            },
            "trigger": {"order": 7},
        }

    def test_finds_it_by_its_id_too(self, tell):
        execution = failing(tell, on_failure={"workflow": str(tell.pk)})

        end(execution)

        assert told(execution).workflow == tell

    @pytest.mark.parametrize(
        ("on", "status", "is_told"),
        [
            (None, "failed", True),
            (None, "timeout", True),
            (None, "cancelled", False),
            (None, "completed", False),
            (["cancelled"], "cancelled", True),
            (["cancelled"], "failed", False),
        ],
    )
    def test_is_told_of_the_ends_that_are_asked_for(self, tell, on, status, is_told):
        execution = failing(tell, on_failure={"workflow": "Tell somebody"} | ({"on": on} if on else {}))

        end(execution, status)

        assert (told(execution) is not None) == is_told

    def test_the_deadline_counts(self, tell):
        execution = failing(tell, deadline_at=NOON)

        recovery.end_overdue(NOON)

        assert told(execution).execution_context["trigger"]["error"]["code"] == "execution_timeout"

    def test_a_lost_worker_counts(self, tell, settings):
        just_now = database_now() - timedelta(seconds=1)
        execution = failing(tell, claims=settings.ENGINE_MAX_LOST_WORKERS, lease_expires_at=just_now)

        recovery.release_dead_leases(database_now())

        assert told(execution).execution_context["trigger"]["error"]["code"] == "worker_lost"

    def test_an_operator_counts_if_asked_for(self, tell):
        execution = failing(tell, on_failure={"workflow": "Tell somebody", "on": ["cancelled"]})

        services.cancel_execution(execution, by=None, now=NOON)

        assert told(execution).execution_context["trigger"]["execution"]["status"] == "cancelled"

    def test_one_that_never_began_has_no_start(self, tell):
        execution = failing(tell, leased=False)

        end(execution)

        assert told(execution).execution_context["trigger"]["execution"]["started_at"] is None

    def test_an_error_workflow_that_fails_starts_nothing(self, tell):
        execution = failing(tell, failure_of=ExecutionFactory(failed=True))

        end(execution)

        assert told(execution) is None

    def test_error_workflows_that_run_what_fails_come_to_an_end(self, tell, settings):
        settings.WORKFLOW_MAX_DEPTH = 2
        asked, execution = StartWorkflow("Pay", {}), failing(tell)
        for _ in range(2):
            end(execution)
            execution = children.start(
                asked, id=new_id(), parent=told(execution), node_run_id=new_id(), deadline=None, now=NOON
            )
        end(execution)

        with pytest.raises(NodeError, match="start each other in a circle"):
            children.check(asked, told(execution))

    def test_a_large_trigger_value_is_left_out(self, tell):
        execution = failing(tell, execution_context={"trigger": {"text": "x" * 70_000}, "node_id": "start"})

        end(execution)

        assert told(execution).execution_context["trigger"]["trigger"] == {
            "left_out": "70,011 bytes: the execution's own page has all of it."
        }

    def test_its_inputs_do_not_keep_it_from_being_told(self, tell):
        inputs = {"type": "object", "required": ["something_else"]}
        strict = WorkflowFactory(
            published=True, project=tell.project, name="Strict", definition=definition("start > end", inputs=inputs)
        )
        execution = failing(tell, on_failure={"workflow": "Strict"})

        end(execution)

        assert told(execution).workflow == strict

    @pytest.mark.parametrize(
        ("attributes", "why"),
        [
            ({"status": "disabled"}, "Workflow 'Tell somebody' is disabled"),
            ({"name": "Something else"}, "The project has no workflow with the name or id 'Tell somebody'"),
        ],
    )
    def test_one_that_cannot_start_keeps_nothing_from_ending(self, tell, attributes, why):
        type(tell).objects.filter(pk=tell.pk).update(**attributes)
        execution = failing(tell)

        end(execution)

        execution.refresh_from_db()
        assert (execution.status, told(execution)) == ("failed", None)
        assert execution.error["details"]["on_failure"].startswith(f"Its error workflow was not started: {why}")
        assert execution.error["details"]["body"] == "…"
        assert execution.error["message"] == ERROR["message"]

    def test_one_of_another_project_is_not_meant(self, tell):
        type(tell).objects.filter(pk=tell.pk).update(project=ProjectFactory())
        elsewhere = WorkflowFactory()
        execution = failing(elsewhere)

        end(execution)

        assert told(execution) is None

    def test_a_fault_keeps_nothing_from_ending(self, tell, caplog, monkeypatch):
        def broken(*_, **__):
            with transaction.atomic():
                raise KeyError("what nobody thought of")

        monkeypatch.setattr(failures, "told", broken)
        execution = failing(tell)

        with caplog.at_level(logging.ERROR):
            end(execution)

        execution.refresh_from_db()
        assert execution.status == "failed"
        assert execution.error["details"]["on_failure"] == "Its error workflow was not started: KeyError."
        assert "An error workflow could not be started." in caplog.text

    def test_is_started_with_the_end_or_not_at_all(self, tell):
        execution = failing(tell)

        with transaction.atomic():
            end(execution)
            transaction.set_rollback(True)

        assert told(execution) is None

    def test_a_sub_workflow_that_fails_has_its_own(self, tell):
        parent = ExecutionFactory(leased=True, workflow_version__workflow__project=tell.project)
        child = failing(tell, parent=parent, parent_node_run_id=new_id(), is_waited_for=True, depth=1)

        end(child)

        assert told(child).depth == 1
