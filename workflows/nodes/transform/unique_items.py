"""The operation ``unique``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.identity import identity_by
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import Path


class UniqueItems(Operation):
    """Keep the first of items that are the same."""

    operation: Literal["unique"]
    by: Annotated[list[Path], Field(max_length=10)] = Field(
        default=[], description="The fields that make two items the same; left out, all of them."
    )

    example: ClassVar[Example] = Example(
        value=[{"id": 1, "at": "09:00"}, {"id": 2, "at": "09:01"}, {"id": 1, "at": "09:02"}],
        settings={"by": ["id"]},
        output=[{"id": 1, "at": "09:00"}, {"id": 2, "at": "09:01"}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a list in which nothing comes twice."""
        firsts: dict[Hashable, Any] = {}
        for item in batch.items:
            firsts.setdefault(identity_by(item, self.by), item)
        return Batch(list(firsts.values()))
