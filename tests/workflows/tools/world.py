"""What a tool sees of the world, without an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tests.clock import NOON

PROJECT = "01a21499-402b-7235-8eea-e2bbaab83e73"


@dataclass
class World:
    """A context whose secrets are filled in for ``⟦NAME⟧``."""

    input: object = None
    now: datetime = NOON
    seconds_left: float = 300.0
    idempotency_key: str = "execution:node:"
    hops: int = 0
    project_id: str = PROJECT
    default_timezone: str = "UTC"
    secrets: Mapping[str, str] = field(default_factory=dict)

    def evaluate_each(self, expression, items):
        raise AssertionError("The tool evaluates nothing.")

    def fill_secrets(self, text):
        for name, value in self.secrets.items():
            text = text.replace(f"⟦{name}⟧", value)
        return text
