"""The operation ``remove``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import Path, without


class RemoveFields(Operation):
    """Remove fields of each item. One that is not there is no error."""

    operation: Literal["remove"]
    fields: Annotated[list[Path], Field(min_length=1, max_length=200)] = Field(description="Paths to remove.")

    example: ClassVar[Example] = Example(
        value=[{"id": 1, "note": "x", "meta": {"a": 1, "b": 2}}],
        settings={"fields": ["note", "meta.a"]},
        output=[{"id": 1, "meta": {"b": 2}}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return copies without the fields."""
        items = objects(batch)
        for path in self.fields:
            items = [without(item, path) for item in items]
        return batch.with_items(items)
