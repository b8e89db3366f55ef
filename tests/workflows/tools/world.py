"""What a tool sees of the world, without an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from projects.masking import Masker
from tests.clock import NOON
from workflows.expressions import InProcessSandbox, render_each

SANDBOX = InProcessSandbox()

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
    kept: object = None

    @cached_property
    def masker(self):
        return Masker(self.secrets.values())

    def evaluate_each(self, expression, items):
        return render_each(expression, items, SANDBOX, {}, now=self.now)

    def keep(self, state):
        self.kept = json.loads(json.dumps(state))

    def fill_secrets(self, text):
        for name, value in self.secrets.items():
            text = text.replace(f"⟦{name}⟧", value)
        return text

    def fill_links(self, text):
        return text
