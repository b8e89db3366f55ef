"""The operation ``sort``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import Config, NodeError
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read


class SortKey(Config):
    """What to sort by."""

    field: Path | None = Field(default=None, description="Path in each item; left out, the item itself.")
    descending: bool = Field(default=False, description="Largest first.")


class SortItems(Operation):
    """Sort the items. Those without a value come last, equal ones keep their order."""

    operation: Literal["sort"]
    by: Annotated[list[SortKey], Field(min_length=1, max_length=10)] = Field(
        default=[SortKey()], description="What to sort by, the most important first."
    )

    example: ClassVar[Example] = Example(
        value=[{"name": "b", "age": 30}, {"name": "a", "age": 41}, {"name": "c"}],
        settings={"by": [{"field": "age", "descending": True}]},
        output=[{"name": "a", "age": 41}, {"name": "b", "age": 30}, {"name": "c"}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a sorted list."""
        items = list(batch.items)
        # The sort is stable, so that the last pass, by the most important key, decides.
        for key in reversed(self.by):
            items = _sorted(items, key)
        return Batch(items)


def _sorted(items: list[Any], key: SortKey) -> list[Any]:
    def value(item: Any) -> Any:
        return item if key.field is None else read(item, key.field)

    def has_value(item: Any) -> bool:
        return value(item) is not MISSING and value(item) is not None

    present = [item for item in items if has_value(item)]
    _refuse_mixed(present, value, key)
    absent = [item for item in items if not has_value(item)]
    return [*sorted(present, key=value, reverse=key.descending), *absent]


def _refuse_mixed(items: list[Any], value: Callable[[Any], Any], key: SortKey) -> None:
    kinds = {_kind(value(item)) for item in items}
    if len(kinds) > 1 or "" in kinds:
        name = f"`{key.field}`" if key.field else "the items themselves"
        raise NodeError("not_sortable", f"Sorting by {name} needs only numbers, only text, or only true and false.")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "truth"
        case int() | float():
            return "number"
        case str():
            return "text"
        case _:
            return ""
