"""The operation ``limit``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import MAX_ITEMS, Batch
from workflows.nodes.transform.operation import Each, Example, Operation


class LimitItems(Operation):
    """Keep the first or the last items."""

    operation: Literal["limit"]
    count: Dynamic[Annotated[int, Field(ge=0, le=MAX_ITEMS)]] = Field(description="How many items to keep.")
    skip: Dynamic[Annotated[int, Field(ge=0, le=MAX_ITEMS)]] = Field(
        default=0, description="How many to leave out before."
    )
    side: Literal["first", "last"] = Field(default="first", description="From which end to count.")

    example: ClassVar[Example] = Example(
        value=[1, 2, 3, 4, 5],
        settings={"count": 2, "skip": 1},
        output=[2, 3],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a list of those that are kept, in their order."""
        if self.side == "first":
            return Batch(batch.items[self.skip : self.skip + self.count])
        end = max(0, len(batch.items) - self.skip)
        return Batch(batch.items[max(0, end - self.count) : end])
