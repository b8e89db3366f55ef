"""Standard Webhooks, version 1 (standardwebhooks.com): signed id, time and body."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, refused, register
from triggers.webhooks.signatures.macs import hmac_sha256, index_of
from triggers.webhooks.signatures.reading import (
    MAX_DELIVERY_ID,
    TOLERANCE_SECONDS,
    ascii_header,
    is_off,
    strict_base64,
    unix_time,
)
from workflows.standard_webhooks import key_of, signature

MAX_SIGNATURES = 8
SIGNATURE_BYTES = 32

# A dot would let id and time be read in two ways.
_ID = re.compile(rf"[\x21-\x2d\x2f-\x7e]{{1,{MAX_DELIVERY_ID}}}")


@register("standard_webhooks")
@dataclass(frozen=True)
class StandardWebhooks(Scheme):
    """``webhook-id``, ``webhook-timestamp``, ``webhook-signature``: HMAC-SHA256 of ``id.timestamp.body``."""

    signs_body = True
    signs_time = True

    @property
    def delivery_header(self) -> str:
        return "webhook-id"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return ("webhook-signature",)

    def problem_with(self, secret: str) -> str | None:
        if key_of(secret) is None:
            return "A secret of this scheme is whsec_ and the base64 of 24 to 64 bytes."
        return None

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        keys = [key_of(secret) for secret in secrets]
        if not any(keys):
            return refused("secret_unusable", "The secret is not one for Standard Webhooks. Set a new one.")
        delivery_id = ascii_header(request.headers, "webhook-id")
        timestamp = ascii_header(request.headers, "webhook-timestamp")
        seconds = unix_time(timestamp)
        if not delivery_id or not _ID.fullmatch(delivery_id) or seconds is None:
            return refused("signature_malformed", "webhook-id or webhook-timestamp is missing or malformed.")
        given = _signatures(ascii_header(request.headers, "webhook-signature"))
        if given is None:
            return refused("signature_malformed", "webhook-signature is missing or malformed.")
        signed = f"{delivery_id}.{timestamp}.".encode() + request.body
        secret = index_of(given, [key and hmac_sha256(key, signed) for key in keys])
        if secret is None:
            return refused("signature_wrong", "No signature matches: another secret, or another body, was signed.")
        if is_off(seconds, now, tolerance=TOLERANCE_SECONDS):
            return refused("timestamp_off", "The request was signed more than five minutes before or after now.")
        return Verdict(is_genuine=True, delivery_id=delivery_id, secret=secret)

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        delivery_id, timestamp = request.headers.get("webhook-id", "msg_1"), int(now.timestamp())
        key = key_of(secret) or b""
        return {
            "webhook-id": delivery_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(key, message_id=delivery_id, timestamp=timestamp, body=request.body),
        }


def _signatures(header: str | None) -> list[bytes] | None:
    """Return the ``v1`` signatures of a header, or None if it is not exactly as specified."""
    entries = header.split(" ") if header else []
    if not 1 <= len(entries) <= MAX_SIGNATURES:
        return None
    signatures: list[bytes] = []
    for entry in entries:
        match entry.split(","):
            case ["v1", text]:
                given = strict_base64(text)
                if given is None or len(given) != SIGNATURE_BYTES:
                    return None
                signatures.append(given)
            case [version, text] if version and text:
                continue  # Another version of the scheme, such as v1a with its public keys.
            case _:
                return None
    return signatures
