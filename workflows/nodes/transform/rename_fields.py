"""The operation ``rename``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, without, written


class RenameFields(Operation):
    """Move fields of each item to other names. A field that an item does not have stays away."""

    operation: Literal["rename"]
    fields: Annotated[dict[Path, Path], Field(min_length=1, max_length=200)] = Field(
        description="Old path to new path."
    )

    example: ClassVar[Example] = Example(
        value={"customer": {"mail": "ada@example.com"}},
        settings={"fields": {"customer.mail": "email"}},
        output={"customer": {}, "email": "ada@example.com"},
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return copies with the fields moved, one after another."""
        return batch.with_items([self._renamed(item) for item in objects(batch)])

    def _renamed(self, item: dict[str, object]) -> dict[str, object]:
        # All are read before one is written: two names can be exchanged.
        values = {new: read(item, old) for old, new in self.fields.items()}
        for old in self.fields:
            item = without(item, old)
        for new, value in values.items():
            if value is not MISSING:
                item = written(item, new, value)
        return item
