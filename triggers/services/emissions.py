"""Events that workflows emit: decided on when the node ran, written in the commit that records it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from executions.engine.context import without_marks
from executions.models import WorkflowExecution
from projects.exceptions import SegueError
from triggers.models import Event
from triggers.services.events import Plan, first_like, new_event, plan_sent, same_again, write_event
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


def plan_emission(asked: EmitEvent, execution: WorkflowExecution, *, now: datetime) -> Emission:
    """Decide what an event comes to that a node emits. What it starts lies one deeper than the execution itself.

    :raises NodeError: ``invalid_event``, ``too_large``, or ``idempotency_mismatch`` if its id had another name or other data.
    """
    try:
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
        if first := first_like(event):
            return Emission(same_again(first, event), None)
    except SegueError as error:
        raise NodeError(error.code, error.message) from error
    return Emission(event, plan_sent(event, now=now))
