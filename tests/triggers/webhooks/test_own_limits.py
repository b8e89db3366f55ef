"""What a webhook allows less of than the installation: addresses, pages, calls, bytes (S-WH-6)."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connection
from django.test import Client

from executions.models import WorkflowExecution
from tests.clock import NOON
from tests.factories import WebhookFactory
from tests.triggers.webhooks.hooks import a_hook, verdicts
from tests.triggers.webhooks.senders import send
from triggers.models import WebhookDelivery
from triggers.webhooks.checks import check_address
from triggers.webhooks.rate_limit import wait_needed
from triggers.webhooks.refusal import Refused
from workflows.nodes.trigger.webhook import RateLimit

pytestmark = pytest.mark.django_db

PAGE = "https://shop.example"


class TestAddresses:
    @pytest.mark.parametrize(
        ("allowed", "address"),
        [
            (None, "192.0.2.1"),
            (None, None),
            (["192.0.2.0/24"], "192.0.2.255"),
            (["192.0.2.7"], "192.0.2.7"),
            (["2001:db8::/32"], "2001:db8:ffff::1"),
            (["10.0.0.0/8", "192.0.2.0/24"], "192.0.2.1"),
            (["192.0.2.0/24"], "::ffff:192.0.2.1"),
            (["0.0.0.0/0"], "8.8.8.8"),
        ],
    )
    def test_that_are_allowed_pass(self, allowed, address):
        check_address(allowed, address)

    @pytest.mark.parametrize(
        ("allowed", "address"),
        [
            (["192.0.2.0/24"], "192.0.3.0"),
            (["192.0.2.7"], "192.0.2.8"),
            (["2001:db8::/32"], "2001:db9::1"),
            (["0.0.0.0/0"], "2001:db8::1"),
            (["::/0"], "192.0.2.1"),
            (["0.0.0.0/0", "::/0"], None),
        ],
    )
    def test_that_are_not_do_not(self, allowed, address):
        """S-WH-2: one that is not known neither."""
        with pytest.raises(Refused) as refused:
            check_address(allowed, address)

        assert (refused.value.status, refused.value.code) == (403, "address_not_allowed")

    def test_are_looked_at_before_anything_else_and_the_refusal_is_kept(self):
        hook = a_hook(ip_allow=["192.0.2.0/24"])

        response = send(hook, body=b"{broken", method="PUT")

        assert (response.status_code, response.json()["code"]) == (403, "address_not_allowed")
        assert "192.0.2" not in response.content.decode()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.ip_address, bytes(delivery.body), delivery.is_genuine) == ("127.0.0.1", b"", False)
        assert "127.0.0.1" in delivery.reason

    def test_behind_a_proxy_are_those_that_the_proxy_names(self, settings):
        settings.BEHIND_PROXY = True
        hook = a_hook(ip_allow=["192.0.2.0/24"])

        assert send(hook, 1, x_forwarded_for="192.0.2.9").status_code == 202
        assert send(hook, 1, x_forwarded_for="192.0.2.9, 198.51.100.1").status_code == 403


class TestPages:
    def preflight(self, hook, origin=PAGE, **more):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST", **more}
        return Client().options(f"/webhooks/{hook.path}", headers=headers)

    def test_hear_what_they_may_send(self, django_assert_num_queries):
        hook = a_hook(methods=["POST", "PUT"], cors={"origins": [PAGE], "headers": ["Content-Type", "X-Kind"]})

        with django_assert_num_queries(1):
            response = self.preflight(hook)

        assert response.status_code == 204
        assert response["Access-Control-Allow-Origin"] == PAGE
        assert response["Access-Control-Allow-Methods"] == "POST, PUT"
        assert response["Access-Control-Allow-Headers"] == "Content-Type, X-Kind"
        assert response["Vary"] == "Origin"
        assert not WebhookDelivery.objects.exists()

    def test_of_any_origin_may_be_allowed(self):
        response = self.preflight(a_hook(cors={"origins": ["*"]}), origin="https://anything.example")

        assert response["Access-Control-Allow-Origin"] == "*"
        assert "Vary" not in response

    @pytest.mark.parametrize("origin", ["https://other.example", f"{PAGE}.evil.example", "http://shop.example", "null"])
    def test_of_other_origins_hear_nothing(self, origin):
        response = self.preflight(a_hook(cors={"origins": [PAGE]}), origin=origin)

        assert (response.status_code, "Access-Control-Allow-Origin" in response) == (204, False)
        assert response["Vary"] == "Origin"

    def test_hear_nothing_where_none_may_call(self):
        response = self.preflight(a_hook())

        assert (response.status_code, response["Allow"]) == (204, "POST, OPTIONS")
        assert not [name for name in response.headers if name.lower().startswith("access-control")]

    @pytest.mark.parametrize(("body", "status"), [(b"1", 202), (b"{broken", 400)])
    def test_may_read_the_answer_whatever_it_is(self, body, status):
        response = send(a_hook(cors={"origins": [PAGE]}), body=body, origin=PAGE)

        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (status, PAGE)
        assert response["Access-Control-Expose-Headers"] == "Retry-After"

    def test_may_read_that_they_are_to_come_again(self):
        hook = a_hook(cors={"origins": [PAGE]})

        def fail(execute, sql, params, many, context):
            if sql.startswith("INSERT"):
                raise OperationalError("the server has gone")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(fail):
            response = send(hook, 1, origin=PAGE)

        assert (response.status_code, response["Access-Control-Allow-Origin"]) == (503, PAGE)

    def test_are_never_asked_for_credentials(self):
        """Not even by the workflow's own answer."""
        hook = a_hook(cors={"origins": ["*"]})

        for response in (self.preflight(hook), send(hook, 1, origin=PAGE)):
            assert "Access-Control-Allow-Credentials" not in response

    def test_are_no_proof(self):
        """A page's origin is a browser's word for the page; whoever calls without a browser says what it likes."""
        assert send(a_hook(cors={"origins": [PAGE]}), 1, origin="https://other.example").status_code == 202


class TestCalls:
    def test_are_as_many_as_the_webhook_allows(self, noon):
        hook = a_hook(rate_limit={"per_minute": 60, "burst": 2})

        responses = [send(hook, 1) for _ in range(3)]

        assert [response.status_code for response in responses] == [202, 202, 429]
        assert responses[2]["Retry-After"] == "1"
        assert verdicts()[2] == ("rejected", "too_many")

    @pytest.mark.parametrize(
        ("own", "of_all", "at_once"),
        [((6, None), 0, 6), ((6, 2), 0, 2), ((6, None), 3, 3), ((3, None), 6, 3), ((6, 9), 0, 9), ((6, 9), 4, 4)],
    )
    def test_are_as_many_as_both_limits_allow(self, settings, own, of_all, at_once):
        settings.WEBHOOK_RATE_PER_MINUTE = of_all
        hook, limit = WebhookFactory(), RateLimit(per_minute=own[0], burst=own[1])

        waits = [wait_needed(hook.pk, NOON, own=limit) for _ in range(12)]

        assert waits.count(None) == at_once

    def test_without_a_limit_cost_no_statement(self, django_assert_num_queries):
        hook = WebhookFactory()

        with django_assert_num_queries(0):
            assert wait_needed(hook.pk, NOON) is None


class TestBytes:
    def test_are_as_many_as_the_webhook_allows(self):
        hook = a_hook(max_body_bytes=100)

        assert send(hook, body=b'"' + b"x" * 98 + b'"').status_code == 202
        assert send(hook, body=b'"' + b"x" * 99 + b'"').status_code == 413
        assert WorkflowExecution.objects.count() == 1

    def test_are_never_more_than_the_installation_allows(self, settings):
        settings.WEBHOOK_MAX_BODY_BYTES = 50

        response = send(a_hook(max_body_bytes=100), body=b'"' + b"x" * 60 + b'"')

        assert (response.status_code, response.json()["message"]) == (
            413,
            "The body is longer than 50 bytes, the limit here.",
        )


class TestNothingOfIt:
    def test_costs_nothing(self, settings, django_assert_num_queries):
        """A webhook that uses none of it takes no statement more than the look-up and the two rows of one commit."""
        settings.ENGINE_IN_PLACE = False
        plain = a_hook()
        everything = a_hook(filter="{{ true }}", ip_allow=["127.0.0.1"], cors={"origins": ["*"]}, max_body_bytes=1000)
        for hook in (plain, everything):
            send(hook, 1)  # The version's limit is read once for each process.

        for hook in (plain, everything):
            with django_assert_num_queries(3 + 2):
                send(hook, {"a": 1})
