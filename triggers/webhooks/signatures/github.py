"""GitHub's signature: docs.github.com, "Validating webhook deliveries". Meta's is the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, proven_by, refused, register
from triggers.webhooks.signatures.macs import hmac_sha256, index_of
from triggers.webhooks.signatures.reading import ascii_header

HEADER = "x-hub-signature-256"

_SIGNATURE = re.compile(r"sha256=([0-9a-f]{64})")
_ACCESS_TOKENS = ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")


@register("github")
@dataclass(frozen=True)
class GitHub(Scheme):
    """``X-Hub-Signature-256: sha256=<hex>``: HMAC-SHA256 of the body. It signs no time; the delivery's id is the guard."""

    signs_body = True

    @property
    def delivery_header(self) -> str:
        return "x-github-delivery"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (HEADER, "x-hub-signature")

    def problem_with(self, secret: str) -> str | None:
        if secret.startswith(_ACCESS_TOKENS):
            return "That is an access token of GitHub. The secret is the one that stands in the webhook's own settings."
        return super().problem_with(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        found = _SIGNATURE.fullmatch(ascii_header(request.headers, HEADER) or "")
        if found is None:
            return refused("signature_malformed", "X-Hub-Signature-256 is missing or not sha256= and 64 hex digits.")
        return proven_by(
            index_of([bytes.fromhex(found[1])], [hmac_sha256(secret.encode(), request.body) for secret in secrets]),
            otherwise=refused("signature_wrong", "The signature does not match: another secret, or another body."),
        )

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {HEADER: f"sha256={hmac_sha256(secret.encode(), request.body).hex()}"}
