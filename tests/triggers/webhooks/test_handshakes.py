"""Handshakes: Slack's and those of hubs are answered and kept, and start nothing."""

from __future__ import annotations

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from executions.models import WorkflowExecution
from tests.factories import WebhookFactory
from tests.triggers.stories import hook_of, published, started_by, webhook
from tests.triggers.webhooks.senders import github_headers, proof_of, send
from triggers.exceptions import NotRedeliverable
from triggers.models import WebhookDelivery
from triggers.services import redeliver, rotate_secret, set_secret
from triggers.services.webhook_secrets import live_secrets
from workflows.services import pause

pytestmark = pytest.mark.django_db

CHALLENGE = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
URL_VERIFICATION = json.dumps({"token": "x", "challenge": CHALLENGE, "type": "url_verification"}).encode()
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TOKEN, SECRET, TOPIC = "meatyhamhock", "the-app-secret-of-meta", "https://example.com/feed"


def slack_hook(**config):
    hook = hook_of(published(started_by(hook=webhook(auth={"scheme": "slack"}, **config))))
    set_secret(hook, secret=SLACK_SECRET, by=None, now=timezone.now())
    return hook


def hub_hook(scheme="github", **handshake):
    node = webhook(auth={"scheme": scheme}, handshake={"kind": "hub", **handshake})
    hook = hook_of(published(started_by(hook=node)))
    if scheme != "none":
        set_secret(hook, secret=SECRET, by=None, now=timezone.now())
    return hook


def ask(hook, *, method="GET", **asked):
    given = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": TOKEN}
    for name, value in asked.items():
        given[f"hub.{name}"] = value
    query = urlencode([(name, value) for name, value in given.items() if value is not None], doseq=True)
    return send(hook, body=b"", method=method, query=f"?{query}")


class TestSlack:
    def test_gets_its_challenge_back_and_starts_nothing(self):
        hook = slack_hook()

        response = send(hook, body=URL_VERIFICATION, **proof_of("slack", URL_VERIFICATION, secret=SLACK_SECRET))

        assert (response.status_code, response.content.decode()) == (200, CHALLENGE)
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert not WorkflowExecution.objects.exists()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.verdict, delivery.is_genuine, delivery.execution) == ("handshake", True, None)
        assert delivery.secret_id == live_secrets(hook, timezone.now())[0].id
        assert bytes(delivery.body) == URL_VERIFICATION

    def test_is_answered_only_with_the_right_signature(self):
        """S-WH-2: the challenge proves that somebody checks."""
        hook = slack_hook()

        for proof in ({}, proof_of("slack", URL_VERIFICATION, secret="another secret of somebody")):
            response = send(hook, body=URL_VERIFICATION, **proof)
            assert (response.status_code, CHALLENGE in response.content.decode()) == (401, False)

        assert {delivery.verdict for delivery in WebhookDelivery.objects.all()} == {"rejected"}

    def test_may_shake_hands_as_often_as_it_likes(self):
        hook = slack_hook()
        proof = proof_of("slack", URL_VERIFICATION, secret=SLACK_SECRET)

        assert [send(hook, body=URL_VERIFICATION, **proof).status_code for _ in range(2)] == [200, 200]

    def test_needs_nothing_that_deliveries_need(self):
        """Neither the schema of the body nor a workflow that goes on."""
        hook = slack_hook(body_schema={"type": "object", "required": ["event"]}, headers_validation={"X-A": "b"})
        pause(hook.workflow, reason="", by=None, now=timezone.now())

        proof = proof_of("slack", URL_VERIFICATION, secret=SLACK_SECRET)
        assert send(hook, body=URL_VERIFICATION, **proof).status_code == 200

    def test_of_another_scheme_is_a_delivery(self):
        hook = hook_of(published(started_by(hook=webhook())))

        assert send(hook, body=URL_VERIFICATION).status_code == 202


class TestHub:
    def test_with_the_token_gets_its_challenge_back_and_starts_nothing(self):
        hook = hub_hook(verify_token=TOKEN)

        response = ask(hook)

        assert (response.status_code, response.content.decode()) == (200, "1158201444")
        assert not WorkflowExecution.objects.exists()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.verdict, delivery.method, delivery.is_genuine) == ("handshake", "GET", True)

    def test_is_answered_where_only_post_is_a_method(self):
        hook = hub_hook(verify_token=TOKEN)
        body = b'{"entry": []}'

        assert hook.methods == ["POST"]
        assert ask(hook).status_code == 200
        assert send(hook, body=b"", method="GET").status_code == 405
        assert send(hook, body=body, **github_headers(SECRET, body)).status_code == 202

    def test_sees_its_challenge_as_text_that_no_browser_runs(self):
        """S-UI-2: what is given back comes from a stranger's URL."""
        response = ask(hub_hook(verify_token=TOKEN), challenge="<script>alert(1)</script>")

        assert response.content == b"<script>alert(1)</script>"
        assert response["Content-Type"] == "text/plain; charset=utf-8"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response["Content-Security-Policy"]

    @pytest.mark.parametrize(
        ("asked", "reason"),
        [
            ({"verify_token": "meatyhamhocks"}, "handshake_token"),
            ({"verify_token": ""}, "handshake_token"),
            ({"verify_token": None}, "handshake_token"),
            ({"verify_token": [TOKEN, TOKEN]}, "handshake_token"),
            ({"verify_token": "é"}, "handshake_token"),
            ({"verify_token": SECRET}, "handshake_token"),
            ({"mode": "unsubscribe"}, "handshake_mode"),
            ({"mode": "denied"}, "handshake_mode"),
            ({"mode": ["subscribe", "subscribe"]}, "handshake_mode"),
            ({"challenge": None}, "handshake_malformed"),
            ({"challenge": ""}, "handshake_malformed"),
            ({"challenge": "é"}, "handshake_malformed"),
            ({"challenge": "a\nb"}, "handshake_malformed"),
            ({"challenge": "x" * 501}, "handshake_malformed"),
            ({"challenge": ["a", "b"]}, "handshake_malformed"),
        ],
    )
    def test_that_asks_for_something_else_is_refused_and_not_told_why(self, asked, reason):
        """S-WH-10"""
        response = ask(hub_hook(verify_token=TOKEN), **asked)

        assert response.status_code == 401
        assert response.json() == {"code": "unauthorized", "message": "The request could not be verified."}
        delivery = WebhookDelivery.objects.get()
        assert (delivery.verdict, delivery.reason_code, delivery.is_genuine) == ("rejected", reason, False)

    @pytest.mark.parametrize("token", [TOKEN, "a wrong one"])
    def test_leaves_no_token_in_the_inbox(self, token):
        ask(hub_hook(verify_token=TOKEN), verify_token=token)

        kept = WebhookDelivery.objects.get().query_string
        assert "hub.verify_token=%2A%2A%2A" in kept
        assert "hub.challenge=1158201444" in kept

    def test_may_show_one_of_the_webhook_s_secrets_where_no_token_is_set(self):
        """S-WH-8"""
        hook = hub_hook()
        rotate_secret(hook, grace=timedelta(hours=1), by=None, now=timezone.now())

        assert ask(hook, verify_token=SECRET).status_code == 200
        assert WebhookDelivery.objects.get().secret_id == live_secrets(hook, timezone.now())[1].id
        assert ask(hook, verify_token=TOKEN).status_code == 401

    def test_without_a_token_is_refused_while_no_secret_is_set(self):
        """S-WH-2"""
        hook = WebhookFactory(
            auth={"scheme": "github"},
            trigger__config=webhook(handshake={"kind": "hub"}, auth={"scheme": "github"})["config"],
        )

        assert ask(hook, verify_token="").status_code == 401

    def test_of_websub_asks_for_its_topic(self):
        """W3C WebSub, 5.3"""
        hook = hub_hook("none", topic=TOPIC)

        assert ask(hook, topic=TOPIC, verify_token=None, lease_seconds="864000").status_code == 200
        assert ask(hook, topic=f"{TOPIC}/other", verify_token=None).status_code == 401
        assert ask(hook, verify_token=None).status_code == 401

    def test_with_token_and_topic_needs_both(self):
        hook = hub_hook(verify_token=TOKEN, topic=TOPIC)

        assert ask(hook, topic=TOPIC).status_code == 200
        assert ask(hook).status_code == 401
        assert ask(hook, topic=TOPIC, verify_token="wrong-one").status_code == 401

    def test_is_not_answered_where_none_is_expected(self):
        hook = hook_of(published(started_by(hook=webhook())))

        assert ask(hook).status_code == 405

    def test_asks_by_get(self):
        assert ask(hub_hook(verify_token=TOKEN), method="POST").status_code == 401

    def test_counts_for_the_rate_limit(self, settings):
        settings.WEBHOOK_RATE_PER_MINUTE = 1
        hook = hub_hook(verify_token=TOKEN)

        assert [ask(hook).status_code for _ in range(2)] == [200, 429]


class TestKept:
    def test_is_not_delivered_again(self):
        ask(hub_hook(verify_token=TOKEN))

        with pytest.raises(NotRedeliverable, match="handshake"):
            redeliver(WebhookDelivery.objects.get(), by=None, now=timezone.now())

    def test_does_not_pile_up(self, monkeypatch):
        monkeypatch.setattr("triggers.services.deliveries.MAX_NOT_ACCEPTED_KEPT", 3)
        hook = hub_hook(verify_token=TOKEN)

        for _ in range(5):
            ask(hook)

        assert WebhookDelivery.objects.count() == 3
