"""Webhooks whose paths have parameters."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from executions.models import WorkflowExecution
from tests.factories import ProjectFactory
from tests.plans import plan_of
from tests.threads import at_once
from tests.triggers.stories import hook_of, publish_again, published, started_by, webhook
from tests.triggers.webhooks.hooks import BEARER, PROOF, SECRET, chosen, trigger_of_the_execution
from triggers.exceptions import InvalidDelivery, PathTaken
from triggers.models import WebhookDelivery, WebhookRegistration
from triggers.services import redeliver, set_secret, switch_webhook
from triggers.webhooks import routes

pytestmark = pytest.mark.django_db


def post(path, *, proof=PROOF, **extra):
    headers = {name.title(): value for name, value in proof.items()}
    return Client().post(f"/webhooks/{path}", {}, "application/json", headers=headers, **extra)


def a_workflow(path, **more):
    return published(started_by(hook=webhook(path=path, auth=BEARER)), **more)


class TestParameters:
    def test_stand_in_the_trigger(self):
        chosen("orders/{id}/items/{item}")

        assert post("orders/7/items/a").status_code == 202
        trigger = trigger_of_the_execution()
        assert (trigger["params"], trigger["path"]) == ({"id": "7", "item": "a"}, "/webhooks/orders/7/items/a")

    @pytest.mark.parametrize(
        ("sent", "value"), [("a%20b", "a b"), ("%C3%A4", "ä"), ("a.b", "a.b"), ("%7B%7D", "{}"), ("x" * 200, "x" * 200)]
    )
    def test_are_any_printable_text(self, sent, value):
        chosen("orders/{id}")

        assert post(f"orders/{sent}").status_code == 202
        assert trigger_of_the_execution()["params"] == {"id": value}

    @pytest.mark.parametrize(
        "part",
        [
            "",
            "..",
            ".",
            "%2e%2e",
            "a%00b",
            "a%0ab",
            "a%5cb",
            "a%7fb",
            "a%c2%85b",
            "a%e2%80%aeb",
            "x" * 201,
            "a/b",
            "a/",
        ],
    )
    def test_are_nothing_that_means_something_else(self, part):
        """S-WH-1: no other place, no other line, no other part."""
        chosen("orders/{id}")

        expected = 202 if part == "a/" else 404  # One slash more at the end does no harm.
        assert post(f"orders/{part}").status_code == expected

    @pytest.mark.parametrize("address", ["/webhooks/orders/a%2fb", "/webhooks/orders%2Fa/b", "/webhooks/orders/a%5Cb"])
    def test_have_no_slash_that_was_hidden(self, address):
        """S-WH-1: decoded, it looks like one that was sent as such."""
        chosen("orders/{id}/{more}")

        assert post("orders/a/b", RAW_URI=address).status_code == 404
        assert post("orders/a/b", RAW_URI="/webhooks/orders/a/b?c=%2f").status_code == 202

    def test_need_proof(self):
        """S-WH-1"""
        chosen("orders/{id}")

        assert post("orders/7", proof={}).status_code == 401
        assert not WorkflowExecution.objects.exists()

    @pytest.mark.parametrize("path", ["orders", "orders/7/items", "order/7", "ORDERS/7"])
    def test_make_no_other_path_theirs(self, path):
        chosen("orders/{id}")

        assert post(path).status_code == 404

    def test_give_way_to_what_is_written_out(self):
        by_id, new = webhook(path="orders/{id}", auth=BEARER), webhook(path="orders/new", auth=BEARER)
        workflow = published(started_by(by_id=by_id, new=new))
        for hook in WebhookRegistration.objects.filter(workflow=workflow):
            set_secret(hook, secret=SECRET, by=None, now=timezone.now())

        post("orders/new")
        post("orders/7")

        started = WorkflowExecution.objects.order_by("created_at", "id")
        assert [each.execution_context["node_id"] for each in started] == ["new", "by_id"]

    def test_cost_no_statement_more(self, django_assert_num_queries):
        chosen("orders/{id}/items/{item}")

        with django_assert_num_queries(1):
            assert routes.find("orders/7/items/a").params == {"id": "7", "item": "a"}

    def test_are_found_by_the_index(self):
        """However many webhooks there are, none is looked at but those that match."""
        if connection.vendor != "postgresql":
            pytest.skip("The plan is PostgreSQL's.")
        chosen("orders/{id}")

        plan = plan_of(WebhookRegistration.objects.filter(pattern__in=["orders/7", "orders/{}"]))

        assert "webhook_registrations_pattern" in plan
        assert "pattern IN" in routes._statement(4)[0].replace('"', "")

    def test_of_a_closed_route_are_nowhere(self):
        """S-WH-10"""
        switch_webhook(chosen("orders/{id}"), is_active=False, by=None, now=timezone.now())

        assert post("orders/7").status_code == 404


class TestConflicts:
    @pytest.mark.parametrize(
        ("first", "second"),
        [("orders/{id}", "orders/new"), ("orders/new", "orders/{id}"), ("orders/{id}/a", "orders/b/{c}")],
    )
    def test_of_two_workflows_are_refused_at_publishing(self, first, second):
        a_workflow(first)

        with pytest.raises(PathTaken, match="answers to some of the requests"):
            a_workflow(second)

    def test_with_the_same_path_are_refused_whatever_its_parameters_are_called(self):
        a_workflow("orders/{id}")

        with pytest.raises(PathTaken, match="another webhook has the path"):
            a_workflow("orders/{key}")

    def test_name_the_other_path_within_the_project_alone(self):
        """S-WH-11"""
        workflow = a_workflow("orders/{id}")

        with pytest.raises(PathTaken) as within:
            a_workflow("orders/new", project=workflow.project)
        with pytest.raises(PathTaken) as elsewhere:
            a_workflow("orders/new", project=ProjectFactory())

        assert "{id}" in str(within.value)
        assert "{id}" not in str(elsewhere.value)

    @pytest.mark.parametrize("second", ["orders/{id}/items", "invoices/{id}", "orders"])
    def test_are_none_where_no_request_matches_both(self, second):
        a_workflow("orders/{id}")

        assert a_workflow(second)

    def test_end_when_the_other_one_leaves_the_path(self):
        workflow = a_workflow("orders/{id}")
        publish_again(workflow, started_by(hook=webhook()))

        assert a_workflow("orders/new")

    def test_are_none_with_its_own_earlier_self(self):
        workflow = a_workflow("orders/{id}")

        publish_again(workflow, started_by(hook=webhook(path="orders/{key}", auth=BEARER)))

        assert hook_of(workflow).path == "orders/{key}"


@pytest.mark.django_db(transaction=True)
class TestConflictsInTheSameMoment:
    def test_let_one_publish(self):
        def publish(path):
            try:
                return bool(a_workflow(path))
            except PathTaken:
                return False

        done = at_once(lambda: publish("orders/{id}"), lambda: publish("orders/new"), lambda: publish("orders/{id}"))

        assert done.count(True) == 1


class TestRedelivery:
    def test_takes_the_parameters_from_the_path_that_came(self):
        chosen("orders/{id}")
        post("orders/7")

        again = redeliver(WebhookDelivery.objects.get(), by=None, now=timezone.now())

        assert again.execution.execution_context["trigger"]["params"] == {"id": "7"}

    def test_knows_them_by_their_new_names(self):
        hook = chosen("orders/{id}")
        post("orders/7")
        publish_again(hook.workflow, started_by(hook=webhook(path="orders/{key}", auth=BEARER)))

        again = redeliver(WebhookDelivery.objects.get(), by=None, now=timezone.now())

        assert again.execution.execution_context["trigger"]["params"] == {"key": "7"}

    def test_needs_a_path_that_still_fits(self):
        hook = chosen("orders/{id}")
        post("orders/7")
        publish_again(hook.workflow, started_by(hook=webhook(path="orders/{id}/items", auth=BEARER)))

        with pytest.raises(InvalidDelivery, match="does not match"):
            redeliver(WebhookDelivery.objects.get(), by=None, now=timezone.now())
