"""What operations have in common that make one value of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from workflows.definition.pydantic_problems import type_of
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, written
from workflows.nodes.transform.size import Room


@dataclass(frozen=True)
class Found:
    """A value, and the item that it was found in."""

    index: int
    item: Any
    value: Any


class FieldOperation(Operation):
    """Makes one value of another: of a field of each item, or of the item itself."""

    field: Path | None = Field(default=None, description="Path in each item; left out, the item itself.")
    into: Path | None = Field(
        default=None, description="Path of the field that gets the result; left out, it takes the value's place."
    )
    if_missing: Literal["fail", "skip"] = Field(
        default="fail", description="What happens where there is no value, or null: fail, or leave the item as it is."
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return as many items. A single value that becomes a list becomes its items."""
        found = [there for index, item in enumerate(batch.items) if (there := self._found(index, item)) is not None]
        items = list(batch.items)
        for there, result in zip(found, self.converted_all(found, each), strict=True):
            with at(there.index):
                items[there.index] = self._put(there.item, result)
        is_whole = self.field is None and self.into is None and not batch.is_list
        return Batch.of(items[0]) if is_whole else batch.with_items(items)

    def converted_all(self, found: Sequence[Found], each: Each) -> list[Any]:
        """Return the result for each value.

        :raises NodeError: naming the first item for which there is none.
        """
        results, room = [], Room()
        for there in found:
            with at(there.index):
                results.append(self.converted(there.value, each))
                room.take(results[-1])
        return results

    def converted(self, value: Any, each: Each) -> Any:
        """Return the result for one value.

        :raises NodeError: if there is none.
        """
        raise NotImplementedError(f"{type(self).__name__} makes nothing of a value.")

    def _found(self, index: int, item: Any) -> Found | None:
        value = item if self.field is None else read(item, self.field)
        if value is not MISSING and value is not None:
            return Found(index, item, value)
        if self.if_missing == "skip":
            return None
        what = f"`{self.field}` of item {index}" if self.field else f"Item {index}"
        raise NodeError(
            "missing_field",
            f"{what} {'is null' if value is None else 'is not there'}. `if_missing: skip` lets it pass.",
        )

    def _put(self, item: Any, result: Any) -> Any:
        target = self.into or self.field
        if target is None:
            return result
        if not isinstance(item, dict):
            raise NodeError("not_an_object", f"It is no object, so that nothing can be put at `{target}`.")
        return written(item, target, result)


@contextmanager
def at(index: int) -> Iterator[None]:
    """Name the item in the errors that are raised within."""
    try:
        yield
    except NodeError as error:
        raise NodeError(
            error.code, f"Item {index}: {error.message}", details={**error.details, "item": index}
        ) from error


def text(value: Any) -> str:
    """Return a value as the text that it must be.

    :raises NodeError: ``wrong_type``.
    """
    if isinstance(value, str):
        return value
    raise NodeError("wrong_type", f"This must be text, not {type_of(value)}.")
