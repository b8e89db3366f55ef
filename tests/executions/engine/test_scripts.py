"""Transforms in the engine: where scripts run, what they see, and where the key of an HMAC is not."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from django.utils import timezone

from executions import services
from executions.engine.versions import compile_version
from executions.models import WorkflowExecutionLog
from tests.builders import definition, loop, node
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from tests.factories import WorkflowFactory
from workflows import services as workflows
from workflows.nodes.base import Effect

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "hunter2-hunter2-hunter2"


def script(code, **more):
    return node("transform", {"steps": [{"operation": "script", "code": code, **more}]})


def scripted(code, **more):
    return definition(
        "start > first", "first > it", first=script("return {n: items[0].n + 1}"), it=script(code, **more)
    )


class TestScript:
    def test_sees_what_expressions_see(self, worker):
        code = (
            "const {n} = nodes.first.output;\n"
            "return {n, input, trigger, items, version: workflow.version, id: execution.id.length, at: typeof now()}"
        )

        execution = carry(worker, start(scripted(code), {"n": 1}))

        assert execution.status == "completed", execution.error
        assert execution.node_runs.get(node_id="it").output_data == {
            "n": 2,
            "input": {"n": 2},
            "trigger": {"n": 1},
            "items": [{"n": 2}],
            "version": 1,
            "id": 36,
            "at": "string",
        }

    def test_sees_variables(self, worker):
        workflow = WorkflowFactory(
            published=True, definition=definition("start > it", it=script("return vars.RATE + '!'"))
        )
        workflows.set_variable(workflow, "RATE", value="7", is_secret=False, by=None, now=timezone.now())

        execution = carry(worker, services.start_manually(workflow, input={}, by=None, now=timezone.now()))

        assert execution.node_runs.get(node_id="it").output_data == "7!"

    def test_in_a_loop_sees_its_own_items_and_the_pass(self, worker):
        code = "return {item, index, pass: scopes.each.item, number: scopes.each.index}"
        raw = definition(
            "start > each",
            each=loop({"items": "{{ trigger.list }}"}, inside=script(code, for_each=True)),
        )

        execution = carry(worker, start(raw, {"list": [[5, 6]]}))

        assert execution.status == "completed", execution.error
        assert execution.node_runs.get(node_id="inside").output_data == [
            {"item": 5, "index": 0, "pass": [5, 6], "number": 0},
            {"item": 6, "index": 1, "pass": [5, 6], "number": 0},
        ]

    def test_that_fails_names_its_line(self, worker):
        execution = carry(worker, start(scripted("const a = 1;\nthrow new Error('no stock')"), {"n": 1}))

        assert (execution.status, execution.error["code"]) == ("failed", "threw")
        assert execution.error["message"].startswith("Node `it` failed: Step 1 (`script`): Line 2, column")
        details = execution.node_runs.get(node_id="it").error["details"]
        assert (details["line"], details["path"]) == (2, "/steps/0")

    def test_that_does_not_end_is_ended_and_the_worker_goes_on(self, worker):
        endless = start(scripted("for (;;);"), {"n": 1})

        assert carry(worker, endless, seconds=30).error["code"] == "time_limit"
        assert carry(worker, start(scripted("return 1"), {"n": 1})).status == "completed"

    def test_runs_in_the_pool_and_not_where_everything_waits_for_it(self):
        version = compile_version(WorkflowFactory(published=True, definition=scripted("return 1")).versions.get())

        assert version.nodes["it"].effect is Effect.READ
        assert not version.is_pure

    def test_takes_its_braces_for_its_own(self, worker):
        execution = carry(
            worker, start(scripted("if (items) {{ const a = {b: {c: 1}}; return `${a.b.c}{{ x }}` }}"), {"n": 1})
        )

        assert execution.node_runs.get(node_id="it").output_data == "1{{ x }}"


class TestHmac:
    def run(self, worker, **step):
        raw = definition(
            "start > sign",
            sign=node(
                "transform",
                {
                    "steps": [
                        {
                            "operation": "hash",
                            "field": "body",
                            "into": "signature",
                            "key": "{{ secret('KEY') }}",
                            **step,
                        }
                    ]
                },
            ),
        )
        workflow = WorkflowFactory(published=True, definition=raw)
        workflows.set_variable(workflow, "KEY", value=KEY, is_secret=True, by=None, now=timezone.now())
        return carry(worker, services.start_manually(workflow, input={"body": "hello"}, by=None, now=timezone.now()))

    def test_is_made_with_a_secret_that_is_recorded_nowhere(self, worker):
        """[S-SEC-4]"""
        execution = self.run(worker)

        expected = hmac.new(KEY.encode(), b"hello", hashlib.sha256).hexdigest()
        assert execution.node_runs.get(node_id="sign").output_data == {"body": "hello", "signature": expected}
        recorded = str(list(WorkflowExecutionLog.objects.values())) + str(execution.result)
        assert KEY not in recorded
        assert "⟦secret:KEY:" not in recorded

    def test_that_fails_tells_nothing_of_its_key(self, worker):
        execution = self.run(worker, key_encoded="hex")

        assert (execution.status, execution.error["code"]) == ("failed", "invalid_encoding")
        assert "hunter" not in str(list(WorkflowExecutionLog.objects.values())) + str(execution.error)
