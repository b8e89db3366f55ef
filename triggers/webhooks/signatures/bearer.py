"""A secret in the Authorization header (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, proven_by, refused, register
from triggers.webhooks.signatures.macs import index_of
from triggers.webhooks.signatures.reading import ascii_header

_TOKEN = re.compile(r"bearer +([\x21-\x7e]+)", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]*")


def problem_with_token(secret: str) -> str | None:
    """Return why a text can't stand in a header, or None if it can."""
    return None if _VISIBLE_ASCII.fullmatch(secret) else "A token has visible ASCII characters only, no spaces."


def bearer_token(request: Request) -> str | None:
    """Return what stands after ``Bearer`` in the Authorization header, or None if it is not exactly so."""
    found = _TOKEN.fullmatch(ascii_header(request.headers, "authorization") or "")
    return found[1] if found else None


@register("bearer")
@dataclass(frozen=True)
class Bearer(Scheme):
    """``Authorization: Bearer <secret>``."""

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return ("authorization",)

    def problem_with(self, secret: str) -> str | None:
        return super().problem_with(secret) or problem_with_token(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        token = bearer_token(request)
        if token is None:
            return refused("token_missing", "The request has no header Authorization: Bearer.")
        return proven_by(
            index_of([token.encode()], [secret.encode() for secret in secrets]),
            otherwise=refused("token_wrong", "The bearer token is not the webhook's secret."),
        )

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {"authorization": f"Bearer {secret}"}
