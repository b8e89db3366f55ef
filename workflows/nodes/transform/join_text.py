"""The operation ``join_text``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.definition.pydantic_problems import type_of
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch, objects
from workflows.nodes.transform.field_operation import at
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, written


class JoinText(Operation):
    """Join a list of texts and numbers to one text: the items, or a list that each item holds."""

    operation: Literal["join_text"]
    field: Path | None = Field(default=None, description="The list in each item; left out, the items themselves.")
    into: Path | None = Field(default=None, description="Path of the field that gets the text; left out, the list's.")
    separator: Annotated[str, Field(max_length=100)] = Field(default=", ", description="What stands between the parts.")

    example: ClassVar[Example] = Example(
        value=["red", "large", 42], settings={"separator": " / "}, output="red / large / 42"
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return one text, or each item with its own.

        :raises NodeError: ``not_a_list`` or ``wrong_type``.
        """
        if self.field is None:
            return Batch([self._joined(batch.items)], is_list=False)
        items = []
        for index, item in enumerate(objects(batch)):
            with at(index):
                parts = read(item, self.field)
                if parts is MISSING or not isinstance(parts, list):
                    raise NodeError("not_a_list", f"`{self.field}` is no list.")
                items.append(written(item, self.into or self.field, self._joined(parts)))
        return batch.with_items(items)

    def _joined(self, parts: Sequence[Any]) -> str:
        for part in parts:
            if isinstance(part, bool) or not isinstance(part, str | int | float):
                raise NodeError("wrong_type", f"Only text and numbers can be joined, not {type_of(part)}.")
        return self.separator.join(map(str, parts))
