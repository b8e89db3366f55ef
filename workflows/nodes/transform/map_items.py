"""The operation ``map``."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation


class MapItems(Operation):
    """Replace each item by a new value."""

    operation: Literal["map"]
    to: Dynamic[Any] = Field(description="The new value. Expressions see the `item` and its `index`.")

    example: ClassVar[Example] = Example(
        value=[{"id": 7}, {"id": 9}],
        settings={"to": "{{ index }}: {{ item.id }}"},
        output=["0: 7", "1: 9"],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return as many new items."""
        return batch.with_items(each.value(self.to, batch.items))
