"""What a running node sees of the world: the engine's side of :class:`workflows.nodes.base.Context`."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from executions.live.texts import TextStream
from projects.masking import Masker
from workflows.http import Cancel
from workflows.http.secrets import FilledIn, Secret
from workflows.nodes.base import NodeError, PlannedCall

# What ``secret('NAME')`` and ``links.node`` evaluate to: the kind, the name, and the mark of this node run.
PLACEHOLDER = re.compile(r"⟦(secret|link):([A-Za-z_][A-Za-z0-9_]*):([0-9a-f]+)⟧")


def _no_scripts(body: str, items: Sequence[Any]) -> Any:
    raise NodeError("not_available_here", "No script can be run here.")


def _no_watchers() -> TextStream:
    raise NodeError("not_available_here", "Nobody can watch an answer come here.")


@dataclass
class RunContext:
    """One node run's view. Made by the worker's loop, used in the pool: it holds no connection to the database.

    ``ends_at`` is a moment of the monotonic clock, known once the node run has a thread.
    """

    input: Any
    now: datetime
    idempotency_key: str
    hops: int
    project_id: str
    default_timezone: str
    secret_mark: str
    secrets: Mapping[str, Secret]
    masker: Masker
    evaluate_items: Callable[[str, Sequence[Any]], list[Any]]
    run_body: Callable[[str, Sequence[Any]], Any] = _no_scripts
    run_body_each: Callable[[str, Sequence[Any]], list[Any]] = _no_scripts
    kept: Any = None
    # What its calls have waited for already (executions.outgoing).
    permit: Mapping[str, Any] | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    # Returns where an answer that comes in pieces is shown to those who watch.
    live_text: Callable[[], TextStream] = _no_watchers
    cancel: Cancel = field(default_factory=Cancel)
    filled_in: FilledIn = field(default_factory=FilledIn)
    ends_at: float = math.inf
    # Of a model call: what the ledger is asked, and the time to ask it at; who asks is for the worker to give.
    ask_of: Callable[[PlannedCall], Any] | None = None
    clock: Callable[[], datetime] | None = None
    reserve_with: Callable[[Any, datetime], None] | None = None
    planned: PlannedCall | None = None
    reserved_at: datetime | None = None

    @property
    def seconds_left(self) -> float:
        """For how long the node may still run; negative, if its time is over."""
        return self.ends_at - time.monotonic()

    def evaluate_each(self, expression: str, items: Sequence[Any]) -> list[Any]:
        """Evaluate one expression for each item.

        :raises NodeError: naming the expression and the index that failed.
        """
        return self.evaluate_items(expression, items)

    def run_script(self, body: str, items: Sequence[Any]) -> Any:
        """Run a script once, with ``items``.

        :raises NodeError: naming the line that failed.
        """
        return self.run_body(body, items)

    def run_script_each(self, body: str, items: Sequence[Any]) -> list[Any]:
        """Run a script for each item.

        :raises NodeError: naming the index and the line that failed.
        """
        return self.run_body_each(body, items)

    def reserve(self, call: PlannedCall) -> None:
        """Reserve what a call of a model may cost at most.

        :raises NodeError: if it may not be made.
        :raises Postponed: if the ledger cannot be asked now.
        """
        if self.ask_of is None or self.clock is None or self.reserve_with is None:
            raise NodeError("not_available_here", "No model can be called here.")
        now = self.clock()
        self.reserve_with(self.ask_of(call), now)
        self.planned, self.reserved_at = call, now

    @contextmanager
    def saying(self) -> Iterator[Callable[[str], None]]:
        """Show the pieces of an answer that is coming in to those who watch the execution."""
        stream = self.live_text()
        try:
            yield stream.write
        finally:
            stream.close()

    def keep(self, state: Any) -> None:
        """Note how far the node run has come, in case it is put off."""
        self.kept = state

    def fill_secrets(self, text: str) -> str:
        """Replace this node run's placeholders of secrets and links by their values. Any other text stays what it is.

        :raises NodeError: if a secret is not there any more, or cannot be read, or if an expression has changed its placeholder.
        """

        def value_of(found: re.Match[str]) -> str:
            kind, name, mark = found.groups()
            if mark != self.secret_mark:
                return found.group()  # Text from outside that only looks like a placeholder.
            if kind == "link":
                return self._link(name, found.group())
            secret = self.secrets.get(name)
            if secret is None:
                raise NodeError(
                    "unknown_secret",
                    f"There is no secret variable `{name}`. Set it on the workflow or its project, then run again.",
                )
            if secret.problem:
                raise NodeError("secret_unreadable", f"The secret `{name}` cannot be read: {secret.problem}")
            self.masker.add(secret.value)
            self.filled_in.note(secret)
            return secret.value

        filled = PLACEHOLDER.sub(value_of, text)
        # What is left of it would be sent in the place of the secret, and whoever gets it would only say that it is wrong.
        if self.secret_mark and (self.secret_mark in filled or self.secret_mark.upper() in filled):
            raise NodeError(
                "secret_changed",
                "An expression encodes or changes a secret or a link, which is filled in only afterwards. Write secret('NAME') or "
                "links.node as it is: `query`, `form` and `json` encode it, and `auth` makes basic authentication of it.",
            )
        return filled

    def fill_links(self, text: str) -> str:
        """Replace this node run's placeholders of links, and leave those of secrets: for what people read."""

        def value_of(found: re.Match[str]) -> str:
            kind, name, mark = found.groups()
            return self._link(name, found.group()) if (kind, mark) == ("link", self.secret_mark) else found.group()

        return PLACEHOLDER.sub(value_of, text)

    def _link(self, node_id: str, placeholder: str) -> str:
        link = self.links.get(node_id, placeholder)
        self.masker.add(link)  # Whoever reads it could call it.
        return link


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
