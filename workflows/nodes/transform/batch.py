"""What flows from one operation to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from workflows.nodes.base import NodeError

MAX_ITEMS = 10_000


@dataclass(frozen=True)
class Batch:
    """Items. A list's are its own; any other value is one item, and comes out as that one again."""

    items: Sequence[Any]
    is_list: bool = True

    @classmethod
    def of(cls, value: Any) -> Batch:
        """Return a value as items.

        :raises NodeError: ``too_many_items``.
        """
        return cls(gathered(value)) if isinstance(value, list) else cls([value], is_list=False)

    def with_items(self, items: Sequence[Any]) -> Batch:
        """Return as many other items in the same form."""
        return Batch(items, self.is_list)

    @property
    def value(self) -> Any:
        """The list, or the one item that the value was."""
        return list(self.items) if self.is_list else self.items[0]


def gathered(items: Iterable[Any]) -> list[Any]:
    """Return items as a list, and stop as soon as there are too many.

    :raises NodeError: ``too_many_items``.
    """
    found = list(islice(items, MAX_ITEMS + 1))
    if len(found) > MAX_ITEMS:
        raise NodeError("too_many_items", f"There are more than {MAX_ITEMS:,} items. Filter or limit them first.")
    return found


def objects(batch: Batch) -> list[dict[str, Any]]:
    """Return the items as the objects that they must be.

    :raises NodeError: ``not_an_object``.
    """
    for index, item in enumerate(batch.items):
        if not isinstance(item, dict):
            raise NodeError("not_an_object", f"Item {index} is no object. This operation works on the keys of objects.")
    return list(batch.items)
