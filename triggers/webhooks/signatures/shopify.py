"""Shopify's signature: shopify.dev, "Verify webhook deliveries"."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, proven_by, refused, register
from triggers.webhooks.signatures.macs import hmac_sha256, index_of
from triggers.webhooks.signatures.reading import ascii_header, strict_base64

HEADER = "x-shopify-hmac-sha256"
SIGNATURE_BYTES = 32

_ACCESS_TOKENS = ("shpat_", "shpca_", "shppa_", "shpua_")


@register("shopify")
@dataclass(frozen=True)
class Shopify(Scheme):
    """``X-Shopify-Hmac-Sha256``: base64 of the HMAC-SHA256 of the body. It signs no time; the delivery's id is the guard."""

    signs_body = True

    @property
    def delivery_header(self) -> str:
        # That of the delivery, the same for each attempt. X-Shopify-Event-Id is shared by all subscriptions to a change.
        return "x-shopify-webhook-id"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (HEADER,)

    @property
    def made_by(self) -> str:
        return "Shopify makes it: copy the app's client secret, or the one below Settings, Notifications, Webhooks."

    def problem_with(self, secret: str) -> str | None:
        if secret.startswith(_ACCESS_TOKENS):
            return "That is an access token of Shopify. The secret is the app's client secret."
        return super().problem_with(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        signature = strict_base64(ascii_header(request.headers, HEADER) or "")
        if signature is None or len(signature) != SIGNATURE_BYTES:
            return refused("signature_malformed", "X-Shopify-Hmac-Sha256 is missing or not the base64 of 32 bytes.")
        return proven_by(
            index_of([signature], [hmac_sha256(secret.encode(), request.body) for secret in secrets]),
            otherwise=refused("signature_wrong", "The signature does not match: another secret, or another body."),
        )

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {HEADER: base64.b64encode(hmac_sha256(secret.encode(), request.body)).decode()}
