"""Events that executions emit. This app knows none: the one that does registers how they are decided on and kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

from executions.models import WorkflowExecution
from workflows.nodes.base import EmitEvent, NodeError


class Emission(Protocol):
    """An event that has been decided on, and is not written yet."""

    @property
    def output(self) -> dict[str, Any]:
        """What the node that emits it puts out."""

    def write(self, *, now: datetime) -> None:
        """Write it, in the transaction that records the node run.

        :raises django.db.Error: if it cannot be; the transaction is then to be undone, and the node run again.
        """


class Emitter(Protocol):
    """Decides what an event comes to. Called before the transaction that writes it."""

    def __call__(self, asked: EmitEvent, execution: WorkflowExecution, *, now: datetime) -> Emission:
        """Return what is to be written.

        :raises NodeError: if there can be no such event.
        """


_emitters: list[Emitter] = []


def register(emitter: Emitter) -> None:
    """Say who keeps events. There is one."""
    _emitters[:] = [emitter]


def plan(asked: EmitEvent, execution: WorkflowExecution, *, now: datetime) -> Emission:
    """Decide what an event that an execution emits comes to. Nothing is written yet.

    :raises NodeError: if there can be no such event.
    """
    if not _emitters:
        raise NodeError("no_events", "This installation keeps no events: its app `triggers` is not installed.")
    return _emitters[0](asked, execution, now=now)
