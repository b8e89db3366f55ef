"""Outputs too large for their rows: they go to the storage, and come back wherever they are used."""

from __future__ import annotations

import json

import orjson
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug import Response

from executions import invariants, links, services
from executions.engine.clock import database_now
from executions.engine.ending import end_execution
from executions.engine.worker import Worker
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.outputs import files
from executions.outputs.removal import ORPHAN_AGE, remove_orphans
from executions.services.links import Call, find_callback, take_call
from tests.builders import definition, loop, node, parallel
from tests.executions.engine.carrying import carry, hurry, start
from tests.executions.engine.carrying import httpserver as httpserver
from tests.executions.engine.carrying import worker as worker
from tests.executions.outgoing.test_limits import HOST, calling
from tests.executions.outputs.storages import AwayStorage, RefusingStorage, change, folder, forget, lose, stored, use
from tests.executions.outputs.storages import storage as storage
from tests.factories import OutgoingLimitFactory, ProjectFactory, WorkflowFactory
from tests.triggers.stories import hook_of, published, webhook
from tests.triggers.webhooks.senders import send
from workflows import services as workflows
from workflows.models import TriggerType

__all__ = ["folder"]

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "x" * 600
LARGE = {"text": TEXT, "n": 7}
NAP = node("delay", {"for_seconds": 600})


@pytest.fixture(autouse=True)
def _small_rows(settings):
    """What is beyond 500 bytes is large. Whatever a test does, nothing may be left that breaks an invariant."""
    settings.NODE_OUTPUT_INLINE_MAX_BYTES = 500
    forget()


def just(value, **policies):
    """A node that puts out just a value."""
    return node("transform", {"value": [value], "steps": [{"operation": "limit", "count": 1}]}, **policies)


def output(value="{{ input }}", **config):
    return node("output", {"value": value, **config})


def run_of(execution, node_id, **more):
    return WorkflowExecutionLog.objects.get(execution=execution, node_id=node_id, **more)


def result_of(execution):
    """Return the result as a process reads it that has not seen it before."""
    assert execution.status == "completed", execution.error
    forget()
    return services.result_of(execution)


def asleep(worker, execution):
    """Let a worker work until the execution sleeps, and then nobody know anything of it."""
    worker.work()
    execution.refresh_from_db()
    assert execution.lease_owner is None
    forget()
    return execution


def go_on(worker, execution):
    hurry(execution)
    return carry(worker, execution)


def broken():
    return [rule.name for rule, ids in invariants.check_all(database_now()) if ids]


class TestWhereItGoes:
    def test_the_row_names_a_file_and_holds_nothing_of_it(self, worker, storage):
        execution = carry(worker, start(definition("start > end", end=output()), LARGE))

        run = run_of(execution, "start")
        assert run.output_data is None
        assert run.file.size == len(orjson.dumps(LARGE))
        assert run.file.name in stored()
        assert services.output_of(run) == LARGE
        assert broken() == []

    @pytest.mark.parametrize(("over", "is_file"), [(0, False), (1, True)])
    def test_up_to_the_setting_it_stays_in_the_row(self, worker, storage, settings, over, is_file):
        settings.NODE_OUTPUT_INLINE_MAX_BYTES = len(orjson.dumps(LARGE)) - over

        execution = carry(worker, start(definition("start"), LARGE))

        run = run_of(execution, "start")
        assert ((run.output_data is None), (run.output_file is not None)) == (is_file, is_file)
        assert services.output_of(run) == LARGE

    def test_the_result_of_the_execution_stays_with_its_output_node(self, worker, storage):
        execution = carry(worker, start(definition("start > end", end=output("{{ input }}")), LARGE))

        assert (execution.result, execution.result_in) == (None, run_of(execution, "end").pk)
        assert result_of(execution) == LARGE

    def test_a_small_result_of_large_outputs_is_in_the_execution(self, worker, storage):
        execution = carry(worker, start(definition("start > end", end=output("{{ input.n }}")), LARGE))

        assert (execution.result, execution.result_in) == (7, None)

    def test_a_small_output_costs_no_query_and_no_file(self, worker, folder, settings):
        def queries():
            execution = start(definition("start > one > end", one=just("{{ input }}"), end=output()), {"n": 1})
            with CaptureQueriesContext(
                connection,
            ) as captured:
                carry(worker, execution)
            return [each["sql"].split(" ")[0] for each in captured]

        queries()  # What is known of the version from now on.
        few = queries()
        settings.NODE_OUTPUT_INLINE_MAX_BYTES = 10**9

        assert queries() == few
        assert stored() == []

    def test_secrets_are_masked_in_the_file_too(self, worker, folder, httpserver):
        httpserver.expect_request("/").respond_with_json({"told": f"s3cr3t-of-mine {TEXT}"})
        ask = node(
            "tool",
            {
                "tool": "http.request",
                "with": {"url": httpserver.url_for("/"), "headers": {"X-Key": "{{ secret('KEY') }}"}},
            },
        )
        workflow = WorkflowFactory(published=True, definition=definition("start > ask", ask=ask))
        workflows.set_variable(workflow, "KEY", value="s3cr3t-of-mine", is_secret=True, by=None, now=timezone.now())
        execution = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))

        (name,) = stored()
        data = (folder / name).read_bytes()
        assert execution.status == "completed"
        assert TEXT.encode() in data
        assert b"s3cr3t" not in data

    def test_beyond_the_hard_limit_the_node_fails_and_nothing_is_written(self, worker, folder, settings):
        settings.NODE_OUTPUT_MAX_BYTES = 600

        execution = carry(worker, start(definition("start"), LARGE))

        assert execution.error["code"] == "output_too_large"
        assert stored() == []

    def test_it_counts_among_the_outputs_of_the_execution(self, worker, folder, settings):
        settings.EXECUTION_OUTPUT_MAX_BYTES = 1000

        execution = carry(worker, start(definition("start > again > end", again=just("{{ input }}")), LARGE))

        assert (execution.error["code"], execution.error["node_id"]) == ("execution_too_large", "again")

    def test_a_storage_that_does_not_take_it_fails_the_node_and_says_what_to_do(
        self, worker, settings, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(files, "PATIENCE", (0.0,))
        use(settings, tmp_path, RefusingStorage)
        RefusingStorage.refusals = 100

        execution = carry(worker, start(definition("start"), LARGE))

        RefusingStorage.refusals = 0
        assert (execution.error["code"], execution.error.get("attempts", 1)) == ("output_not_kept", 1)
        assert "STORAGE_BACKEND" in execution.error["message"]


class TestInPlace:
    def accept(self, workflow, value):
        version = services.newest_version(workflow)
        return services.start_execution(
            version, kind=TriggerType.MANUAL, node_id="start", payload=value, now=timezone.now(), in_place=True
        )

    def test_it_is_written_before_the_commit_that_accepts(self, storage):
        execution = self.accept(workflow_of(definition("start > end", end=output())), LARGE)

        execution.refresh_from_db()
        assert result_of(execution) == LARGE

    def test_what_an_undone_acceptance_has_written_is_removed_in_time(self, folder):
        workflow = workflow_of(definition("start > end", end=output()))
        with transaction.atomic():
            self.accept(workflow, LARGE)
            transaction.set_rollback(True)

        assert len(stored()) == 2
        assert remove_orphans(now=database_now()) == 0
        assert remove_orphans(now=database_now() + 3 * ORPHAN_AGE) == 2
        assert stored() == []


def workflow_of(raw):
    return WorkflowFactory(published=True, definition=raw)


class TestWhereItComesBack:
    def test_as_the_next_nodes_input_in_expressions_and_over_edges(self, worker, storage):
        raw = definition(
            "start > nap > look > end",
            nap=NAP,
            look=just("{{ [input.n, nodes.start.output.text.length, trigger.n] }}"),
            end=output("{{ [input[0], nodes.nap.output.n] }}"),
        )
        execution = asleep(worker, start(raw, LARGE))

        go_on(worker, execution)

        assert result_of(execution) == [[7, 600, 7], 7]

    def test_through_an_edges_transform(self, worker, storage):
        raw = definition("start > nap > end", nap=NAP, end=output())
        raw["edges"][1] |= {"type": "processed_data", "transform": "{{ {n: input.n, text: input.text} }}"}
        execution = asleep(worker, start(raw, LARGE))

        assert result_of(go_on(worker, execution)) == LARGE

    def test_joined_with_others(self, worker, storage):
        raw = definition("start > one > both", "start > nap > both", one=just("{{ input }}"), nap=NAP, both=output())
        execution = asleep(worker, start(raw, LARGE))

        assert result_of(go_on(worker, execution)) == {"one": [LARGE], "nap": LARGE}

    def test_handed_on_by_a_node_that_is_disabled(self, worker, storage):
        raw = definition("start > off > end", off=just("{{ 1 }}", disabled=True), end=output())

        execution = carry(worker, start(raw, LARGE))

        assert run_of(execution, "off").output_file is not None
        assert result_of(execution) == LARGE

    def test_from_a_node_that_slept_without_being_read_or_written_again(self, worker, storage):
        execution = asleep(worker, start(definition("start > nap > end", nap=NAP, end=output("{{ 1 }}")), LARGE))
        name = run_of(execution, "nap").output_file

        go_on(worker, execution)

        assert run_of(execution, "nap").output_file == name
        assert execution.status == "completed"

    def test_as_the_items_and_the_input_of_a_loop(self, worker, storage):
        raw = definition(
            "start > each > end",
            each=loop(
                {"items": "{{ input.list }}"},
                "nap > size",
                nap=NAP,
                size=just("{{ item.text.length + nodes.start.output.n }}"),
            ),
            end=output("{{ input.results }}"),
        )
        execution = asleep(worker, start(raw, {"list": [LARGE, {"text": "y"}], "n": 1}))

        for _ in range(2):
            go_on(worker, execution)

        assert result_of(execution) == [[601], [2]]

    def test_of_megabytes_wherever_a_path_names_it(self, worker, folder):
        """What an expression computes has a lower limit than what it hands on."""
        orders = "return Array.from({length: 2000}, (_, n) => ({n, note: 'x'.repeat(1000)}))"
        raw = definition(
            "start > make > each > merged > end",
            make=node("transform", {"steps": [{"operation": "script", "code": orders}]}),
            each=loop(
                {"items": "{{ nodes.make.output }}", "batch_size": 500},
                "first",
                first=node("transform", {"value": "{{ item }}", "steps": [{"operation": "keep", "fields": ["n"]}]}),
            ),
            merged=node(
                "transform",
                {
                    "value": "{{ nodes.make.output }}",
                    "steps": [{"operation": "merge", "how": "by_key", "key": ["n"], "with": "{{ nodes.make.output }}"}],
                },
            ),
            end=output(),
        )

        execution = carry(worker, start(raw))

        assert [len(batch) for batch in services.output_of(run_of(execution, "each"))["results"]] == [500] * 4
        assert [item["n"] for item in result_of(execution)] == list(range(2000))

    def test_as_the_results_of_passes_that_other_workers_ended(self, worker, storage):
        raw = definition(
            "start > each > end",
            each=loop({"items": [1, 2, 3]}, "big > nap", big=just("{{ nodes.start.output.text + item }}"), nap=NAP),
            end=output("{{ [input.results, nodes.big.output] }}"),
        )
        execution = start(raw, LARGE)
        while not execution.has_ended:
            other = Worker()
            other.work()
            other.close()
            forget()
            execution.refresh_from_db()
            hurry(execution)

        texts = [[f"{TEXT}{number}"] for number in (1, 2, 3)]
        assert result_of(execution) == [texts, texts]
        assert run_of(execution, "each").output_file is not None
        assert broken() == []

    def test_as_the_input_of_branches_that_are_resumed(self, worker, storage):
        raw = definition(
            "start > both > end",
            both=parallel(
                {}, "one > look", "two", one=NAP, look=just("{{ input.n }}"), two=just("{{ input.text.length }}")
            ),
            end=output("{{ input.results }}"),
        )
        execution = asleep(worker, start(raw, LARGE))

        assert result_of(go_on(worker, execution)) == [[7], [600]]

    def test_as_the_result_of_a_sub_workflow(self, worker, storage):
        project = ProjectFactory()
        WorkflowFactory(
            published=True, project=project, name="child", definition=definition("start > end", end=output())
        )
        run = node("tool", {"tool": "workflow.run", "with": {"workflow": "child", "input": "{{ input }}"}})
        parent = WorkflowFactory(
            published=True,
            project=project,
            definition=definition("start > run > end", run=run, end=output("{{ input.result.text }}")),
        )
        execution = services.start_manually(parent, input=LARGE, by=None, now=timezone.now())

        carry(worker, execution)

        answer = run_of(execution, "run").answer
        assert TEXT not in json.dumps(answer)
        assert result_of(execution) == TEXT
        assert run_of(execution, "run").output_file not in {
            run_of(WorkflowExecution.objects.get(parent=execution), "end").output_file
        }

    def test_as_what_a_call_brings(self, worker, storage):
        ask = node("webhook", {"action": "wait"})
        execution = asleep(worker, start(definition("start > ask > end", ask=ask, end=output("{{ input.body }}"))))
        link = find_callback(links.token_of(links.Place(execution.pk, "ask", "")))
        take_call(link, Call("POST", {}, {}, LARGE, "a", timezone.now()))

        carry(worker, execution)

        assert run_of(execution, "ask").output_file is not None
        assert result_of(execution) == LARGE

    def test_as_a_pinned_output(self, worker, storage):
        raw = definition("start > big > end", big={**just("{{ 1 }}"), "pin": {"output": LARGE}}, end=output())
        workflow = WorkflowFactory(definition=raw)

        execution = carry(worker, services.start_test(workflow, asker=services.Asker(), now=timezone.now()))

        assert run_of(execution, "big").is_pinned
        assert result_of(execution) == LARGE

    def test_as_what_a_node_had_before_it_was_put_off(self, worker, storage, httpserver, settings):
        settings.NODE_OUTPUT_INLINE_MAX_BYTES = 1000

        def answer(request):
            page = int(request.args["page"])
            return Response(json.dumps([f"{page}{TEXT}"] if page < 5 else []), content_type="application/json")

        httpserver.expect_request("/").respond_with_handler(answer)
        project = ProjectFactory()
        OutgoingLimitFactory(project=project, host=HOST, per_minute=20, burst=2)
        workflow = WorkflowFactory(
            published=True, project=project, definition=calling(httpserver.url_for("/"), pagination={"type": "page"})
        )
        execution = asleep(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))
        call = run_of(execution, "call")
        first = call.output_file
        assert (call.output_data["kept"], first in stored()) == (None, True)
        assert "`call` for its turn among the 20 calls" in execution.blocked_detail

        carry(worker, execution)

        assert [each[0] for each in result_of(execution)] == ["1", "2", "3", "4"]
        assert [request.args["page"] for request, _ in httpserver.log] == ["1", "2", "3", "4", "5"]
        assert first not in stored()
        assert stored() == sorted(
            WorkflowExecutionLog.objects.filter(output_file__isnull=False).values_list("output_file", flat=True)
        )

    @pytest.mark.parametrize("respond", ["finished", "node"])
    def test_as_the_answer_of_a_webhook(self, storage, respond):
        nodes = (
            {"say": node("webhook", {"action": "respond", "value": "{{ input.body }}"})} if respond == "node" else {}
        )
        raw = definition(
            "hook > say > end" if nodes else "hook > end",
            hook=webhook(respond=respond, response_timeout_seconds=20),
            **nodes,
            end=output("{{ trigger.body }}"),
        )

        response = send(hook_of(published(raw)), LARGE)

        assert (response.status_code, response.json()) == (200, LARGE)

    def test_a_webhook_whose_answer_is_lost_tells_where_the_execution_is(self, folder, monkeypatch):
        raw = definition(
            "hook > end",
            hook=webhook(respond="finished", response_timeout_seconds=20),
            end=output("{{ trigger.body }}"),
        )
        monkeypatch.setattr("executions.engine.holds.end_execution", _losing)

        response = send(hook_of(published(raw)), LARGE)

        assert response.status_code == 202
        assert "outputs/" not in response.content.decode()

    def test_one_too_large_for_expressions_fails_with_the_error_of_those(self, worker, folder, settings):
        settings.NODE_OUTPUT_INLINE_MAX_BYTES = 256 * 1024
        raw = definition("start > end", end=output("{{ input.text.length }}"))

        execution = carry(worker, start(raw, {"text": "x" * 6_000_000}))

        assert execution.error["code"] == "too_large"
        assert "5,242,880 are allowed" in execution.error["message"]

    @hypothesis_settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    @given(
        value=st.dictionaries(
            st.text(max_size=5),
            st.recursive(
                st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=400),
                lambda each: st.lists(each, max_size=4),
            ),
            max_size=5,
        )
    )
    def test_whatever_goes_in_comes_out(self, worker, folder, value):
        execution = carry(
            worker, start(definition("start > nap > end", nap=node("delay", {"for_seconds": 0}), end=output()), value)
        )

        assert result_of(execution) == execution.execution_context["trigger"]


def _losing(*arguments, **more):
    """End an execution, and lose what it had."""
    end_execution(*arguments, **more)
    for name in stored():
        lose(name)


class TestLostAndChanged:
    @pytest.mark.parametrize(
        ("spoil", "says"), [(lose, "is not there any more"), (change, "does not hold any more what was written")]
    )
    def test_fails_the_node_that_needs_it_and_names_node_file_and_what_to_do(self, worker, storage, spoil, says):
        raw = definition("start > nap > look", nap=NAP, look=just("{{ input.n }}"))
        execution = asleep(worker, start(raw, LARGE))
        name = run_of(execution, "nap").output_file
        spoil(name)

        go_on(worker, execution)

        assert (execution.error["code"], execution.error["node_id"]) == ("output_lost", "look")
        message = execution.error["message"]
        assert f"The output of node `nap` lies in the storage's file {name}, which {says}." in message
        assert "run the execution again from `nap`" in message

    def test_is_no_matter_for_nodes_that_do_not_need_it(self, worker, storage):
        raw = definition("start > one > nap > end", one=just("{{ 1 }}"), nap=NAP, end=output("{{ nodes.one.output }}"))
        execution = asleep(worker, start(raw, LARGE))
        lose(run_of(execution, "start").output_file)

        assert result_of(go_on(worker, execution)) == [1]

    def test_can_be_caught_by_the_error_port(self, worker, storage):
        raw = definition(
            "start > nap > look",
            "look.error > end",
            nap=NAP,
            look=just("{{ input.n }}", on_error="port"),
            end=output("{{ input.error.code }}"),
        )
        execution = asleep(worker, start(raw, LARGE))
        lose(run_of(execution, "nap").output_file)

        assert result_of(go_on(worker, execution)) == "output_lost"

    def test_fails_a_scope_whose_input_it_was(self, worker, storage):
        raw = definition("start > both", both=parallel({}, "one", "two", one=NAP, two=NAP))
        execution = asleep(worker, start(raw, LARGE))
        lose(run_of(execution, "start").output_file)

        go_on(worker, execution)

        assert (execution.error["code"], execution.error["node_id"]) == ("output_lost", "both")
        assert broken() == ["file_is_there"]

    def test_fails_a_scope_whose_result_it_was(self, worker, storage):
        raw = definition("start > each", each=loop({"items": [1, 2]}, "nap", nap=node("delay", {"for_seconds": 600})))
        raw["nodes"][1]["config"]["items"] = "{{ [input, input] }}"
        execution = asleep(worker, start(raw, LARGE))
        hurry(execution)
        asleep(worker, execution)
        lose(run_of(execution, "nap", iteration="0").output_file)

        other = Worker()
        go_on(other, execution)
        other.close()

        assert (execution.error["code"], execution.error["node_id"]) == ("output_lost", "each")

    def test_a_storage_that_is_away_for_a_moment_costs_an_attempt(self, worker, settings, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "PATIENCE", ())
        use(settings, tmp_path, AwayStorage)
        raw = definition("start > nap > look", nap=NAP, look=just("{{ input.n }}", retry={"max_attempts": 2}))
        execution = asleep(worker, start(raw, LARGE))
        AwayStorage.refusals = 1

        go_on(worker, execution)

        assert execution.status == "completed"
        assert run_of(execution, "look", attempt=1).error["code"] == "storage_failed"


class TestLeaseLost:
    def test_what_was_written_for_nothing_is_removed_once_its_execution_has_ended(self, worker, folder):
        execution = asleep(worker, start(definition("start > nap > end", nap=NAP, end=output()), LARGE))
        orphan = files.write(LARGE, project_id=execution.project_id, execution_id=execution.pk, now=database_now())
        later = database_now() + 3 * ORPHAN_AGE

        assert remove_orphans(now=later) == 0  # A worker may still commit it.
        go_on(worker, execution)
        assert remove_orphans(now=later) == 1

        assert orphan.name not in stored()
        assert result_of(execution) == LARGE
        assert broken() == []
