"""Signed calls to the outside. [Standard Webhooks v1]"""

from __future__ import annotations

import base64
import json

import pytest
import standardwebhooks
from pytest_httpserver import HTTPServer

from tests.builders import definition, node
from tests.workflows.definition.checks import found
from tests.workflows.nodes.runs import FakeContext, outcome
from workflows.nodes.base import EndpointGone, NodeError
from workflows.nodes.webhook.send import DELAYS, message_id_of
from workflows.standard_webhooks import key_of, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"x" * 24).decode()


@pytest.fixture
def receiver(httpserver: HTTPServer) -> HTTPServer:
    httpserver.expect_request("/hook").respond_with_data("thanks", content_type="text/plain")
    return httpserver


def send(receiver, **config):
    return {"action": "send", "url": receiver.url_for("/hook"), "secret": SECRET, **config}


def received(receiver):
    (request, _) = receiver.log[-1]
    return request


class TestSignature:
    def test_is_that_of_the_standard(self):
        """The example of the specification."""
        signed = signature(
            key_of(SECRET),
            message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
            timestamp=1614265330,
            body=b'{"test": 2432232314}',
        )

        assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    @pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!", "whsec_" + "QQ==", "x" * 200, "whsec_ü"])
    def test_needs_a_key_of_the_right_kind(self, secret):
        assert key_of(secret) is None


class TestSend:
    def test_can_be_verified_by_receivers(self, receiver):
        done = outcome("webhook", send(receiver, payload={"n": "{{ input.n }}"}), {"n": 7})

        request = received(receiver)
        assert standardwebhooks.Webhook(SECRET).verify(request.data, dict(request.headers)) == {"n": 7}
        assert done.output == {"webhook_id": request.headers["webhook-id"], "status": 200, "body": "thanks"}

    def test_sends_its_input_unless_it_says_otherwise(self, receiver):
        outcome("webhook", send(receiver), {"a": [1, "ü"]})

        assert json.loads(received(receiver).data) == {"a": [1, "ü"]}
        assert received(receiver).headers["Content-Type"] == "application/json"

    def test_signs_with_both_secrets_while_one_takes_the_place_of_the_other(self, receiver):
        outcome("webhook", send(receiver, previous_secret=OTHER), {})

        request = received(receiver)
        for secret in (SECRET, OTHER):
            standardwebhooks.Webhook(secret).verify(request.data, dict(request.headers))

    def test_takes_secrets_in_further_headers(self, receiver):
        context = FakeContext(secrets={"TOKEN": "t0ken"})
        outcome("webhook", send(receiver, headers={"X-Key": "key ⟦TOKEN⟧"}), {}, context=context)

        assert received(receiver).headers["X-Key"] == "key t0ken"

    def test_sends_no_second_header_in_the_first_ones_value(self, receiver):
        with pytest.raises(NodeError, match="header"):
            outcome(
                "webhook", send(receiver, headers={"X-Key": "{{ 'a' + String.fromCharCode(13, 10) + 'X-B: b' }}"}), {}
            )

        assert not receiver.log

    def test_has_one_id_for_every_attempt(self, receiver):
        context = FakeContext(idempotency_key="e:ask:3.1")
        for _ in range(2):
            outcome("webhook", send(receiver), {}, context=context)

        ids = {request.headers["webhook-id"] for request, _ in receiver.log}
        assert ids == {message_id_of("e:ask:3.1")}
        assert "." not in ids.pop(), "Id and time could be read in two ways."

    @pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
    def test_all_but_2xx_is_tried_again(self, httpserver, status):
        httpserver.expect_request("/hook").respond_with_data("no", status=status, headers={"Location": "/elsewhere"})

        with pytest.raises(NodeError, match=f"status {status}") as caught:
            outcome("webhook", send(httpserver), {})

        assert (caught.value.code, caught.value.retryable) == ("webhook_refused", True)
        assert caught.value.details["body"] == "no"
        assert len(httpserver.log) == 1, "Redirects are not followed."

    def test_410_is_the_end(self, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=410)

        with pytest.raises(EndpointGone) as caught:
            outcome("webhook", send(httpserver), {})

        assert (caught.value.code, caught.value.retryable) == ("endpoint_gone", False)

    def test_heeds_when_the_other_side_wants_it_again(self, httpserver):
        httpserver.expect_request("/hook").respond_with_data("", status=503, headers={"Retry-After": "120"})

        with pytest.raises(NodeError) as caught:
            outcome("webhook", send(httpserver), {})

        assert caught.value.retry_after == 120

    def test_sends_nothing_that_it_cannot_sign(self, receiver):
        with pytest.raises(NodeError) as caught:
            outcome("webhook", send(receiver, secret="short"), {})

        assert caught.value.code == "invalid_signing_secret"
        assert "short" not in caught.value.message
        assert receiver.log == []

    def test_goes_nowhere_private(self, settings):
        """[S-SSRF-1]"""
        settings.SEGUE_ALLOWED_PRIVATE_NETWORKS = []
        config = {"action": "send", "url": "http://169.254.169.254/", "secret": SECRET}

        with pytest.raises(NodeError) as caught:
            outcome("webhook", config, {})

        assert (caught.value.code, caught.value.retryable) == ("address_refused", False)

    @pytest.mark.parametrize("name", ["webhook-id", "Webhook-Signature", "Host", "Idempotency-Key"])
    def test_sets_the_headers_of_the_standard_itself(self, receiver, name):
        problems = found(definition("start > it", it=node("webhook", send(receiver, headers={name: "x"}))))

        assert problems == [("reserved_header", f"/nodes/1/config/headers/{name}")]


def test_the_schedule_of_attempts_is_that_of_the_standard():
    minutes = [round(seconds / 60, 2) for seconds in DELAYS]

    assert minutes == [0.08, 5, 30, 120, 300, 600, 840, 1200, 1440]
