"""Slack's signature, version 0: docs.slack.dev, "Verifying requests from Slack"; and its ``url_verification``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, refused, register
from triggers.webhooks.signatures.macs import hmac_sha256, index_of
from triggers.webhooks.signatures.reading import (
    TOLERANCE_SECONDS,
    ascii_header,
    hashed_id,
    is_off,
    short_id,
    text_at,
    unix_time,
)

TIMESTAMP = "x-slack-request-timestamp"
SIGNATURE = "x-slack-signature"

_SIGNATURE = re.compile(r"v0=([0-9a-f]{64})")
_CHALLENGE = re.compile(r"[\x21-\x7e]{1,500}")
_HANDSHAKE = "url_verification"
_TOKENS = ("xoxb-", "xoxp-", "xoxa-", "xapp-", "xoxe")


@register("slack")
@dataclass(frozen=True)
class Slack(Scheme):
    """``X-Slack-Signature: v0=<hex>``: HMAC-SHA256 of ``v0:timestamp:body``.

    An event is known by the ``event_id`` in its body, the same for each attempt; everything else, such as a slash
    command, by its signature.
    """

    signs_body = True
    signs_time = True
    names_events = True

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (SIGNATURE,)

    @property
    def made_by(self) -> str:
        return "Slack makes it: copy the signing secret from the app's page, below Basic Information."

    def problem_with(self, secret: str) -> str | None:
        if secret.startswith(_TOKENS):
            return "That is a token of Slack. The signing secret stands below Basic Information."
        return super().problem_with(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        timestamp = ascii_header(request.headers, TIMESTAMP)
        seconds = unix_time(timestamp)
        found = _SIGNATURE.fullmatch(ascii_header(request.headers, SIGNATURE) or "")
        if seconds is None or found is None:
            return refused(
                "signature_malformed",
                "X-Slack-Request-Timestamp or X-Slack-Signature is missing, or not v0= and 64 hex digits.",
            )
        signed = f"v0:{timestamp}:".encode() + request.body
        secret = index_of([bytes.fromhex(found[1])], [hmac_sha256(each.encode(), signed) for each in secrets])
        if secret is None:
            return refused("signature_wrong", "The signature does not match: another secret, or another body.")
        if is_off(seconds, now, tolerance=TOLERANCE_SECONDS):
            return refused("timestamp_off", "The request was signed more than five minutes before or after now.")
        event_id = text_at(request.body, "event_id")
        known_by = short_id(event_id) if event_id else hashed_id(found[0])
        return Verdict(is_genuine=True, delivery_id=known_by, secret=secret)

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        timestamp = str(int(now.timestamp()))
        signature = hmac_sha256(secret.encode(), f"v0:{timestamp}:".encode() + request.body).hex()
        return {TIMESTAMP: timestamp, SIGNATURE: f"v0={signature}"}

    def handshake(self, body: bytes) -> str | None:
        # First the cheap question: all other bodies are parsed once less.
        if _HANDSHAKE.encode() not in body or text_at(body, "type") != _HANDSHAKE:
            return None
        challenge = text_at(body, "challenge") or ""
        return challenge if _CHALLENGE.fullmatch(challenge) else None
