"""No proof at all: whoever knows the address may call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Request, Scheme, Verdict, register


@register("none")
@dataclass(frozen=True)
class Unsigned(Scheme):
    """Only for random paths, which are as hard to guess as a secret."""

    needs_secret = False

    def problem_with(self, secret: str) -> str | None:
        return "This webhook checks no secret. Choose a signature scheme in its trigger node first."

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        return Verdict(is_genuine=True)

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        return {}
