"""GitHub's signature: docs.github.com, "Validating webhook deliveries"."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import (
    Scheme,
    Verdict,
    ascii_header,
    hmac_sha256,
    is_one_of,
    refused,
    register,
)

HEADER = "x-hub-signature-256"

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")


@register("github")
@dataclass(frozen=True)
class GitHub(Scheme):
    """``X-Hub-Signature-256: sha256=<hex>``: HMAC-SHA256 of the body. It signs no time; the delivery's id is the guard."""

    id_header = "x-github-delivery"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (HEADER, "x-hub-signature")

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        found = _SIGNATURE.fullmatch(ascii_header(headers, HEADER) or "")
        if found is None:
            return refused("signature_malformed", "X-Hub-Signature-256 is missing or not sha256= and 64 hex digits.")
        if not is_one_of(bytes.fromhex(found[1]), [hmac_sha256(secret.encode(), body) for secret in secrets]):
            return refused("signature_wrong", "The signature does not match: another secret, or another body.")
        return Verdict(is_genuine=True)
