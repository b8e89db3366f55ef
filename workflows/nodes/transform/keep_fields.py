"""The operation ``keep``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, written


class KeepFields(Operation):
    """Keep these fields of each item and no others. One that is not there is no error."""

    operation: Literal["keep"]
    fields: Annotated[list[Path], Field(min_length=1, max_length=200)] = Field(description="Paths to keep.")

    example: ClassVar[Example] = Example(
        value=[{"id": 1, "note": "x", "meta": {"a": 1, "b": 2}}],
        settings={"fields": ["id", "meta.a"]},
        output=[{"id": 1, "meta": {"a": 1}}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return new objects with only these fields."""
        return batch.with_items([self._kept(item) for item in objects(batch)])

    def _kept(self, item: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for path in self.fields:
            value = read(item, path)
            if value is not MISSING:
                kept = written(kept, path, value)
        return kept
