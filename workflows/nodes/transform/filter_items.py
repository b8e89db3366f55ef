"""The operation ``filter``."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation


class FilterItems(Operation):
    """Keep the items for which a condition holds."""

    operation: Literal["filter"]
    where: Dynamic[bool] = Field(description="An expression that is true or false: `{{ item.total > 100 }}`.")

    example: ClassVar[Example] = Example(
        value=[{"total": 80}, {"total": 250}],
        settings={"where": "{{ item.total > 100 }}"},
        output=[{"total": 250}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a list of those that are kept."""
        kept = each.truth(self.where, batch.items, field="where")
        return Batch([item for item, is_kept in zip(batch.items, kept, strict=True) if is_kept])
