"""No proof at all: whoever knows the address may call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import Scheme, Verdict, register


@register("none")
@dataclass(frozen=True)
class Unsigned(Scheme):
    """Only for random paths, which are as hard to guess as a secret."""

    needs_secret = False

    def problem_with(self, secret: str) -> str | None:
        return "This webhook checks no secret. Choose a signature scheme in its trigger node first."

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        return Verdict(is_genuine=True)
