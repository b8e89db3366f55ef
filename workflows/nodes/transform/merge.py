"""The operation ``merge``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import Batch, gathered, objects
from workflows.nodes.transform.identity import identity_by, values_by
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import Path

Item = dict[str, Any]
Pair = tuple[Item | None, Item | None]


class Merge(Operation):
    """Bring the items together with those of another list."""

    operation: Literal["merge"]
    other: Dynamic[list[Any]] = Field(
        alias="with",
        description="The other list: `{{ nodes.orders.output }}`. Where both have a field, its value counts.",
    )
    how: Literal["append", "by_key", "by_position"] = Field(
        description="One after the other, items with the same key into one, or the first with the first."
    )
    key: Annotated[list[Path], Field(min_length=1, max_length=10)] | None = Field(
        default=None, description="With `by_key`: the fields that must be the same."
    )
    other_key: Annotated[list[Path], Field(min_length=1, max_length=10)] | None = Field(
        default=None, description="With `by_key`: those fields' names in the other list, if they differ."
    )
    keep: Literal["all", "matched", "first", "second", "only_first", "only_second"] = Field(
        default="all",
        description="What happens to items without a partner: keep them (full outer join), drop them (inner), keep those of the first list (left) or of the other (right); or keep nothing but those of the first list, or of the other, that have none (anti-join).",
    )

    example: ClassVar[Example] = Example(
        value=[{"sku": "a", "count": 2}, {"sku": "x", "count": 1}],
        settings={"how": "by_key", "key": ["sku"], "keep": "first", "with": [{"sku": "a", "name": "Chair"}]},
        output=[{"sku": "a", "count": 2, "name": "Chair"}, {"sku": "x", "count": 1}],
    )

    @model_validator(mode="after")
    def _key_goes_with_by_key(self) -> Merge:
        if (self.how == "by_key") != (self.key is not None):
            raise PydanticCustomError("missing_key", "`key` belongs to `how: by_key`, and only there.", {"key": "key"})
        if self.other_key is not None and len(self.other_key) != len(self.key or []):
            raise PydanticCustomError(
                "invalid_value", "`other_key` must name as many fields as `key`.", {"key": "other_key"}
            )
        return self

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return one list. Where both have a field, the other list's value wins."""
        other = Batch.of(self.other)
        match self.how:
            case "append":
                return Batch(gathered([*batch.items, *other.items]))
            case "by_position":
                pairs: Iterable[Pair] = zip_longest(objects(batch), objects(other))
            case "by_key":
                pairs = self._by_key(objects(batch), objects(other))
        kept = (pair for pair in pairs if self._is_kept(*pair))
        return Batch(gathered({**(left or {}), **(right or {})} for left, right in kept))

    def _is_kept(self, left: Item | None, right: Item | None) -> bool:
        match self.keep:
            case "all":
                return True
            case "first":
                return left is not None
            case "second":
                return right is not None
            case "matched":
                return left is not None and right is not None
            case "only_first":
                return right is None
            case "only_second":
                return left is None

    def _by_key(self, first: Sequence[Item], second: Sequence[Item]) -> Iterator[Pair]:
        """Yield each item with each of its partners: those of the first list in their order, then what is left over."""
        key = self.key or []
        partners: dict[Hashable, list[Item]] = {}
        for right in second:
            partners.setdefault(_mark(right, self.other_key or key), []).append(right)
        found: set[Hashable] = set()
        for left in first:
            mark = _mark(left, key)
            found.add(mark)
            alike: Sequence[Item | None] = partners.get(mark, [None]) if mark is not None else [None]
            yield from ((left, right) for right in alike)
        for right in second:
            if (mark := _mark(right, self.other_key or key)) is None or mark not in found:
                yield None, right


def _mark(item: Item, key: Sequence[str]) -> Hashable | None:
    """Return the identity of an item's key, or ``None`` where a part of it is missing or null: nothing is like it."""
    return None if None in values_by(item, key).values() else identity_by(item, key)
