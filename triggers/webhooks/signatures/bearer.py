"""A secret in the Authorization header (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Scheme, Verdict, ascii_header, is_one_of, refused, register

_TOKEN = re.compile(r"bearer +([\x21-\x7e]+)", re.IGNORECASE)
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]*")


def problem_with_token(secret: str) -> str | None:
    """Return why a text can't stand in a header, or None if it can."""
    return None if _VISIBLE_ASCII.fullmatch(secret) else "A token has visible ASCII characters only, no spaces."


@register("bearer")
@dataclass(frozen=True)
class Bearer(Scheme):
    """``Authorization: Bearer <secret>``."""

    def problem_with(self, secret: str) -> str | None:
        return super().problem_with(secret) or problem_with_token(secret)

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        found = _TOKEN.fullmatch(ascii_header(headers, "authorization") or "")
        if found is None:
            return refused("token_missing", "The request has no header Authorization: Bearer.")
        if not is_one_of(found[1].encode(), [secret.encode() for secret in secrets]):
            return refused("token_wrong", "The bearer token is not the webhook's secret.")
        return Verdict(is_genuine=True)
