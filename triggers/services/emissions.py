"""Events that workflows emit: decided on when the node ran, written in the commit that records it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executions.engine.context import without_marks
from executions.models import WorkflowExecution
from projects.exceptions import SegueError
from triggers.models import Event
from triggers.services.events import Plan, first_like, new_event, plan_sent, refuse_own, same_again, write_event
from workflows.nodes.base import EmitEvent, NodeError


@dataclass(frozen=True)
class Emission:
    """What an execution emits.

    :param plan: what is to be written; nothing, if an event of the same id was here before.
    """

    event: Event
    plan: Plan | None

    @property
    def output(self) -> dict[str, Any]:
        """What the node puts out."""
        return {"event_id": str(self.event.pk), "name": self.event.name, "is_duplicate": self.plan is None}

    def write(self, *, now: datetime) -> None:
        """Write the event and start what listens to it.

        :raises IntegrityError: if another one of the same id was written in this moment.
        """
        if self.plan is not None:
            write_event(self.plan, now=now)


def plan_emission(
    asked: EmitEvent, execution: WorkflowExecution, *, pending: Sequence[object] = (), now: datetime
) -> Emission:
    """Decide what an event comes to that a node emits. What it starts lies one deeper than the execution itself.

    :param pending: emissions that the next commit of the same execution will write already.
    :raises NodeError: ``invalid_event``, ``too_large``, or ``idempotency_mismatch`` if its id had another name or other data.
    """
    try:
        refuse_own(asked.name)
        event = new_event(
            execution.project_id,
            asked.name,
            without_marks(asked.data),
            id=asked.id,
            source=execution.workflow_name[:200],
            received_at=now,
            emitted_by=execution,
            depth=execution.depth + 1,
            hops=execution.execution_context.get("hops", 0),
        )
        if first := _pending_like(event, pending) or first_like(event):
            return Emission(same_again(first, event), None)
    except SegueError as error:
        raise NodeError(error.code, error.message) from error
    return Emission(event, plan_sent(event, now=now))


def _pending_like(event: Event, pending: Sequence[object]) -> Event | None:
    """Return an event of the same id that is not written yet: nodes of one execution may emit it in the same moment."""
    if event.dedupe_key is None:
        return None
    waiting = (each.event for each in pending if isinstance(each, Emission))
    return next((each for each in waiting if each.dedupe_key == event.dedupe_key), None)
