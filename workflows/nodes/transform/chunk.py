"""The operation ``chunk``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import MAX_ITEMS, Batch
from workflows.nodes.transform.operation import Each, Example, Operation


class Chunk(Operation):
    """Put the items into lists of a given size; the last may be shorter."""

    operation: Literal["chunk"]
    size: Dynamic[Annotated[int, Field(ge=1, le=MAX_ITEMS)]] = Field(description="How many items a list has.")

    example: ClassVar[Example] = Example(
        value=[1, 2, 3, 4, 5],
        settings={"size": 2},
        output=[[1, 2], [3, 4], [5]],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a list of lists."""
        starts = range(0, len(batch.items), self.size)
        return Batch([list(batch.items[start : start + self.size]) for start in starts])
