"""The operation ``split_out``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch, gathered, objects
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, written


class SplitOut(Operation):
    """Make an item of every element of a list that the items hold."""

    operation: Literal["split_out"]
    field: Path | None = Field(default=None, description="The list in each item; left out, each item is one.")
    keep_rest: bool = Field(
        default=False,
        description="Each element stays in a copy of its item, in place of the list, with the other fields.",
    )

    example: ClassVar[Example] = Example(
        value={"id": 1, "lines": [{"sku": "a"}, {"sku": "b"}]},
        settings={"field": "lines", "keep_rest": True},
        output=[{"id": 1, "lines": {"sku": "a"}}, {"id": 1, "lines": {"sku": "b"}}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return all elements of all lists. An item without the list has none."""
        if self.field is not None:
            objects(batch)
        return Batch(
            gathered(element for index, item in enumerate(batch.items) for element in self._split(index, item))
        )

    def _split(self, index: int, item: Any) -> Iterator[Any]:
        elements = item if self.field is None else read(item, self.field)
        if elements is MISSING or elements is None:
            return
        if not isinstance(elements, list):
            where = f"`{self.field}` of item {index}" if self.field else f"Item {index}"
            raise NodeError("not_a_list", f"{where} is no list, so it cannot be split.")
        for element in elements:
            yield written(item, self.field, element) if self.keep_rest and self.field else element
