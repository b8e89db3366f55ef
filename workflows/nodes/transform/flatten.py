"""The operation ``flatten``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.operation import Each, Example, Operation


class Flatten(Operation):
    """Bring the fields of objects inside each item up to its top: `customer.name` becomes `customer_name`."""

    operation: Literal["flatten"]
    separator: Annotated[str, Field(min_length=1, max_length=10)] = Field(
        default="_", description="What stands between the keys."
    )

    example: ClassVar[Example] = Example(
        value={"id": 1, "customer": {"name": "Ada", "city": "Bonn"}},
        output={"id": 1, "customer_name": "Ada", "customer_city": "Bonn"},
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return objects of one level. Lists and empty objects stay as they are; of two equal keys the later wins."""
        return batch.with_items([dict(self._flat(item, "")) for item in objects(batch)])

    def _flat(self, item: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in item.items():
            if isinstance(value, dict) and value:
                yield from self._flat(value, prefix + key + self.separator)
            else:
                yield prefix + key, value
