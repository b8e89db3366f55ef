"""The operation ``split_text``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.transform.batch import MAX_ITEMS, gathered
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example


class SplitText(FieldOperation):
    """Split text at a separator into a list."""

    operation: Literal["split_text"]
    separator: Annotated[str, Field(min_length=1, max_length=100)] | None = Field(
        default=None, description="What stands between the parts; left out, line breaks."
    )
    limit: Annotated[int, Field(ge=1, le=MAX_ITEMS)] | None = Field(
        default=None, description="At most so many parts; the last one holds the rest."
    )
    trim: bool = Field(default=False, description="Take space around the parts away.")
    drop_empty: bool = Field(default=False, description="Leave empty parts out.")

    example: ClassVar[Example] = Example(
        value={"id": 1, "tags": "red, large,, new"},
        settings={"field": "tags", "separator": ",", "trim": True, "drop_empty": True},
        output={"id": 1, "tags": ["red", "large", "new"]},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the parts."""
        whole = text(value)
        if self.separator is None:
            parts = whole.splitlines()
            if self.limit is not None and len(parts) > self.limit:
                parts = [*parts[: self.limit - 1], "\n".join(parts[self.limit - 1 :])]
        else:
            parts = whole.split(self.separator, -1 if self.limit is None else self.limit - 1)
        trimmed = [part.strip() for part in parts] if self.trim else parts
        return gathered(part for part in trimmed if part or not self.drop_empty)
