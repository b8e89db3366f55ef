"""Started by the end of another workflow's execution."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from workflows.nodes.base import Config
from workflows.nodes.fields import OneExpression

# The ends that each choice means. What timed out has failed, too.
End = Literal["completed", "failed", "cancelled"]
ENDS: dict[str, tuple[End, ...]] = {
    "completed": ("completed",),
    "failed": ("failed",),
    "any": ("completed", "failed", "cancelled"),
}

WorkflowName = Annotated[str, Field(min_length=1, max_length=200)]


class WorkflowTrigger(Config):
    """The end of an execution of another workflow of the project starts it."""

    kind: Literal["workflow"]
    workflow: WorkflowName = Field(description="The other workflow's name or id, in the same project.")
    on: Literal["completed", "failed", "any"] = Field(
        default="completed",
        description="Which ends count: `failed` means failed or timed out, `any` all, cancelled ones too.",
    )
    filter: OneExpression | None = Field(
        default=None, description="Whether an end starts it: `{{ trigger.result.total > 100 }}`. Left out, each does."
    )

    @property
    def topics(self) -> list[str]:
        """What it listens to, as :func:`topic_of` says it. An id is also meant however it is written."""
        names = {self.workflow, _as_id(self.workflow)}
        return sorted(topic_of(end, name) for end in ENDS[self.on] for name in names)


def topic_of(end: End, workflow: str) -> str:
    """Return the topic of a kind of end of a workflow, by the workflow's name or id.

    >>> topic_of("failed", "Orders")
    'failed:Orders'
    """
    return f"{end}:{workflow}"


def _as_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return text
