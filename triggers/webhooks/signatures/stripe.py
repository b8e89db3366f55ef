"""Stripe's signature: docs.stripe.com, "Verify webhook signatures manually"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, refused, register
from triggers.webhooks.signatures.macs import hmac_sha256, index_of
from triggers.webhooks.signatures.made_here import SECRET_PREFIX
from triggers.webhooks.signatures.reading import TOLERANCE_SECONDS, ascii_header, is_off, short_id, text_at, unix_time

HEADER = "stripe-signature"
# One for each live secret of the endpoint; some more for versions of the scheme that are still to come.
MAX_ENTRIES = 16

_HEX = re.compile(r"[0-9a-f]{64}")
_OTHER_VERSION = re.compile(r"v(0|[2-9]|[1-9][0-9]{1,2})")


@register("stripe")
@dataclass(frozen=True)
class Stripe(Scheme):
    """``Stripe-Signature: t=<seconds>,v1=<hex>``: HMAC-SHA256 of ``timestamp.body``, one for each secret that is live.

    A delivery is known by the event's ``id`` in its body. Between two attempts Stripe changes ``pending_webhooks``.
    """

    signs_body = True
    signs_time = True
    names_events = True

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (HEADER,)

    @property
    def made_by(self) -> str:
        return "Stripe makes it: copy the signing secret (whsec_…) from the endpoint's page."

    def problem_with(self, secret: str) -> str | None:
        if not secret.startswith(SECRET_PREFIX):
            return "The signing secret of an endpoint of Stripe begins with whsec_; an API key is something else."
        return super().problem_with(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        found = _entries(ascii_header(request.headers, HEADER))
        if found is None:
            return refused("signature_malformed", "Stripe-Signature is missing, or not t= and v1= with 64 hex digits.")
        timestamp, signatures = found
        signed = f"{timestamp}.".encode() + request.body
        secret = index_of(signatures, [hmac_sha256(each.encode(), signed) for each in secrets])
        if secret is None:
            return refused("signature_wrong", "No v1 signature matches: another secret, or another body.")
        if is_off(int(timestamp), now, tolerance=TOLERANCE_SECONDS):
            return refused("timestamp_off", "The request was signed more than five minutes before or after now.")
        event_id = text_at(request.body, "id")
        return Verdict(is_genuine=True, delivery_id=short_id(event_id) if event_id else None, secret=secret)

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        timestamp = int(now.timestamp())
        signature = hmac_sha256(secret.encode(), f"{timestamp}.".encode() + request.body).hex()
        return {HEADER: f"t={timestamp},v1={signature}"}


def _entries(header: str | None) -> tuple[str, list[bytes]] | None:
    """Return the time as it was written and the ``v1`` signatures, or None if the header is not exactly as specified."""
    entries = header.split(",") if header else []
    if len(entries) > MAX_ENTRIES:
        return None
    timestamp: str | None = None
    signatures: list[bytes] = []
    for entry in entries:
        match entry.split("="):
            case ["t", text] if timestamp is None and unix_time(text) is not None:
                timestamp = text
            case ["v1", text] if _HEX.fullmatch(text):
                signatures.append(bytes.fromhex(text))
            case [version, text] if text and _OTHER_VERSION.fullmatch(version):
                continue  # Only v1 counts, or a weaker version could be asked for.
            case _:
                return None
    return (timestamp, signatures) if timestamp is not None and signatures else None
