"""Running an execution again from somewhere in the middle, carried by a worker: real rows, the real sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from executions import retention, services
from executions.exceptions import ExecutionTooLarge, InvalidRerun, NotRunnable
from executions.models import WorkflowExecution
from projects.exceptions import NotFound
from projects.models import AuditEntry
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.factories import VersionFactory, WorkflowFactory
from tests.threads import beside
from workflows import services as workflows

pytestmark = pytest.mark.django_db(transaction=True)

# What ``vars.BAD`` names fails.
FAILS = "{{ vars.BAD.includes('%s') ? null.broken : %s }}"


def value(expression, **policies):
    """A node that puts out the value of an expression, unless ``vars.BAD`` names the expression."""
    template = FAILS % (expression.replace("'", ""), expression)
    return node("transform", {"value": {"v": template}, "steps": [{"operation": "keep", "fields": ["v"]}]}, **policies)


def output(template):
    return node("output", {"value": template})


def bad(workflow, *expressions):
    """Let nodes with these expressions fail from now on, and no others."""
    workflows.set_variable(workflow, "BAD", value=list(expressions), by=None, now=timezone.now())


def first(worker, raw, *expressions, given=None):
    """Run a workflow once, with some of its nodes failing."""
    workflow = WorkflowFactory(published=True, definition=raw)
    bad(workflow, *expressions)
    execution = services.start_manually(workflow, input=given or {}, by=None, now=timezone.now())
    return carry(worker, execution)


def rerun(worker, execution, **asked):
    bad(execution.workflow)
    return carry(worker, services.rerun_execution(execution, by=None, now=timezone.now(), **asked))


def refused(execution, **asked):
    """Return the codes and places of all problems."""
    with pytest.raises(InvalidRerun) as caught:
        services.rerun_execution(execution, by=None, now=timezone.now(), **asked)
    assert not execution.reruns.exists()
    return {(problem["code"], problem["path"]) for problem in caught.value.problems}


def reused(execution):
    """Return the nodes that were taken over, with the pass if there is one."""
    rows = execution.node_runs.filter(reused_from__isnull=False).order_by("started_at", "id")
    return [f"{row.node_id}@{row.iteration}".rstrip("@") for row in rows]


def ran(execution):
    rows = execution.node_runs.filter(reused_from__isnull=True).order_by("started_at", "id")
    return [f"{row.node_id}@{row.iteration}".rstrip("@") for row in rows if not row.is_edited]


CHAIN = definition(
    "start > a > b > c",
    a=value("1"),
    b=value("input.v + 1"),
    c=output("{{ [nodes.a.output.v, input.v, trigger.x ?? 0] }}"),
)


class TestFromNode:
    def test_takes_over_what_came_before_and_runs_the_rest(self, worker):
        failed = first(worker, CHAIN, "input.v + 1")
        assert failed.status == "failed"

        again = rerun(worker, failed, from_node="b")

        assert (again.status, again.result) == ("completed", [1, 2, 0])
        assert reused(again) == ["start", "a"]
        assert ran(again) == ["b", "c"]
        assert again.execution_context["rerun_from"] == {"node_id": "b", "iteration": ""}

    def test_what_is_taken_over_says_what_it_was_and_costs_nothing(self, worker):
        failed = first(worker, CHAIN, "input.v + 1")
        original = failed.node_runs.get(node_id="a")

        copy = rerun(worker, failed, from_node="b").node_runs.get(node_id="a")

        assert copy.reused_from == original.pk
        assert (copy.status, copy.ports, copy.output_data) == ("completed", original.ports, original.output_data)
        assert (copy.attempt, copy.duration_ms, copy.tokens_used, copy.is_edited) == (1, 0, 0, False)
        assert copy.started_at > original.started_at

    def test_counts_only_what_it_ran_itself(self, worker):
        again = rerun(worker, first(worker, CHAIN), from_node="b")

        assert again.nodes_executed == 2

    def test_takes_over_what_lies_beside(self, worker):
        raw = definition("start > a > end", "start > b > end", a=value("1"), b=value("2"), end=output("{{ input }}"))
        execution = first(worker, raw)

        again = rerun(worker, execution, from_node="a")

        assert reused(again) == ["start", "b"]
        assert again.result == {"a": {"v": 1}, "b": {"v": 2}}

    def test_a_failure_that_was_caught_stays_one(self, worker):
        raw = definition(
            "start > a", "a.error > saved > end", "a > end", a=value("1"), saved=value("3"), end=output("{{ input }}")
        )
        raw["nodes"][-1]["join"] = "any"
        execution = first(worker, raw, "1")
        assert execution.status == "completed"

        again = rerun(worker, execution, from_node="end")

        assert again.node_runs.get(node_id="a").status == "failed"
        assert (reused(again), again.result) == (["start", "a", "saved"], {"v": 3})

    def test_the_last_attempt_alone_is_taken_over(self, worker):
        execution = first(worker, CHAIN)
        last = execution.node_runs.get(node_id="a")
        last.attempt = 2
        last.save()
        last.pk, last.attempt, last.status, last.ports = None, 1, "failed", []
        last.save(force_insert=True)

        again = rerun(worker, execution, from_node="b")

        assert [(run.attempt, run.status) for run in again.node_runs.filter(node_id="a")] == [(1, "completed")]

    def test_a_rerun_can_be_run_again(self, worker):
        once = rerun(worker, first(worker, CHAIN), from_node="b")

        twice = rerun(worker, once, from_node="c")

        assert reused(twice) == ["start", "a", "b"]
        assert twice.result == [1, 2, 0]

    def test_a_node_that_was_never_reached_runs_with_what_is_missing_before_it(self, worker):
        failed = first(worker, CHAIN, "1")

        again = rerun(worker, failed, from_node="c")

        assert (reused(again), ran(again)) == (["start"], ["a", "b", "c"])

    def test_is_written_to_the_audit_log(self, worker):
        execution = first(worker, CHAIN)

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="b")

        details = AuditEntry.objects.get(action="execution.rerun").details
        assert details == {"as": str(again.pk), "from_node": "b", "iteration": ""}

    def test_another_input_is_what_the_trigger_put_out(self, worker):
        again = rerun(worker, first(worker, CHAIN), from_node="c", input={"x": 7})

        assert again.result == [1, 2, 7]
        trigger = again.node_runs.get(node_id="start")
        assert (trigger.output_data, trigger.is_edited) == ({"x": 7}, True)


class TestOutputs:
    def test_are_what_the_nodes_that_run_again_see(self, worker):
        again = rerun(worker, first(worker, CHAIN), from_node="b", outputs={"a": {"v": 40}})

        assert again.result == [40, 41, 0]
        edited = again.node_runs.get(node_id="a")
        assert (edited.is_edited, edited.status, edited.output_data) == (True, "completed", {"v": 40})
        assert edited.reused_from is not None

    def test_stand_in_for_a_node_that_failed(self, worker):
        failed = first(worker, CHAIN, "input.v + 1")

        again = carry(
            worker,
            services.rerun_execution(failed, by=None, now=timezone.now(), from_node="c", outputs={"b": {"v": 9}}),
        )

        assert (again.status, again.result) == ("completed", [1, 9, 0])

    def test_stand_in_for_a_node_that_never_ran(self, worker):
        failed = first(worker, CHAIN, "1")

        again = rerun(worker, failed, from_node="c", outputs={"a": {"v": 5}, "b": {"v": 6}})

        assert again.result == [5, 6, 0]
        assert ran(again) == ["c"]

    def test_do_not_change_what_is_taken_over_between(self, worker):
        again = rerun(worker, first(worker, CHAIN), from_node="c", outputs={"a": {"v": 40}})

        assert again.result == [40, 2, 0]

    def test_what_json_cannot_be_stored_is_stored_as_its_escapes(self, worker):
        again = rerun(worker, first(worker, CHAIN), from_node="c", outputs={"b": {"v": "\x00"}})

        assert again.result == [1, "\\u0000", 0]


class TestVersions:
    def published(self, execution, raw, number=2):
        version = VersionFactory(workflow=execution.workflow, number=number, definition=raw)
        type(execution.workflow).objects.filter(pk=execution.workflow_id).update(version=number)
        execution.workflow.refresh_from_db()
        return version

    def test_takes_over_on_the_newest_version_what_is_the_same_there(self, worker):
        failed = first(worker, CHAIN, "input.v + 1")
        mended = definition("start > a > b > c", a=value("1"), b=value("input.v + 10"), c=output("{{ input.v }}"))
        newest = self.published(failed, mended)

        again = rerun(worker, failed, from_node="b", newest=True)

        assert (again.workflow_version, again.result, reused(again)) == (newest, 11, ["start", "a"])

    def test_a_node_that_is_reached_otherwise_runs_with_what_comes_after_it(self, worker):
        execution = first(worker, CHAIN)
        longer = definition(
            "start > a > new > b > c", a=value("1"), new=value("5"), b=value("input.v + 1"), c=output("{{ input.v }}")
        )
        self.published(execution, longer)

        again = rerun(worker, execution, from_node="c", newest=True)

        assert (reused(again), ran(again)) == (["start", "a"], ["new", "b", "c"])
        assert again.result == 6

    def test_a_port_that_is_not_there_any_more_is_not_taken_over(self, worker):
        branching = definition(
            "start > check", "check.big > end", check=node("condition", {"cases": [{"port": "big", "when": True}]}),
            end=output("1"),
        )  # fmt: skip
        execution = first(worker, branching)
        renamed = definition(
            "start > check", "check.large > end", check=node("condition", {"cases": [{"port": "large", "when": True}]}),
            end=output("1"),
        )  # fmt: skip
        self.published(execution, renamed)

        again = rerun(worker, execution, from_node="end", newest=True)

        assert reused(again) == ["start"]
        assert again.status == "completed"

    def test_any_version_can_be_named_by_its_number(self, worker):
        execution = first(worker, CHAIN)
        self.published(execution, CHAIN, number=2)
        self.published(execution, CHAIN, number=3)

        again = services.rerun_execution(execution, by=None, now=timezone.now(), number=2)

        assert again.workflow_version.number == 2

    def test_the_input_must_fit_what_another_version_asks_for(self, worker):
        execution = first(worker, CHAIN)
        asking = CHAIN | {"inputs": {"type": "object", "required": ["x"]}}
        self.published(execution, asking)

        assert refused(execution, newest=True) == {("invalid_input", "/input")}

    def test_a_version_without_the_trigger_node_is_refused(self, worker):
        execution = first(worker, CHAIN)
        self.published(execution, definition("other > end", end=output("1")))

        assert refused(execution, newest=True) == {("unknown_trigger", "/version")}


class TestRefused:
    @pytest.mark.parametrize(
        ("asked", "problems"),
        [
            ({"number": 9}, {("unknown_version", "/version")}),
            ({"number": 1, "newest": True}, {("contradiction", "/newest")}),
            ({"iteration": "3"}, {("contradiction", "/iteration")}),
            ({"outputs": {"a": 1}}, {("contradiction", "/outputs")}),
            ({"from_node": "nope"}, {("unknown_node", "/from_node")}),
            ({"from_node": "b", "iteration": "0"}, {("invalid_iteration", "/iteration")}),
            ({"from_node": "b", "iteration": "01"}, {("invalid_iteration", "/iteration")}),
            ({"from_node": "b", "outputs": {"c": 1}}, {("not_upstream", "/outputs/c")}),
            ({"from_node": "b", "outputs": {"b": 1}}, {("not_upstream", "/outputs/b")}),
            ({"from_node": "b", "outputs": {"nope": 1}}, {("not_upstream", "/outputs/nope")}),
            ({"from_node": "b", "outputs": {"start": 1}}, {("trigger_output", "/outputs/start")}),
            (
                {"number": 1, "newest": True, "from_node": "b", "outputs": {"c": 1, "start": 1}},
                {("contradiction", "/newest"), ("not_upstream", "/outputs/c"), ("trigger_output", "/outputs/start")},
            ),
        ],
        ids=lambda value: str(sorted(value)) if isinstance(value, set) else str(value),
    )
    def test_with_all_problems_at_once(self, worker, asked, problems):
        assert refused(first(worker, CHAIN), **asked) == problems

    def test_outputs_that_are_too_large(self, worker, settings):
        execution = first(worker, CHAIN)
        settings.NODE_OUTPUT_MAX_BYTES = 100

        assert refused(execution, from_node="b", outputs={"a": "x" * 100}) == {("output_too_large", "/outputs/a")}

    def test_outputs_that_cannot_be_stored(self, worker):
        deep = []
        for _ in range(300):
            deep = [deep]

        assert refused(first(worker, CHAIN), from_node="b", outputs={"a": deep}) == {("not_storable", "/outputs/a")}

    def test_more_than_an_execution_may_hold(self, worker, settings):
        execution = first(worker, CHAIN)
        settings.EXECUTION_OUTPUT_MAX_BYTES = 10

        with pytest.raises(ExecutionTooLarge, match="an execution may hold 10"):
            services.rerun_execution(execution, by=None, now=timezone.now(), from_node="c")

        assert not execution.reruns.exists()

    def test_a_node_that_no_way_leads_to(self, worker):
        raw = definition("start > check", "check.yes > big", "check.else > small")

        assert refused(first(worker, raw), from_node="big") == {("never_reached", "/from_node")}

    def test_an_output_that_what_comes_before_it_would_make_again(self, worker):
        failed = first(worker, CHAIN, "1")

        assert refused(failed, from_node="c", outputs={"b": 1}) == {("not_taken_over", "/outputs/b")}

    def test_an_execution_of_which_nothing_ran(self, worker):
        execution = services.start_manually(
            WorkflowFactory(published=True, definition=CHAIN), input={}, by=None, now=timezone.now()
        )
        services.cancel_execution(execution, by=None, now=timezone.now())

        assert refused(execution, from_node="b") == {("never_ran", "/from_node")}

    def test_a_workflow_that_starts_nothing(self, worker):
        execution = first(worker, CHAIN)
        type(execution.workflow).objects.filter(pk=execution.workflow_id).update(status="disabled")
        execution = WorkflowExecution.objects.get(pk=execution.pk)

        with pytest.raises(NotRunnable):
            services.rerun_execution(execution, by=None, now=timezone.now(), from_node="b")

    def test_the_input_of_a_person_that_does_not_fit(self, worker):
        execution = first(worker, CHAIN | {"inputs": {"type": "object", "properties": {"x": {"type": "integer"}}}})

        assert refused(execution, input={"x": "seven"}) == {("invalid_input", "/input/x")}


LOOP = definition(
    "start > each > after > end",
    each=loop({"items": [10, 20, 30, 40]}, "x > y", x=value("item"), y=value("input.v + index")),
    after=value("nodes.y.output.map(each => each.v).join()"),
    end=output("{{ [input.v, nodes.each.output.results.length, nodes.each.output.count] }}"),
)
JOINED = "nodes.y.output.map(each => each.v).join()"


class TestAfterScope:
    def test_takes_a_scope_over_with_its_passes(self, worker):
        failed = first(worker, LOOP, JOINED)
        assert failed.status == "failed"

        again = rerun(worker, failed, from_node="after")

        assert again.result == ["10,21,32,43", 4, 4]
        assert ran(again) == ["after", "end"]
        assert len(reused(again)) == 2 + 4 * 2

    @pytest.mark.parametrize("scope", [loop, parallel])
    @pytest.mark.parametrize("place", [{"from_node": "end"}, {"from_node": "x", "iteration": "1"}])
    def test_copies_however_many_passes_in_as_many_queries(self, worker, scope, place):
        def queries(count):
            raw = definition(
                "start > each > end", each=scope({"items": list(range(count))}, "x", x=value("item")), end=output("1")
            )
            execution = first(worker, raw)
            with CaptureQueriesContext(connection) as captured:
                services.rerun_execution(execution, by=None, now=timezone.now(), **place)
            return len(captured)

        assert queries(2) == queries(20)


class TestInLoop:
    def test_goes_on_in_that_pass(self, worker):
        again = rerun(worker, first(worker, LOOP), from_node="y", iteration="2")

        assert again.result == ["10,21,32,43", 4, 4]
        assert sorted(reused(again)) == sorted(["start", "each", "x@0", "y@0", "x@1", "y@1", "x@2"])
        assert ran(again) == ["y@2", "x@3", "y@3", "after", "end"]

    def test_a_pass_begins_anew(self, worker):
        again = rerun(worker, first(worker, LOOP), from_node="each", iteration="1")

        assert sorted(reused(again)) == sorted(["start", "each", "x@0", "y@0"])
        assert again.result == ["10,21,32,43", 4, 4]

    def test_outputs_in_the_pass_and_around_it_can_be_edited(self, worker):
        raw = definition(
            "start > base > each > end",
            base=value("5"),
            each=loop({"items": [10, 20]}, "x > y", x=value("item"), y=value("input.v + nodes.base.output.v")),
            end=output("{{ input.results }}"),
        )
        execution = first(worker, raw)

        again = rerun(worker, execution, from_node="y", iteration="1", outputs={"x": {"v": 100}, "base": {"v": 1_000}})

        assert again.result == [{"v": 15}, {"v": 1_100}]

    def test_failures_that_were_noted_before_it_are_noted_again(self, worker):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2, 3], "on_item_error": "collect"}, "x > y", x=value("item"), y=value("input.v")),
            end=output("{{ input }}"),
        )
        raw["nodes"][2]["config"]["value"]["v"] = "{{ item == 1 ? null.x : item }}"
        execution = first(worker, raw)

        again = rerun(worker, execution, from_node="y", iteration="2")

        assert [error["index"] for error in again.result["errors"]] == [0]
        assert again.result["results"] == [None, {"v": 2}, {"v": 3}]

    @pytest.mark.parametrize("iteration", ["", "2.0", "x"])
    def test_a_node_in_a_scope_needs_the_pass(self, worker, iteration):
        assert refused(first(worker, LOOP), from_node="y", iteration=iteration) == {("invalid_iteration", "/iteration")}

    def test_a_pass_that_never_began_is_refused(self, worker):
        assert refused(first(worker, LOOP), from_node="y", iteration="4") == {("unknown_pass", "/iteration")}

    def test_a_scope_that_is_another_one_in_that_version_is_refused(self, worker):
        execution = first(worker, LOOP)
        raw = definition("start > each > end", each=loop({"items": [1]}, "x > y"), end=output("1"))
        VersionFactory(workflow=execution.workflow, number=2, definition=raw)

        assert refused(execution, number=2, from_node="y", iteration="0") == {("scope_changed", "/iteration")}

    def test_a_scope_whose_predecessor_runs_again_is_refused(self, worker):
        execution = first(worker, LOOP)
        raw = definition("start > new > each > after > end", **{
            key: {name: item for name, item in found.items() if name != "id"}
            for found in LOOP["nodes"] if (key := found["id"]) not in ("start",)
        })  # fmt: skip
        raw["edges"] += [edge for edge in LOOP["edges"] if edge["source"] == "x"]
        VersionFactory(workflow=execution.workflow, number=2, definition=raw)

        assert refused(execution, number=2, from_node="y", iteration="0") == {("not_ready", "/iteration")}


ADDING = definition(
    "start > sum > end",
    sum=loop(
        {"items": [1, 2, 3], "accumulator": {"initial": 100, "next": "{{ accumulator + nodes.add.output.v }}"}},
        "add",
        add=value("item"),
    ),
    end=output("{{ input.accumulator }}"),
)


class TestAccumulator:
    def test_that_of_the_first_pass_is_the_initial_one(self, worker):
        assert rerun(worker, first(worker, ADDING), from_node="add", iteration="0").result == 106

    def test_that_of_a_last_pass_that_failed_is_recorded(self, worker):
        raw = definition(
            "start > sum > end",
            sum=loop(
                {"items": [1, 2, 3], "accumulator": {"initial": 100, "next": "{{ accumulator + nodes.add.output.v }}"}},
                "add",
                add=value("index == 1 ? vars.TWO.v : item"),
            ),
            end=output("{{ input.accumulator }}"),
        )
        workflow = WorkflowFactory(published=True, definition=raw)
        bad(workflow)
        workflows.set_variable(workflow, "TWO", value=None, by=None, now=timezone.now())
        failed = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))
        assert failed.status == "failed"
        workflows.set_variable(workflow, "TWO", value={"v": 2}, by=None, now=timezone.now())

        assert rerun(worker, failed, from_node="add", iteration="1").result == 106

    def test_that_of_a_pass_in_between_is_not_known(self, worker):
        assert refused(first(worker, ADDING), from_node="add", iteration="1") == {("accumulator_unknown", "/iteration")}


def at_once(config, *broken):
    """A parallel over five items, of which some fail as long as ``vars.BAD`` says so."""
    template = f"{{{{ {list(broken)}.includes(item) && vars.BAD.length ? null.x : item }}}}"
    body = node("transform", {"value": {"v": template}, "steps": [{"operation": "keep", "fields": ["v"]}]})
    return definition(
        "start > each > end",
        each=parallel({"items": [0, 1, 2, 3, 4], "on_item_error": "collect", **config}, "x > y", y=body, x=value("item")),
        end=output("{{ [input.results.map(each => each?.v ?? null), input.errors.length] }}"),
    )  # fmt: skip


class TestInParallel:
    def test_the_passes_that_succeeded_are_taken_over_and_those_that_failed_run_again(self, worker):
        execution = first(worker, at_once({}, 1, 4), "on")
        assert execution.result == [[0, None, 2, 3, None], 2]

        again = rerun(worker, execution, from_node="y", iteration="1")

        assert again.result == [[0, 1, 2, 3, 4], 0]
        assert sorted(ran(again)) == ["end", "x@4", "y@1", "y@4"]

    def test_no_more_run_at_once_than_may(self, worker):
        execution = first(worker, at_once({"max_concurrent": 2}, 0, 1, 2, 3, 4), "on")

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="each", iteration="1")

        state = again.node_runs.get(node_id="each").state
        assert (state["open"], state["again"], state["next"]) == ([1], [0, 2, 3, 4], 5)
        bad(execution.workflow)
        assert carry(worker, again).result == [[0, 1, 2, 3, 4], 0]

    def test_a_pass_without_which_it_is_done_already_is_refused(self, worker):
        execution = first(worker, at_once({"done_when": "any"}))

        (succeeded,) = [index for index, found in enumerate(execution.result[0]) if found is not None][:1]
        other = (succeeded + 1) % 5
        assert refused(execution, from_node="each", iteration=str(other)) == {("enough_succeeded", "/iteration")}

    def test_of_branches_the_others_are_taken_over(self, worker):
        raw = definition(
            "start > both > end",
            both=parallel({}, "a > b", "c", a=value("1"), b=value("input.v + 1"), c=value("3")),
            end=output("{{ [nodes.b.output.v, nodes.c.output.v] }}"),
        )
        execution = first(worker, raw)

        again = rerun(worker, execution, from_node="b", iteration="0")

        assert again.result == [2, 3]
        assert ran(again) == ["b@0", "end"]


class TestInNestedScopes:
    RAW = definition(
        "start > outer > end",
        outer=loop(
            {"items": [[1, 2], [3, 4]]},
            "pre > inner > post",
            pre=value("index"),
            inner=parallel({"items": "{{ item }}"}, "x > y", x=value("item"), y=value("input.v * 10")),
            post=value("nodes.inner.output.results.map(each => each.v).join('+')"),
        ),
        end=output("{{ [input.results.map(each => each.v), nodes.y.output.map(row => row.map(each => each.v))] }}"),
    )

    def test_each_scope_around_goes_on_in_its_pass(self, worker):
        again = rerun(worker, first(worker, self.RAW), from_node="y", iteration="1.0")

        assert again.result == [["10+20", "30+40"], [[10, 20], [30, 40]]]
        assert ran(again) == ["y@1.0", "post@1", "end"]
        assert {"inner@0", "x@0.1", "pre@1", "inner@1", "x@1.0", "x@1.1", "y@1.1"} <= set(reused(again))

    def test_a_scope_in_a_pass_runs_anew_as_a_whole(self, worker):
        again = rerun(worker, first(worker, self.RAW), from_node="inner", iteration="1")

        assert again.result == [["10+20", "30+40"], [[10, 20], [30, 40]]]
        assert not {run for run in reused(again) if "@1." in run}
        assert "pre@1" in reused(again)


class TestSkipped:
    def test_nothing_is_copied_into_a_rerun_that_has_ended_as_it_began(self, worker, monkeypatch):
        """A limit on concurrency may skip it."""
        execution = first(worker, CHAIN)
        from executions.services import rerunning

        started = rerunning.start_execution

        def skipped(*args, **named):
            again = started(*args, **named)
            services.cancel_execution(again, by=None, now=timezone.now())
            return again

        monkeypatch.setattr(rerunning, "start_execution", skipped)

        again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="b")

        assert not again.node_runs.exists()


class TestCleanUp:
    def test_passes_by_what_is_being_taken_over(self, worker):
        if not connection.features.has_select_for_update_skip_locked:
            pytest.skip("SQLite's transactions are alone.")
        execution = first(worker, CHAIN)
        long_after = timezone.now() + timedelta(days=31)

        with transaction.atomic():
            again = services.rerun_execution(execution, by=None, now=timezone.now(), from_node="b")
            beside(lambda: retention.clean_up(days=30, now=long_after, batch=10)).join()

        assert WorkflowExecution.objects.filter(pk=execution.pk).exists()
        assert reused(again) == ["start", "a"]

    def test_of_a_moment_ago_is_said(self, worker):
        execution = first(worker, CHAIN)
        retention.clean_up(days=30, now=timezone.now() + timedelta(days=31), batch=10)

        with pytest.raises(NotFound, match="was removed"):
            services.rerun_execution(execution, by=None, now=timezone.now())
