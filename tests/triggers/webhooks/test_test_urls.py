"""Test URLs: the draft answers there, and what came in can be looked at."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from executions.models import WorkflowExecution
from projects.models import AuditEntry
from tests.builders import definition, node
from tests.factories import ProjectFactory, WebhookTestFactory, WorkflowFactory
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.hooks import BEARER, PROOF, SECRET
from triggers.exceptions import NoWebhookNode
from triggers.models import WebhookDelivery, WebhookRegistration, WebhookTest, WebhookTestDelivery
from triggers.services import close_test, open_test, remove_old_tests, set_secret, url_of
from triggers.services.deliveries import MAX_TESTS_KEPT
from workflows.exceptions import InvalidDefinition
from workflows.models import Workflow, WorkflowVersion
from workflows.services import archive, create_workflow, pause, save_draft

pytestmark = pytest.mark.django_db


def a_draft(raw=None, **config) -> Workflow:
    """Return a workflow that was never published."""
    raw = raw or started_by(hook=webhook(**config))
    return create_workflow(ProjectFactory(), name="Draft", definition=raw, by=None, now=timezone.now())


def a_test(workflow: Workflow | None = None, **config) -> WebhookTest:
    return open_test(workflow or a_draft(**config), node_id=None, by=None, now=timezone.now())


def send(test: WebhookTest, value=None, *, path="", method="POST", **headers):
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Client().generic(
        method, f"/webhooks-test/{test.token}{path}", value or b'{"a": 1}', "application/json", headers=names
    )


def what_came() -> list[tuple[str, str]]:
    return list(WebhookTestDelivery.objects.order_by("received_at", "id").values_list("verdict", "reason_code"))


class TestTheDraft:
    def test_answers_though_it_was_never_published(self):
        answer = send(a_test())

        execution = WorkflowExecution.objects.get()
        assert (answer.status_code, answer.json()["execution_id"]) == (202, str(execution.pk))
        assert (execution.is_test, execution.workflow_version.number) == (True, None)
        assert execution.execution_context["trigger"]["body"] == {"a": 1}

    def test_runs_as_it_stands_now(self):
        workflow = a_draft()
        test = a_test(workflow)
        answering = definition(
            "hook > end", hook=webhook(respond="finished"), end=node("output", {"value": "{{ input.body.a + 1 }}"})
        )
        save_draft(workflow, definition=answering, by=None, now=timezone.now())

        assert send(test).json() == 2

    def test_is_kept_once_for_several_tries(self):
        test = a_test()

        send(test)
        send(test)

        assert WorkflowVersion.objects.count() == 1

    def test_may_differ_from_what_is_published(self):
        workflow = published(started_by(hook=webhook(methods=["PUT"])))
        save_draft(workflow, definition=started_by(hook=webhook(methods=["POST"])), by=None, now=timezone.now())

        assert send(a_test(workflow)).status_code == 202

    def test_of_a_paused_workflow_is_not_held(self):
        workflow = published(started_by(hook=webhook(respond="finished")))
        pause(workflow, by=None, now=timezone.now())

        assert send(a_test(workflow)).status_code == 200

    def test_with_problems_says_so_to_the_sender_and_more_in_what_is_kept(self):
        workflow = a_draft()
        test = a_test(workflow)
        save_draft(workflow, definition=started_by(hook=webhook(methods=["FETCH"])), by=None, now=timezone.now())

        answer = send(test)

        assert (answer.status_code, answer.json()["code"]) == (409, "draft_invalid")
        assert "methods" in WebhookTestDelivery.objects.get().reason

    def test_without_the_trigger_says_so(self):
        workflow = a_draft()
        test = a_test(workflow)
        save_draft(workflow, definition=started_by(other=webhook()), by=None, now=timezone.now())

        assert send(test).json()["code"] == "node_gone"

    def test_of_an_archived_workflow_answers_no_more(self):
        workflow = a_draft()
        test = a_test(workflow)
        archive(workflow, by=None, now=timezone.now())

        assert send(test).json()["code"] == "workflow_archived"

    def test_takes_parameters_of_its_path(self):
        workflow = a_draft(path="orders/{id}", auth=BEARER)
        test = a_test(workflow)

        send(test, path="/orders/42")

        assert WorkflowExecution.objects.get().execution_context["trigger"]["params"] == {"id": "42"}
        assert url_of(test).endswith(f"/webhooks-test/{test.token}/orders/{{id}}")

    @pytest.mark.parametrize("path", ["/orders", "/orders/42/more", "/other/42", ""])
    def test_refuses_paths_that_it_does_not_mean(self, path):
        assert send(a_test(path="orders/{id}", auth=BEARER), path=path).json()["code"] == "other_path"

    def test_that_says_nothing_of_paths_takes_none(self):
        assert send(a_test(), path="/more").status_code == 404


class TestWhatCameIn:
    def test_is_kept_beside_the_inbox(self):
        send(a_test(), b"\xff\x00", x_kind="order")

        kept = WebhookTestDelivery.objects.get()
        assert (bytes(kept.body), kept.headers["x-kind"]) == (b"\xff\x00", "order")
        assert not WebhookDelivery.objects.exists()

    def test_is_kept_with_the_reason_if_it_was_refused(self):
        test = a_test(methods=["PUT"], body_schema={"type": "array"})

        send(test)
        send(test, method="PUT")

        assert what_came() == [("rejected", "method_not_allowed"), ("rejected", "body_invalid")]

    def test_is_kept_if_the_filter_does_not_want_it(self):
        answer = send(a_test(filter="{{ trigger.body.a > 1 }}"))

        assert (answer.json(), what_came()) == ({"filtered": True}, [("filtered", "")])

    def test_runs_twice_if_it_comes_twice(self):
        test = a_test(dedupe_header="x-id")

        for _ in range(2):
            send(test, x_id="7")

        assert what_came() == [("accepted", ""), ("accepted", "")]

    def test_is_bounded(self, monkeypatch):
        monkeypatch.setattr("triggers.services.deliveries.MAX_TESTS_KEPT", 3)
        test = a_test()

        for _ in range(5):
            send(test)

        assert WebhookTestDelivery.objects.count() == 3 < MAX_TESTS_KEPT


class TestTheProof:
    def test_is_not_asked_for_before_there_is_a_secret(self):
        send(a_test(path="orders", auth=BEARER))

        assert WebhookTestDelivery.objects.get().is_genuine is False

    def test_is_that_of_the_published_webhook(self):
        workflow = published(started_by(hook=webhook(path="orders", auth=BEARER)))
        set_secret(hook_of(workflow), secret=SECRET, by=None, now=timezone.now())
        test = a_test(workflow)

        answers = [send(test).status_code, send(test, **PROOF).status_code]

        assert answers == [401, 202]
        assert what_came() == [("rejected", "token_missing"), ("accepted", "")]

    def test_needs_no_secret_of_the_hub_that_asks_with_the_topic(self):
        test = a_test(methods=["GET", "POST"], handshake={"kind": "hub", "topic": "https://hub.example/t"})

        asked = "?hub.mode=subscribe&hub.topic=https://hub.example/t&hub.challenge=abc"
        answer = send(test, path=asked, method="GET")

        assert (answer.content, what_came()) == (b"abc", [("handshake", "")])


class TestTheUrl:
    def test_is_one_for_a_node_and_lives_on_when_it_is_asked_for_again(self, settings):
        settings.WEBHOOK_TEST_HOURS = 2
        workflow, now = a_draft(), timezone.now()
        first = open_test(workflow, node_id="hook", by=None, now=now)

        again = open_test(workflow, node_id=None, by=None, now=now + timedelta(hours=1))

        assert (again.token, again.expires_at) == (first.token, now + timedelta(hours=3))

    @pytest.mark.parametrize("moment", ["expired", "closed", "unknown"])
    def test_answers_404_when_it_has_ended(self, moment):
        test = a_test()
        match moment:
            case "expired":
                WebhookTest.objects.update(expires_at=timezone.now())
            case "closed":
                close_test(test, by=None)
            case "unknown":
                test.token = "x" * 43

        assert send(test).status_code == 404
        assert not WorkflowExecution.objects.exists()

    def test_is_removed_a_day_after_it_has_ended_with_what_came_there(self):
        test, now = a_test(), timezone.now()
        send(test)
        WebhookTest.objects.update(expires_at=now - timedelta(hours=25))
        WebhookTestFactory(expires_at=now - timedelta(hours=23))

        assert (remove_old_tests(now), WebhookTest.objects.count()) == (1, 1)
        assert not WebhookTestDelivery.objects.exists()

    def test_is_not_to_be_had_for_a_draft_with_problems(self):
        with pytest.raises(InvalidDefinition):
            a_test(methods=["FETCH"])

    @pytest.mark.parametrize(("node_id", "triggers"), [("gone", ["hook"]), (None, ["one", "two"]), (None, [])])
    def test_needs_to_know_which_trigger_is_meant(self, node_id, triggers):
        raw = started_by(**{each: webhook() for each in triggers}) if triggers else definition("start > end")
        workflow = a_draft(raw)

        with pytest.raises(NoWebhookNode):
            open_test(workflow, node_id=node_id, by=None, now=timezone.now())

    def test_opens_no_route(self):
        a_test()

        assert not WebhookRegistration.objects.exists()

    def test_is_written_down_without_its_token(self):
        test = a_test()

        entry = AuditEntry.objects.get(action="webhook_test.opened")
        assert test.token not in str(entry.details)


class TestPages:
    def test_of_another_origin_are_answered_as_the_draft_says(self):
        test = a_test(cors={"origins": ["https://shop.example"]})

        answer = send(test, method="OPTIONS", origin="https://shop.example", access_control_request_method="POST")

        assert answer["Access-Control-Allow-Origin"] == "https://shop.example"


def test_a_workflow_that_is_removed_takes_its_test_urls_along():
    workflow = WorkflowFactory()
    WebhookTestFactory(workflow=workflow)

    workflow.delete()

    assert not WebhookTest.objects.exists()
