"""Sub-workflows: started with the node run that waits, ended with their parent, and what their end means to it."""

from __future__ import annotations

import pytest

from executions.engine import children
from executions.models import BlockedOn, WorkflowExecution
from tests.builders import definition, node
from tests.factories import ExecutionFactory, NodeRunFactory, ProjectFactory, WorkflowFactory
from workflows.nodes.base import NodeError, StartWorkflow

pytestmark = pytest.mark.django_db

ORDER = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


@pytest.fixture
def parent():
    """An execution that a worker holds, without a deadline."""
    return ExecutionFactory(leased=True)


def workflow(parent, **attributes):
    given = {"published": True} | attributes
    return WorkflowFactory(project=parent.project, name="Bill", **given)


def called(name="Bill", value=None, **more):
    return StartWorkflow(name, {} if value is None else value, **more)


def waiting_run(execution, **attributes):
    return NodeRunFactory(
        execution=execution, node_id="bill", node_type="tool", running=True, waits_for=BlockedOn.CALLBACK, **attributes
    )


def child_of(parent, **attributes):
    """A live execution that a node run of its parent waits for."""
    given = {"is_waited_for": True, "depth": parent.depth + 1} | attributes
    return ExecutionFactory(
        parent=parent,
        workflow_version__workflow__project=parent.project,
        parent_node_run_id=waiting_run(parent, iteration=str(parent.children.count())).pk,
        **given,
    )


def asleep(execution):
    """Let a held execution fall asleep until something comes that has no time."""
    WorkflowExecution.objects.filter(pk=execution.pk).update(
        lease_owner=None, lease_expires_at=None, blocked_on=BlockedOn.CALLBACK, blocked_detail="Waits for `bill`."
    )
    return execution


def run_of(child):
    return child.parent.node_runs.get(pk=child.parent_node_run_id)


class TestCheck:
    def test_finds_a_workflow_of_the_same_project_by_name_and_by_id(self, parent):
        bill = workflow(parent)

        assert children.check(called("Bill"), parent) == children.check(called(str(bill.pk)), parent)

    def test_an_id_comes_before_a_name(self, parent):
        bill = workflow(parent)
        WorkflowFactory(published=True, project=parent.project, name=str(bill.pk))

        assert children.check(called(str(bill.pk)), parent).workflow == bill

    @pytest.mark.parametrize("name", ["Bill", "no such workflow", "\x00", "01a21499-402b-7235-8eea-e2bbaab83e73"])
    def test_knows_no_workflow_of_another_project(self, parent, name):
        WorkflowFactory(published=True, project=ProjectFactory(), name="Bill")

        with pytest.raises(NodeError, match="The project has no workflow with the name or id") as raised:
            children.check(called(name), parent)

        assert (raised.value.code, raised.value.retryable) == ("unknown_workflow", False)

    def test_a_paused_workflow_accepts(self, parent):
        bill = workflow(parent, status="paused")

        assert children.check(called(), parent).workflow == bill

    @pytest.mark.parametrize(
        ("attributes", "why"),
        [
            ({"published": False}, "was never published. Publish it first"),
            ({"status": "disabled"}, "is disabled. Enable it first"),
            ({"status": "archived"}, "is archived and starts nothing"),
        ],
    )
    def test_other_workflows_start_nothing(self, parent, attributes, why):
        workflow(parent, **attributes)

        with pytest.raises(NodeError, match=why) as raised:
            children.check(called(), parent)

        assert raised.value.code == "workflow_not_runnable"

    def test_names_everything_about_the_input_that_does_not_fit(self, parent):
        workflow(parent, definition=definition("start > end", inputs=ORDER | {"required": ["total", "name"]}))

        with pytest.raises(NodeError, match="does not fit the inputs of workflow 'Bill'") as raised:
            children.check(called(value={"total": "much"}), parent)

        assert raised.value.code == "invalid_input"
        assert len(raised.value.details["problems"]) == 2

    def test_the_input_is_an_object(self, parent):
        workflow(parent)

        with pytest.raises(NodeError, match="is an object"):
            children.check(called(value=[1]), parent)

    def test_asks_which_of_several_triggers_is_meant(self, parent):
        hook = node("trigger", {"kind": "webhook"})
        workflow(parent, definition=definition("one > end", "two > end", one=hook, two=hook))

        with pytest.raises(NodeError, match="Name the one to begin at: one, two"):
            children.check(called(), parent)

    def test_refuses_to_go_deeper_than_allowed(self, parent, settings):
        settings.WORKFLOW_MAX_DEPTH = 2
        workflow(parent)

        children.check(called(), ExecutionFactory(depth=1, workflow_version=parent.workflow_version))
        with pytest.raises(NodeError, match="start each other in a circle") as raised:
            children.check(called(), ExecutionFactory(depth=2, workflow_version=parent.workflow_version))

        assert raised.value.code == "workflow_too_deep"

    def test_refuses_more_than_allowed_below_the_first_ancestor(self, parent, settings):
        settings.WORKFLOW_MAX_DESCENDANTS = 3
        workflow(parent)
        child = child_of(parent)
        grandchild = child_of(child)
        children.check(called(), grandchild)
        child_of(parent, ended=True)

        for execution in (parent, child, grandchild):
            with pytest.raises(NodeError, match="has 3 executions below it") as raised:
                children.check(called(), execution)

        assert raised.value.code == "too_many_workflows"
