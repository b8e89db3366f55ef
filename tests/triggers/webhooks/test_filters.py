"""Which deliveries start an execution."""

from __future__ import annotations

import pytest
from django.utils import timezone

from executions.models import WorkflowExecution
from tests.triggers.webhooks.hooks import a_hook, verdicts
from tests.triggers.webhooks.senders import send
from triggers.models import WebhookDelivery
from triggers.services import redeliver
from workflows.expressions import Sandbox, share, shared_evaluator

pytestmark = pytest.mark.django_db

LARGE = "{{ trigger.body.total > 100 }}"


class TestFilter:
    def test_lets_start_what_it_wants(self):
        assert send(a_hook(filter=LARGE), {"total": 101}).status_code == 202
        assert WorkflowExecution.objects.count() == 1

    def test_records_the_rest_and_starts_nothing(self):
        response = send(a_hook(filter=LARGE), {"total": 100})

        assert (response.status_code, response.json()) == (200, {"filtered": True})
        assert not WorkflowExecution.objects.exists()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.verdict, bytes(delivery.body), delivery.is_genuine) == ("filtered", b'{"total": 100}', True)

    def test_sees_the_whole_request(self):
        hook = a_hook(filter="{{ trigger.headers['x-kind'] == 'order' && trigger.query.a == '1' }}")

        assert send(hook, 1, query="?a=1", x_kind="order").status_code == 202
        assert send(hook, 1, query="?a=2", x_kind="order").status_code == 200

    @pytest.mark.parametrize("body", [{}, {"total": None}, [], None, "text"])
    def test_that_fails_refuses_with_a_reason_that_only_the_inbox_has(self, body):
        """S-WH-11"""
        response = send(a_hook(filter="{{ trigger.body.total.cents > 100 }}"), body)

        assert (response.status_code, response.json()["code"]) == (422, "filter_failed")
        assert "cents" not in response.content.decode()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.verdict, delivery.reason_code) == ("rejected", "filter_failed")
        assert "filter failed (" in delivery.reason

    def test_that_says_neither_yes_nor_no_refuses(self):
        response = send(a_hook(filter="{{ trigger.body.total }}"), {"total": 1})

        assert response.status_code == 422
        assert WebhookDelivery.objects.get().reason == "The filter must say true or false, not 1."

    def test_is_not_asked_about_what_is_refused_before_it(self):
        send(a_hook(filter=LARGE, body_schema={"type": "object"}), 1)

        assert verdicts() == [("rejected", "body_invalid")]

    def test_is_not_asked_when_a_delivery_is_delivered_again(self):
        send(a_hook(filter=LARGE), {"total": 100})

        again = redeliver(WebhookDelivery.objects.get(), by=None, now=timezone.now())

        assert again.execution.execution_context["trigger"]["body"] == {"total": 100}

    def test_of_a_published_trigger_does_not_run_with_the_node(self):
        """The execution's trigger node hands on what came, whatever the filter would say by then."""
        send(a_hook(filter="{{ trigger.body.total > 100 }}"), {"total": 101})

        execution = WorkflowExecution.objects.get()
        assert (execution.status, execution.result["body"]) == ("completed", {"total": 101})

    def test_where_the_evaluator_is_down_asks_for_another_try(self, monkeypatch):
        class Broken(Sandbox):
            def _ask(self, request):
                return [b'{"error": {"code": "crashed", "message": "gone"}}'] * len(request.expressions)

        hook, before = a_hook(filter=LARGE), shared_evaluator()
        share(Broken())
        try:
            response = send(hook, {"total": 101})
        finally:
            share(before)

        assert (response.status_code, response["Retry-After"]) == (503, "60")
        assert verdicts() == [("rejected", "filter_failed")]
