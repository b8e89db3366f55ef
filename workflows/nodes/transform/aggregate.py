"""The operation ``aggregate``."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, NodeError
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.identity import identity, identity_by, values_by
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path, read, written


class Aggregate(Config):
    """One figure of a group."""

    of: Literal["count", "sum", "average", "min", "max", "first", "last", "list", "distinct"] = Field(
        description="`distinct` counts different values; `list` gathers them."
    )
    field: Path | None = Field(default=None, description="Path in each item; left out, the item itself.")


class AggregateItems(Operation):
    """Group the items by fields and compute figures for each group; without `by`, for all of them."""

    operation: Literal["aggregate"]
    by: Annotated[list[Path], Field(max_length=10)] = Field(default=[], description="The fields to group by.")
    fields: Annotated[dict[Path, Aggregate], Field(max_length=100)] = Field(
        default={}, description="Path of the new field to the figure that it gets."
    )

    example: ClassVar[Example] = Example(
        value=[{"city": "Bonn", "total": 0.1}, {"city": "Rom", "total": 5}, {"city": "Bonn", "total": 0.2}],
        settings={
            "by": ["city"],
            "fields": {"sum": {"of": "sum", "field": "total"}, "orders": {"of": "list", "field": "total"}},
        },
        output=[{"city": "Bonn", "sum": 0.3, "orders": [0.1, 0.2]}, {"city": "Rom", "sum": 5, "orders": [5]}],
    )

    @model_validator(mode="after")
    def _has_something_to_do(self) -> AggregateItems:
        if not self.by and not self.fields:
            raise PydanticCustomError("missing_key", "Without `by`, aggregating needs `fields`.", {"key": "fields"})
        return self

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return an object for each group, in the order of their first items; without ``by``, one object."""
        if not self.by:
            return Batch([self._figures({}, batch.items)], is_list=False)
        groups: dict[Hashable, list[Any]] = {}
        for item in batch.items:
            groups.setdefault(identity_by(item, self.by), []).append(item)
        return Batch([self._figures(self._head(items[0]), items) for items in groups.values()])

    def _head(self, item: Any) -> dict[str, Any]:
        head: dict[str, Any] = {}
        for path, value in values_by(item, self.by).items():
            head = written(head, path, value)
        return head

    def _figures(self, head: dict[str, Any], items: Sequence[Any]) -> dict[str, Any]:
        for path, aggregate in self.fields.items():
            head = written(head, path, _figure(aggregate, items))
        return head


def _figure(aggregate: Aggregate, items: Sequence[Any]) -> Any:
    read_all = [item if aggregate.field is None else read(item, aggregate.field) for item in items]
    # As in SQL: what is missing or null is not counted.
    values = [value for value in read_all if value is not MISSING and value is not None]
    match aggregate.of:
        case "count":
            return len(values)
        case "distinct":
            return len({identity(value) for value in values})
        case "list":
            return values
        case "first":
            return values[0] if values else None
        case "last":
            return values[-1] if values else None
        case "sum":
            return _number(_exact_sum(values, aggregate))
        case "average":
            return _number(_exact_sum(values, aggregate) / len(values)) if values else None
        case "min":
            return _extreme(min, values, aggregate)
        case "max":
            return _extreme(max, values, aggregate)


def _exact_sum(values: Sequence[Any], aggregate: Aggregate) -> Fraction:
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _not_comparable(aggregate, "numbers")
    return sum((Fraction(str(value)) for value in values), Fraction(0))


def _number(value: Fraction) -> int | float:
    if value.denominator == 1 and abs(value) < 1 << 63:  # Beyond, JSON has no integers that everybody reads.
        return value.numerator
    try:
        return float(value)
    except OverflowError as error:
        raise NodeError("number_too_large", "The sum is larger than any number of JSON: 1.8e308.") from error


def _extreme(pick: Callable[..., Any], values: Sequence[Any], aggregate: Aggregate) -> Any:
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not are_numbers and not all(isinstance(value, str) for value in values):
        raise _not_comparable(aggregate, "only numbers or only text")
    return pick(values, default=None)


def _not_comparable(aggregate: Aggregate, needed: str) -> NodeError:
    name = f"`{aggregate.field}`" if aggregate.field else "the items themselves"
    return NodeError("wrong_type", f"`{aggregate.of}` of {name} needs {needed}.")
