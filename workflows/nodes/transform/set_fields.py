"""The operation ``set``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import Path, written


class SetFields(Operation):
    """Set fields of each item, computed from the item as it came in."""

    operation: Literal["set"]
    fields: Annotated[dict[Path, Dynamic[Any]], Field(min_length=1, max_length=200)] = Field(
        description="Path to value. Expressions see the `item` and its `index`."
    )
    only: bool = Field(default=False, description="Keep nothing but these fields.")

    example: ClassVar[Example] = Example(
        value={"price": 4, "count": 3},
        settings={"fields": {"total": "{{ item.price * item.count }}", "tax.rate": 0.19}},
        output={"price": 4, "count": 3, "total": 12, "tax": {"rate": 0.19}},
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return copies with the fields set, in the order in which they are written."""
        items = [{} for _ in batch.items] if self.only else objects(batch)
        for path, value in self.fields.items():
            values = each.value(value, batch.items)
            items = [written(item, path, new) for item, new in zip(items, values, strict=True)]
        return batch.with_items(items)
