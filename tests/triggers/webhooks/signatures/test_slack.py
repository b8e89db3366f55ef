"""Slack: the example of its documentation, what its client library agrees on, and the handshake."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

from tests.clock import NOON
from tests.triggers.webhooks.signatures.schemes import BY_NAME
from triggers.webhooks.signatures import Request, scheme_of, verify

SLACK = scheme_of({"scheme": "slack"})
CASE = BY_NAME["slack"]

# docs.slack.dev, "Verifying requests from Slack".
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SIGNED_AT = datetime.fromtimestamp(1531420618, UTC)
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar"
    b"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com"
    b"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
HEADERS = {
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}
CHALLENGE = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"


class AtNoon(Clock):
    def now(self) -> float:
        return NOON.timestamp()


class TestCheck:
    def test_takes_the_documented_example(self):
        assert verify(SLACK, [SECRET], Request(HEADERS, BODY), SIGNED_AT).is_genuine

    def test_agrees_with_slack_s_own_library_on_what_our_side_signs(self):
        headers = SLACK.sign(CASE.secret, CASE.request({}), NOON)

        assert SignatureVerifier(CASE.secret, AtNoon()).is_valid_request(CASE.body, headers)

    @pytest.mark.parametrize("timestamp", ["", "-1531420618", "1531420618.0", "1e9", " 1531420618", "٣", "9" * 13])
    def test_refuses_a_time_that_is_no_whole_number(self, timestamp):
        headers = HEADERS | {"x-slack-request-timestamp": timestamp}

        assert verify(SLACK, [SECRET], Request(headers, BODY), SIGNED_AT).code == "signature_malformed"

    @pytest.mark.parametrize("version", ["v1=", "V0=", "v0:", ""])
    def test_refuses_another_version(self, version):
        headers = HEADERS | {"x-slack-signature": HEADERS["x-slack-signature"].replace("v0=", version)}

        assert verify(SLACK, [SECRET], Request(headers, BODY), SIGNED_AT).code == "signature_malformed"

    def test_knows_a_command_by_its_signature_but_does_not_keep_that(self):
        verdict = verify(SLACK, [SECRET], Request(HEADERS, BODY), SIGNED_AT)

        assert verdict.delivery_id.startswith("sha256:")
        assert "a2114d57" not in verdict.delivery_id

    @pytest.mark.parametrize("token", ["xoxb-1234567890-abcdef", "xoxp-1234567890-abcdef", "xapp-1-A0-1-abcdefgh"])
    def test_tells_a_token_from_a_signing_secret(self, token):
        assert "signing secret" in SLACK.problem_with(token)


class TestHandshake:
    def test_gives_back_the_challenge(self):
        body = json.dumps({"token": "x", "challenge": CHALLENGE, "type": "url_verification"}).encode()

        assert SLACK.handshake(body) == CHALLENGE

    @pytest.mark.parametrize(
        "value",
        [
            {"type": "event_callback", "challenge": CHALLENGE},
            {"type": "url_verification"},
            {"type": "url_verification", "challenge": 7},
            {"type": "url_verification", "challenge": ""},
            {"type": "url_verification", "challenge": "<b>bold</b> text"},
            {"type": "url_verification", "challenge": "é"},
            {"type": "url_verification", "challenge": "x" * 501},
            {"type": ["url_verification"], "challenge": CHALLENGE},
            [{"type": "url_verification", "challenge": CHALLENGE}],
            "url_verification",
        ],
    )
    def test_is_nothing_else(self, value):
        assert SLACK.handshake(json.dumps(value).encode()) is None

    @pytest.mark.parametrize("body", [b"", b"{", b"type=url_verification&challenge=x", b"\xff", b"{" * 1000])
    def test_is_no_body_that_cannot_be_read(self, body):
        assert SLACK.handshake(body) is None

    @pytest.mark.parametrize("auth", [case.auth for case in BY_NAME.values() if case.name != "slack"])
    def test_is_slack_s_alone(self, auth):
        body = json.dumps({"challenge": CHALLENGE, "type": "url_verification"}).encode()

        assert scheme_of(auth).handshake(body) is None
