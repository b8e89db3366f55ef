"""Executions that try a draft: they run like any other, and nothing around them knows of them."""

from __future__ import annotations

import pytest

from executions import services, statistics
from executions.exceptions import InvalidInput, NotRunnable
from executions.models import ExecutionStatus, WorkflowExecution
from tests.builders import definition, node
from tests.clock import NOON
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.factories import ProjectFactory, VersionFactory, WorkflowFactory
from workflows.exceptions import InvalidDefinition, WorkflowArchived
from workflows.models import WorkflowVersion
from workflows.services import archive, create_workflow, disable, pause, publish

pytestmark = pytest.mark.django_db(transaction=True)

PURE = definition("start > end", end=node("output", {"value": "{{ input.n + 1 }}"}))
FAILING = definition("start > end", end=node("output", {"value": "{{ input.no.where }}"}))


def a_draft(raw=PURE, *, name="Draft", project=None):
    return create_workflow(project or ProjectFactory(), name=name, definition=raw, by=None, now=NOON)


def tried(workflow, value=None, **more):
    return services.start_test(workflow, input={"n": 1} if value is None else value, by=None, now=NOON, **more)


class TestADraft:
    def test_runs_without_ever_being_published(self):
        execution = tried(a_draft(), awaited=True)

        assert (execution.status, execution.result) == ("completed", 2)

    def test_runs_beside_what_is_published(self):
        workflow = a_draft()
        publish(workflow, by=None, now=NOON)
        type(workflow).objects.update(definition=FAILING)

        assert tried(workflow, awaited=True).status == "failed"
        assert services.start_manually(workflow, input={"n": 1}, by=None, now=NOON, awaited=True).result == 2

    @pytest.mark.parametrize("hold", [pause, disable])
    def test_runs_although_its_workflow_is_held(self, worker, hold):
        workflow = a_draft()
        publish(workflow, by=None, now=NOON)
        hold(workflow, reason="Later.", by=None, now=NOON)

        assert carry(worker, tried(workflow)).status == "completed"

    def test_is_no_version_that_people_see(self):
        workflow = a_draft()

        tried(workflow)

        assert not workflow.versions.published().exists()
        assert publish(workflow, by=None, now=NOON).number == 1

    def test_is_kept_once_for_several_tries(self):
        workflow = a_draft()

        for _ in range(2):
            tried(workflow)

        assert WorkflowVersion.objects.count() == 1

    def test_with_problems_is_not_run(self):
        with pytest.raises(InvalidDefinition):
            tried(a_draft(definition("start > nowhere", nowhere=node("tool", {"tool": "no.such"}))))

    def test_of_an_archived_workflow_is_not_run(self):
        workflow = a_draft()
        archive(workflow, by=None, now=NOON)

        with pytest.raises(WorkflowArchived):
            tried(workflow)

    def test_asks_for_an_input_that_fits(self):
        raw = PURE | {"inputs": {"type": "object", "required": ["n"]}}

        with pytest.raises(InvalidInput):
            tried(a_draft(raw), {"m": 1})


class TestWhatLiesAround:
    def test_no_limit_on_concurrency_holds_it(self):
        workflow = a_draft(PURE | {"settings": {"concurrency": {"max": 1}}})
        publish(workflow, by=None, now=NOON)
        services.start_manually(workflow, input={"n": 1}, by=None, now=NOON)

        assert tried(workflow).blocked_on == "queue"

    def test_its_failure_starts_no_error_workflow(self):
        project = ProjectFactory()
        tell = WorkflowFactory(project=project, published=True, name="Tell")
        workflow = a_draft(FAILING | {"settings": {"on_failure": {"workflow": "Tell"}}}, project=project)

        tried(workflow, awaited=True)

        assert not WorkflowExecution.objects.filter(workflow=tell).exists()

    def test_statistics_do_not_count_it(self):
        workflow = a_draft()
        tried(workflow, awaited=True)

        zone = statistics.zone_of("UTC")
        counted = statistics.summarize(WorkflowExecution.objects.all(), statistics.period(now=NOON, zone=zone))
        assert counted.total.executions == 0

    def test_what_it_starts_is_a_test_as_well(self, worker):
        project = ProjectFactory()
        WorkflowFactory(project=project, published=True, name="Below")
        calling = definition(
            "start > below", below=node("tool", {"tool": "workflow.run", "with": {"workflow": "Below"}})
        )

        carry(worker, tried(a_draft(calling, project=project)))

        assert list(WorkflowExecution.objects.values_list("is_test", flat=True)) == [True, True]

    def test_running_it_again_is_a_test_as_well(self):
        execution = tried(a_draft(), awaited=True)

        again = services.rerun_execution(execution, by=None, now=NOON)

        assert (again.is_test, again.workflow_version) == (True, execution.workflow_version)


def test_only_tests_run_what_was_never_published():
    version = VersionFactory(workflow__status="draft", number=None)
    start = {"kind": "manual", "node_id": "start", "payload": {}, "now": NOON}

    with pytest.raises(NotRunnable):
        services.start_execution(version, **start)
    assert services.start_execution(version, **start, is_test=True).status == ExecutionStatus.PENDING
