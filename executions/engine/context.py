"""What a running node sees of the world: the engine's side of :class:`workflows.nodes.base.Context`."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from workflows.http import Cancel
from workflows.nodes.base import NodeError

# What ``secret('NAME')`` and ``links.node`` evaluate to: the kind, the name, and the mark of this node run.
PLACEHOLDER = re.compile(r"⟦(secret|link):([A-Za-z_][A-Za-z0-9_]*):([0-9a-f]+)⟧")


@dataclass
class RunContext:
    """One node run's view. Made by the worker's loop, used in the pool: it holds no connection to the database.

    ``ends_at`` is a moment of the monotonic clock, known once the node run has a thread.
    """

    input: Any
    now: datetime
    idempotency_key: str
    hops: int
    default_timezone: str
    secret_mark: str
    secrets: Mapping[str, str]
    evaluate_items: Callable[[str, Sequence[Any]], list[Any]]
    links: Mapping[str, str] = field(default_factory=dict)
    cancel: Cancel = field(default_factory=Cancel)
    ends_at: float = math.inf

    @property
    def seconds_left(self) -> float:
        """For how long the node may still run; negative, if its time is over."""
        return self.ends_at - time.monotonic()

    def evaluate_each(self, expression: str, items: Sequence[Any]) -> list[Any]:
        """Evaluate one expression for each item.

        :raises NodeError: naming the expression and the index that failed.
        """
        return self.evaluate_items(expression, items)

    def fill_secrets(self, text: str) -> str:
        """Replace this node run's placeholders of secrets and links by their values. Any other text stays what it is.

        :raises NodeError: if a secret is not there any more.
        """

        def value(found: re.Match[str]) -> str:
            kind, name, mark = found.groups()
            if mark != self.secret_mark:
                return found.group()  # Text from outside that only looks like a placeholder.
            if kind == "link":
                return self.links.get(name, found.group())
            try:
                return self.secrets[name]
            except KeyError:
                raise NodeError(
                    "unknown_secret", f"There is no secret variable `{name}`. Set it on the workflow, then run again."
                ) from None

        return PLACEHOLDER.sub(value, text)


def without_marks(value: Any) -> Any:
    """Return JSON data in which placeholders read ``⟦secret:NAME⟧``: fit to be kept, and good for nothing."""
    match value:
        case str():
            return PLACEHOLDER.sub(r"⟦\1:\2⟧", value)
        case list():
            return [without_marks(item) for item in value]
        case dict():
            return {without_marks(key): without_marks(item) for key, item in value.items()}
        case _:
            return value
