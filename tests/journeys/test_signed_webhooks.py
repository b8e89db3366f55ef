"""Stripe, Slack and somebody with a token call over HTTP, each signed by its own library, and each starts an execution."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import jwt
import pytest
from slack_sdk.signature import SignatureVerifier
from stripe import WebhookSignature

STRIPE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
JWT_SECRET = "a-secret-of-exactly-32-characters"[:32]
CLAIMS = {"iss": "https://issuer.example.com", "aud": "segue"}


def definition(path: str, auth: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1,
        "nodes": [
            {"id": "hook", "type": "trigger", "config": {"kind": "webhook", "path": path, "auth": auth}},
            {"id": "end", "type": "output", "config": {"value": "{{ trigger.body }}"}},
        ],
        "edges": [{"source": "hook", "target": "end"}],
    }


@pytest.fixture
def hook(segue):
    """Return how to publish a workflow with a webhook and give it its secret."""

    def publish(name: str, auth: dict[str, Any], secret: str) -> tuple[str, str]:
        workflow_id = segue.publish(name, definition(name.lower(), auth))
        registration = segue.webhook(workflow_id)
        segue.api.post(
            f"/webhook-registrations/{registration['id']}/secret/", json={"secret": secret}
        ).raise_for_status()
        return registration["url"], f"/webhook-registrations/{registration['id']}/deliveries/"

    return publish


def call(url: str, body: bytes, **headers: str) -> httpx2.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(
        url, content=body, headers={"content-type": "application/json", **names}, timeout=30, trust_env=False
    )


def slack_headers(body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    signature = SignatureVerifier(SLACK_SECRET).generate_signature(timestamp=timestamp, body=body)
    return {"x_slack_request_timestamp": timestamp, "x_slack_signature": signature or ""}


class TestSignedWebhooks:
    def test_of_stripe_start_one_execution_for_each_event(self, segue, hook):
        """S-WH-2, S-WH-3, R-2"""
        url, inbox = hook("Stripe", {"scheme": "stripe"}, STRIPE_SECRET)
        body = b'{"id": "evt_1", "object": "event", "type": "charge.succeeded", "pending_webhooks": 1}'
        signature = WebhookSignature.generate_signature_header(body.decode(), STRIPE_SECRET)

        first = call(url, body, stripe_signature=signature)
        again = call(url, body, stripe_signature=signature)
        forged = call(url, body.replace(b"evt_1", b"evt_2"), stripe_signature=signature)

        assert (first.status_code, again.status_code, forged.status_code) == (202, 200, 401)
        assert again.json()["execution_id"] == first.json()["execution_id"]
        ended = segue.ended(first.json()["execution_id"])
        assert (ended["status"], ended["result"]["type"]) == ("completed", "charge.succeeded")
        verdicts = [delivery["verdict"] for delivery in segue.api.get(inbox).json()["results"]]
        assert verdicts == ["rejected", "duplicate", "accepted"]

    def test_of_slack_shake_hands_and_then_start_an_execution(self, segue, hook):
        """S-WH-2"""
        url, inbox = hook("Slack", {"scheme": "slack"}, SLACK_SECRET)
        greeting = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aBm2rZgRNFdxV"}).encode()
        event = json.dumps({"type": "event_callback", "event_id": "Ev08MFMKH6", "event": {"text": "hello"}}).encode()

        shaken = call(url, greeting, **slack_headers(greeting))
        accepted = call(url, event, **slack_headers(event))

        assert (shaken.status_code, shaken.text) == (200, "3eZbrw1aBm2rZgRNFdxV")
        assert accepted.status_code == 202
        ended = segue.ended(accepted.json()["execution_id"])
        assert (ended["status"], ended["result"]["event"]["text"]) == ("completed", "hello")
        kept = segue.api.get(inbox).json()["results"]
        assert [(each["verdict"], each["execution"] is None) for each in kept] == [
            ("accepted", False),
            ("handshake", True),
        ]

    def test_with_a_token_start_an_execution_until_it_ends(self, segue, hook):
        """S-WH-4"""
        auth = {"scheme": "jwt", "algorithm": "HS256", "issuer": CLAIMS["iss"], "audience": CLAIMS["aud"]}
        url, inbox = hook("Token", auth, JWT_SECRET)
        ends = datetime.now(UTC) + timedelta(minutes=1)
        token = jwt.encode(CLAIMS | {"exp": ends, "jti": "job-7"}, JWT_SECRET, algorithm="HS256")
        ended_token = jwt.encode(CLAIMS | {"exp": ends - timedelta(hours=1)}, JWT_SECRET, algorithm="HS256")
        unsigned = jwt.encode(CLAIMS | {"exp": ends}, None, algorithm="none")

        answers = [call(url, b'{"job": 7}', authorization=f"Bearer {each}") for each in (token, ended_token, unsigned)]

        assert [answer.status_code for answer in answers] == [202, 401, 401]
        ended = segue.ended(answers[0].json()["execution_id"])
        assert (ended["status"], ended["result"]) == ("completed", {"job": 7})
        kept = segue.api.get(inbox).json()["results"]
        assert [(each["dedupe_key"], each["reason_code"]) for each in kept] == [
            (None, "token_missing"),
            (None, "token_expired"),
            ("job-7", ""),
        ]
