"""Proof at the public endpoint: who gets in, what strangers learn, and what the inbox keeps."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from executions.models import WorkflowExecution
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.senders import proof_of, send
from tests.triggers.webhooks.signatures.schemes import BY_NAME, CASES
from triggers.models import WebhookDelivery
from triggers.services import rotate_secret, set_secret
from triggers.services.webhook_secrets import live_secrets

pytestmark = pytest.mark.django_db

# Those whose proof does not cover the address: the case of everything is signed for another one.
ANYWHERE = [case for case in CASES if case.name != "hmac of everything"]
EVENT = b'{"id": "evt_1", "event_id": "Ev1", "pending_webhooks": 1}'
SAME_EVENT = b'{"id": "evt_1", "event_id": "Ev1", "pending_webhooks": 2}'


def a_hook(case, *, secret=True, **config):
    hook = hook_of(published(started_by(hook=webhook(auth=case.auth, **config))))
    if secret:
        set_secret(hook, secret=case.secret, by=None, now=timezone.now())
    return hook


class TestEveryScheme:
    @pytest.mark.parametrize("case", ANYWHERE, ids=str)
    def test_starts_an_execution_for_the_right_proof_and_none_for_another(self, case):
        """S-WH-2, S-WH-3"""
        hook = a_hook(case)

        right = send(hook, body=EVENT, **proof_of(case.name, EVENT))
        wrong = send(hook, body=EVENT, **proof_of(case.name, EVENT, secret=case.other))

        assert (right.status_code, wrong.status_code) == (202, 401)
        assert WorkflowExecution.objects.count() == 1
        accepted, rejected = WebhookDelivery.objects.order_by("received_at", "id")
        assert (accepted.is_genuine, rejected.is_genuine) == (True, False)
        assert (accepted.secret_id, rejected.secret_id) == (live_secrets(hook, timezone.now())[0].id, "")

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_tells_strangers_nothing(self, case):
        """S-WH-10: the same answer, whatever is wrong, and before a secret is set too."""
        hook = a_hook(case, secret=False)
        before = send(hook, body=EVENT, **proof_of(case.name, EVENT))
        set_secret(hook, secret=case.secret, by=None, now=timezone.now())

        answers = [
            before,
            send(hook, body=EVENT),
            send(hook, body=EVENT, **{case.proof.replace("-", "_"): "nonsense"}),
            send(hook, body=EVENT, **proof_of(case.name, EVENT, secret=case.other)),
        ]

        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.content for answer in answers}) == 1
        assert len({tuple(sorted(answer.items())) for answer in answers}) == 1

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_keeps_no_proof(self, case):
        hook = a_hook(case)
        proof = proof_of(case.name, EVENT)

        send(hook, body=EVENT, **proof)

        delivery = WebhookDelivery.objects.get()
        value = proof[case.proof.replace("-", "_")]
        assert delivery.headers[case.proof] == "***"
        assert value not in json.dumps(delivery.headers) + str(delivery.dedupe_key)
        for execution in WorkflowExecution.objects.all():
            assert case.proof not in execution.execution_context["trigger"]["headers"]

    @pytest.mark.parametrize("case", ANYWHERE, ids=str)
    def test_takes_the_old_secret_for_a_while_and_knows_which_it_was(self, case):
        """S-WH-8"""
        hook = a_hook(case)
        now = timezone.now()
        rotate_secret(hook, secret=case.other, grace=timedelta(hours=1), by=None, now=now)

        assert send(hook, body=EVENT, **proof_of(case.name, EVENT)).status_code == 202

        _, old = live_secrets(hook, now)
        assert WebhookDelivery.objects.get().secret_id == old.id


class TestEverything:
    def test_signs_method_address_query_time_id_and_body(self):
        case = BY_NAME["hmac of everything"]
        hook = a_hook(case, path="orders")

        right = send(hook, body=EVENT, query="?a=1", **proof_of(case.name, EVENT))
        other = send(hook, body=EVENT, query="?a=2", **proof_of(case.name, EVENT))

        assert (right.status_code, other.status_code) == (202, 401)
        assert WebhookDelivery.objects.get(verdict="accepted").dedupe_key == "msg-1"


class TestBasic:
    def test_says_how_to_prove_oneself_to_everybody_alike(self):
        """RFC 9110, 11.6.1; S-WH-10"""
        case = BY_NAME["basic"]
        one, another = a_hook(case), a_hook(case, secret=False)

        said = {
            send(hook, 1, **proof)["WWW-Authenticate"]
            for hook in (one, another)
            for proof in ({}, {"authorization": "Basic eDp5"})
        }

        assert said == {'Basic realm="webhook", charset="UTF-8"'}

    @pytest.mark.parametrize("name", ["bearer", "github"])
    def test_is_alone_in_that(self, name):
        assert "WWW-Authenticate" not in send(a_hook(BY_NAME[name]), 1)


class TestNamesOfEvents:
    """An event that is told again is the same event, also where a detail of the telling has changed."""

    @pytest.mark.parametrize("name", ["stripe", "slack"])
    def test_make_a_second_telling_a_duplicate(self, name):
        """R-2"""
        hook = a_hook(BY_NAME[name])
        first = send(hook, body=EVENT, **proof_of(name, EVENT))

        again = send(hook, body=SAME_EVENT, **proof_of(name, SAME_EVENT))

        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert again.json()["execution_id"] == first.json()["execution_id"]
        assert WorkflowExecution.objects.count() == 1

    @pytest.mark.parametrize("name", ["shopify", "github", "standard_webhooks", "jwt HS256"])
    def test_are_not_what_other_schemes_have(self, name):
        """R-2: there the id is that of the delivery, and another body under it is a contradiction."""
        hook = a_hook(BY_NAME[name])
        send(hook, body=EVENT, **proof_of(name, EVENT))

        again = send(hook, body=SAME_EVENT, **proof_of(name, SAME_EVENT))

        assert (again.status_code, again.json()["code"]) == (422, "idempotency_mismatch")

    def test_do_not_hold_for_a_header_of_one_s_own(self):
        hook = a_hook(BY_NAME["stripe"], dedupe_header="X-Own")
        send(hook, body=EVENT, x_own="1", **proof_of("stripe", EVENT))

        assert send(hook, body=SAME_EVENT, x_own="1", **proof_of("stripe", SAME_EVENT)).status_code == 422

    @pytest.mark.parametrize("name", ["stripe", "slack"])
    def test_a_request_that_is_replayed_starts_nothing(self, name):
        """S-WH-4: within the window, too, and with any other header changed."""
        hook, proof = a_hook(BY_NAME[name]), proof_of(name, EVENT)
        send(hook, body=EVENT, **proof)

        assert send(hook, body=EVENT, idempotency_key="other", **proof).json()["duplicate"] is True
        assert WorkflowExecution.objects.count() == 1

    def test_a_slash_command_that_is_replayed_starts_nothing(self):
        """S-WH-4"""
        hook, body = a_hook(BY_NAME["slack"]), b"command=%2Fdeploy&trigger_id=1.2.abc"
        proof = proof_of("slack", body)
        send(hook, body=body, content_type="application/x-www-form-urlencoded", **proof)

        again = send(hook, body=body, content_type="application/x-www-form-urlencoded", **proof)

        assert again.json()["duplicate"] is True
