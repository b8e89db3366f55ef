"""A user and a password in the Authorization header (RFC 7617)."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import (
    LONGEST_SECRET,
    SHORTEST_SECRET,
    Request,
    Scheme,
    Verdict,
    proven_by,
    refused,
    register,
)
from triggers.webhooks.signatures.macs import index_of
from triggers.webhooks.signatures.made_here import new_secret
from triggers.webhooks.signatures.reading import ascii_header, strict_base64

_CREDENTIALS = re.compile(r"basic +([A-Za-z0-9+/=]+)", re.IGNORECASE)


@register("basic")
@dataclass(frozen=True)
class Basic(Scheme):
    """``Authorization: Basic <base64 of user:password>``. The secret is ``user:password``."""

    challenge = 'Basic realm="webhook", charset="UTF-8"'

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return ("authorization",)

    def problem_with(self, secret: str) -> str | None:
        user, colon, password = secret.partition(":")
        if not user or not colon:
            return "A secret of this scheme is user:password; the user has no colon and is not empty."
        if len(password) < SHORTEST_SECRET or len(secret) > LONGEST_SECRET:
            return f"The password has at least {SHORTEST_SECRET} characters, both together at most {LONGEST_SECRET}."
        return None if secret.isprintable() else "User and password have printable characters only."

    def new_secret(self) -> str:
        return f"webhook:{new_secret()}"

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        found = _CREDENTIALS.fullmatch(ascii_header(request.headers, "authorization") or "")
        given = strict_base64(found[1]) if found else None
        if given is None:
            return refused(
                "credentials_missing", "The request has no header Authorization: Basic with user and password."
            )
        return proven_by(
            index_of([given], [secret.encode() for secret in secrets]),
            otherwise=refused("credentials_wrong", "User and password are not the webhook's secret."),
        )

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
