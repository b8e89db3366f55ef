"""Answers that a node gives while the execution goes on."""

from __future__ import annotations

import pytest
from django.utils import timezone

from executions import services
from executions.models import WorkflowExecution, WorkflowExecutionLog
from executions.waiting import wait_for_answer
from tests.builders import definition, loop, node
from tests.executions.engine.carrying import carry
from tests.executions.engine.carrying import worker as worker
from tests.threads import at_once, beside
from tests.triggers.stories import hook_of, published, webhook
from tests.triggers.webhooks.senders import send
from workflows.models import TriggerType

pytestmark = pytest.mark.django_db(transaction=True)

NAP = node("delay", {"for_seconds": 600})
END = node("output", {"value": "the end"})


def respond(value="{{ input.body }}", **config):
    return node("webhook", {"action": "respond", "value": value, **config})


def a_hook(*ways, respond="node", **nodes):
    trigger = webhook(respond=respond, response_timeout_seconds=nodes.pop("seconds", 20))
    return hook_of(published(definition(*ways, hook=trigger, **nodes)))


def outputs(node_id):
    return [
        row.output_data for row in WorkflowExecutionLog.objects.filter(node_id=node_id).order_by("started_at", "id")
    ]


class TestInPlace:
    def test_answers_with_the_acceptance_while_the_execution_sleeps(self):
        hook = a_hook("hook > say > nap > end", say=respond(), nap=NAP, end=END)

        response = send(hook, {"a": 1})

        execution = WorkflowExecution.objects.get()
        assert (response.status_code, response.json()) == (200, {"a": 1})
        assert (execution.status, execution.blocked_on) == ("running", "timer")
        assert execution.answered_by == WorkflowExecutionLog.objects.get(node_id="say").pk

    def test_answers_instead_of_the_output_node_where_the_execution_has_ended_too(self):
        hook = a_hook("hook > say > end", say=respond(), end=END)

        assert send(hook, {"a": 1}).json() == {"a": 1}
        assert WorkflowExecution.objects.get().result == "the end"

    def test_answers_with_bytes(self):
        say = respond("{{ input.body.file }}", encoded="base64", headers={"Content-Type": "application/zip"})

        response = send(a_hook("hook > say > nap", say=say, nap=NAP), {"file": "UEsDBA"})

        assert (response.content, response["Content-Type"]) == (b"PK\x03\x04", "application/zip")

    def test_says_status_headers_and_content_type(self):
        say = respond("{{ input.body.text }}", status=202, headers={"X-Order": "7", "Content-Type": "text/plain"})

        response = send(a_hook("hook > say > nap", say=say, nap=NAP), {"text": "hello"})

        assert (response.status_code, response["X-Order"], response.content) == (202, "7", b"hello")
        assert response["Content-Type"] == "text/plain"

    def test_is_sealed_as_every_answer(self):
        """S-WH-11, S-UI-2"""
        say = respond(headers={"Access-Control-Allow-Credentials": "true"})

        response = send(a_hook("hook > say > nap", say=say, nap=NAP), "<script>")

        assert response["Content-Type"] == "application/json"
        assert "sandbox" in response["Content-Security-Policy"]
        assert "Access-Control-Allow-Credentials" not in response

    def test_stands_whatever_becomes_of_the_execution(self):
        hook = a_hook("hook > say > end", say=respond(), end=node("output", {"value": "{{ input.missing.more }}"}))

        response = send(hook, {"a": 1})

        assert WorkflowExecution.objects.get().status == "failed"
        assert (response.status_code, response.json()) == (200, {"a": 1})

    def test_that_failed_answers_nothing(self):
        response = send(a_hook("hook > say > end", say=respond("{{ input.missing.more }}"), end=END), 1)

        assert (response.status_code, response.json()["code"]) == (502, "execution_failed")
        assert WorkflowExecution.objects.get().answered_by is None

    def test_that_did_not_run_leaves_the_answer_to_the_output(self):
        way = node("condition", {"cases": [{"port": "yes", "when": "{{ false }}"}]})
        hook = a_hook("hook > way", "way.yes > say", "way.else > end", way=way, say=respond(), end=END)

        assert send(hook, 1).json() == "the end"


class TestTwice:
    def test_changes_nothing_and_says_so(self):
        hook = a_hook("hook > one > two > nap", one=respond("first"), two=respond("second"), nap=NAP)

        assert send(hook, 1).json() == "first"
        assert outputs("one") == [{"value": "first", "status": 200, "headers": {}, "is_answer": True}]
        (second,) = outputs("two")
        assert (second["is_answer"], second["reason"]) == (
            False,
            "The execution has answered already; this changes nothing.",
        )

    def test_in_a_loop_the_first_pass_answers(self):
        each = loop({"items": ["a", "b", "c"]}, "say", say=respond("{{ item }}"))

        assert send(a_hook("hook > each > nap", each=each, nap=NAP), 1).json() == "a"
        assert [output["is_answer"] for output in outputs("say")] == [True, False, False]


class TestOtherModes:
    @pytest.mark.parametrize(("mode", "status", "is_end"), [("accepted", 202, False), ("finished", 200, True)])
    def test_do_not_wait_for_it(self, mode, status, is_end):
        response = send(a_hook("hook > say > end", respond=mode, say=respond(), end=END), {"a": 1})

        assert response.status_code == status
        assert (response.json() == "the end") is is_end


class TestByAWorker:
    @pytest.fixture(autouse=True)
    def not_in_place(self, settings):
        settings.ENGINE_IN_PLACE = False

    def test_answers_before_the_end(self, worker):
        """The caller waits in one process, the node runs in another; here they are two connections."""
        hook = a_hook("hook > say > nap > end", say=respond(), nap=NAP, end=END)
        sender = []
        waiting = beside(lambda: sender.append(send(hook, {"a": 1})))
        while not WorkflowExecutionLog.objects.filter(node_id="say", status="completed").exists():
            worker.work()
        waiting.join()

        execution = WorkflowExecution.objects.get()
        assert (sender[0].status_code, sender[0].json()) == (200, {"a": 1})
        assert (execution.status, execution.blocked_on) == ("running", "timer")

    def test_is_committed_before_what_follows_has_run(self, worker, monkeypatch):
        hook = a_hook(
            "hook > say > each", respond="accepted", say=respond("now"), each=loop({"items": [1, 2, 3]}, "look")
        )
        send(hook, 1)

        worker.work()

        execution = WorkflowExecution.objects.get()
        assert execution.answered_by is not None

    def test_is_kept_from_one_worker_to_the_next(self, worker):
        hook = a_hook(
            "hook > one > nap > two", respond="accepted", one=respond("first"), nap=NAP, two=respond("second")
        )
        send(hook, 1)

        execution = carry(worker, WorkflowExecution.objects.get())

        assert execution.status == "completed"
        assert [outputs("one")[0]["is_answer"], outputs("two")[0]["is_answer"]] == [True, False]
        assert services.early_answer_of(execution)["value"] == "first"

    def test_that_never_comes_within_the_time_leaves_202(self):
        response = send(a_hook("hook > nap > say", nap=NAP, say=respond(), seconds=1), 1)

        assert (response.status_code, response["Retry-After"]) == (202, "5")


class TestWaitForAnswer:
    def test_returns_at_once_where_there_is_one(self):
        hook = a_hook("hook > say > nap", say=respond(), nap=NAP)
        send(hook, 1)

        assert wait_for_answer(WorkflowExecution.objects.get().pk, timeout=30).answered_by is not None

    def test_is_woken_by_the_commit(self, worker, settings):
        settings.ENGINE_IN_PLACE = False
        hook = a_hook("hook > say > nap", say=respond(), nap=NAP)
        execution = services.start_execution(
            services.newest_version(hook.workflow),
            kind=TriggerType.WEBHOOK,
            node_id="hook",
            payload={"body": 1},
            now=timezone.now(),
            awaited=True,
        )

        waited, _ = at_once(lambda: wait_for_answer(execution.pk, timeout=30), worker.work)

        assert (waited.answered_by is not None, waited.has_ended) == (True, False)
