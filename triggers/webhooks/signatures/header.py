"""A secret in a header of its own, as GitLab and many others send it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, proven_by, refused, register
from triggers.webhooks.signatures.bearer import problem_with_token
from triggers.webhooks.signatures.macs import index_of
from triggers.webhooks.signatures.reading import ascii_header


@register("header")
@dataclass(frozen=True)
class HeaderToken(Scheme):
    """``<header>: <secret>``."""

    header: str

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (self.header.lower(),)

    def problem_with(self, secret: str) -> str | None:
        return super().problem_with(secret) or problem_with_token(secret)

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        token = ascii_header(request.headers, self.header.lower())
        if token is None:
            return refused("token_missing", f"The request has no usable header {self.header}.")
        return proven_by(
            index_of([token.encode()], [secret.encode() for secret in secrets]),
            otherwise=refused("token_wrong", f"The token in {self.header} is not the webhook's secret."),
        )

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {self.header.lower(): secret}
