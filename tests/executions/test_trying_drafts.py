"""Executions that try a draft: they run like any other, and nothing around them knows of them."""

from __future__ import annotations

import pytest

from executions import services, statistics
from executions.exceptions import InvalidInput, NotRunnable, WouldWrite
from executions.models import ExecutionStatus, WorkflowExecution
from projects.exceptions import NotFound
from tests.builders import definition, loop, node
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


def setting(**fields):
    """Return the config of a transform that sets fields."""
    return {"steps": [{"operation": "set", "fields": fields}]}


def a_draft(raw=PURE, *, name="Draft", project=None):
    return create_workflow(project or ProjectFactory(), name=name, definition=raw, by=None, now=NOON)


def tried(workflow, value=None, **more):
    awaits = more.pop("awaited", False)
    asker = services.Asker(awaits=awaits)
    return services.start_test(workflow, input={"n": 1} if value is None else value, asker=asker, now=NOON, **more)


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


def pinned(output, type_="transform", **more):
    return node(type_, setting(a=1), pin={"output": output, **more})


class TestPins:
    def test_stand_in_for_a_node_in_a_test(self):
        raw = definition("start > ask > end", ask=pinned({"n": 7}), end=node("output", {"value": "{{ input.n }}"}))

        execution = tried(a_draft(raw), awaited=True)

        assert execution.result == 7
        assert [run.node_id for run in execution.node_runs.all() if run.is_pinned] == ["ask"]

    def test_keep_what_would_write_from_running(self, worker):
        call = node("tool", {"tool": "http.request", "with": {"method": "POST", "url": "http://192.0.2.1/"}})
        raw = definition("start > call > end", call=call | {"pin": {"output": {"status": 201}}}, end=node("output", {}))

        execution = carry(worker, tried(a_draft(raw)))

        assert (execution.status, execution.node_runs.get(node_id="call").output_data) == ("completed", {"status": 201})

    def test_go_out_through_their_port(self):
        choose = node(
            "condition", {"cases": [{"port": "yes", "when": "{{ false }}"}]}, pin={"output": 1, "port": "yes"}
        )
        raw = definition("start > choose", "choose.yes > end", choose=choose, end=node("output", {"value": "taken"}))

        assert tried(a_draft(raw), awaited=True).result == "taken"

    def test_mean_nothing_to_other_executions(self):
        raw = definition("start > ask > end", ask=pinned({"n": 7}), end=node("output", {"value": "{{ input.a }}"}))
        workflow = a_draft(raw)
        publish(workflow, by=None, now=NOON)

        assert services.start_manually(workflow, input={}, by=None, now=NOON, awaited=True).result == 1

    def test_of_the_trigger_are_the_input_where_none_is_given(self):
        raw = definition(
            "start > end",
            start=node("trigger", {"kind": "manual"}, pin={"output": {"n": 3}}),
            end=node("output", {"value": "{{ trigger.n }}"}),
        )

        asker = services.Asker(awaits=True)
        assert services.start_test(a_draft(raw), asker=asker, now=NOON).result == 3
        assert services.start_test(a_draft(raw, name="B"), input={"n": 4}, asker=asker, now=NOON).result == 4

    def test_name_a_port_that_there_is(self):
        raw = definition("start > ask", ask=pinned(1, port="yes"))

        with pytest.raises(InvalidDefinition) as refused:
            tried(a_draft(raw))

        assert [(each["code"], each["path"]) for each in refused.value.problems] == [
            ("unknown_port", "/nodes/1/pin/port")
        ]


class TestOneNodeAlone:
    def alone(self, raw, node_id, *, may_write=False, **sees):
        workflow = a_draft(raw, name=f"Alone {node_id}")
        execution = services.start_node_test(
            workflow,
            node_id,
            sees=services.Surroundings(**sees),
            may_write=may_write,
            asker=services.Asker(awaits=True),
            now=NOON,
        )
        return execution.node_runs.get(node_id=node_id)

    def test_gets_what_it_is_to_see(self):
        shown = "{{ input.n + nodes.ask.output.n + trigger.n }}"
        raw = definition("start > ask > work > end", work=node("transform", setting(sum=shown)))

        run = self.alone(raw, "work", input={"n": 1}, outputs={"ask": {"n": 10}}, trigger={"n": 100})

        assert run.output_data == {"n": 1, "sum": 111}

    def test_knows_what_is_pinned(self):
        raw = definition(
            "start > ask > work", ask=pinned({"n": 5}), work=node("output", {"value": "{{ nodes.ask.output.n }}"})
        )

        assert self.alone(raw, "work").output_data["value"] == 5

    def test_runs_although_the_rest_has_problems(self):
        raw = definition(
            "start > broken > work", broken=node("tool", {"tool": "no.such"}), work=node("output", {"value": 1})
        )

        assert self.alone(raw, "work").status == "completed"

    def test_runs_in_a_pass_of_the_scopes_around_it(self):
        body = {
            "ask": node("transform", setting(a=1)),
            "work": node("transform", setting(b="{{ scopes.each.item.total }}")),
        }
        raw = definition("start > each > end", each=loop({"items": "{{ input.orders }}"}, "ask > work", **body))

        run = self.alone(raw, "work", input={"x": 1}, items={"each": {"total": 9}})

        assert (run.iteration, run.output_data) == ("0", {"x": 1, "b": 9})

    def test_takes_along_what_lies_in_it(self):
        raw = definition("start > each > end", each=loop({"items": "{{ input.orders }}"}, "inside"))

        run = self.alone(raw, "each", input={"orders": [1, 2, 3]})

        assert run.status == "completed"
        assert run.execution.node_runs.filter(node_id="inside").count() == 3

    def test_is_tried_once_whatever_its_retry_says(self):
        failing = node("output", {"value": "{{ input.no.where }}"}, retry={"max_attempts": 5})

        assert self.alone(definition("start > work", work=failing), "work").status == "failed"

    def test_writes_only_if_that_is_meant(self):
        call = node("tool", {"tool": "http.request", "with": {"method": "POST", "url": "http://192.0.2.1/"}})

        with pytest.raises(WouldWrite):
            self.alone(definition("start > work", work=call), "work")

    def test_tells_its_problems_where_they_are_in_the_draft(self):
        raw = definition("start > before > work", work=node("output", {"value": "{{ nodes.before.output }}"}))

        with pytest.raises(InvalidDefinition) as refused:
            self.alone(raw, "work")

        (problem,) = refused.value.problems
        assert problem["path"] == "/nodes/2/config/value"

    @pytest.mark.parametrize(
        ("given", "path", "hint"),
        [
            ({"outputs": {"befor": 1}}, "/outputs/befor", "Did you mean `before`?"),
            ({"outputs": {"no node": 1}}, "/outputs/no node", ""),
            ({"items": {"before": 1}}, "/items/before", ""),
        ],
    )
    def test_is_given_nothing_for_what_is_not_there(self, given, path, hint):
        raw = definition("start > before > work", work=node("output"))

        with pytest.raises(InvalidInput) as refused:
            self.alone(raw, "work", **given)

        (problem,) = refused.value.problems
        assert (problem["path"], problem["hint"]) == (path, hint)

    @pytest.mark.parametrize(
        "rest",
        [
            {"nodes": [{"id": ["work"], "type": "output"}, "no node", {"id": "other", "parent": {}}]},
            {"edges": [{"source": ["work"], "target": {}, "type": "tool"}, {"source": "work"}, "no edge"]},
        ],
    )
    def test_runs_whatever_the_rest_of_the_draft_is(self, rest):
        raw = definition("start > work", work=node("output", {"value": "{{ input }}"}))

        run = self.alone({**raw, **{key: [*wrong, *raw[key]] for key, wrong in rest.items()}}, "work", input=7)

        assert run.output_data["value"] == 7

    @pytest.mark.parametrize(("node_id", "error"), [("start", InvalidInput), ("nowhere", NotFound)])
    def test_is_a_node_that_can_run(self, node_id, error):
        with pytest.raises(error):
            self.alone(definition("start > end"), node_id)
