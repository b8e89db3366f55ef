"""The operation ``name_columns``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, refuse_missing, refuse_unclear

Name = Annotated[str, Field(min_length=1, max_length=200)]


class NameColumns(Operation):
    """Make an object of each row of a table of lists, as Google's Sheets and many databases give them. Empty rows are left out."""

    operation: Literal["name_columns"]
    columns: Annotated[list[Name], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        default=None, description="Names of the columns, instead of those in the first row."
    )
    empty: Literal["text", "null"] = Field(
        default="text", description="What a cell becomes that a row is too short for: an empty text, or null."
    )
    number: Name | None = Field(
        default=None, description="A field for the row's number, from 1; a first row of names counts."
    )
    required: Annotated[list[Name], Field(max_length=MAX_COLUMNS)] = Field(
        default=[],
        description="Columns that must be there; without one of them the node fails, whatever the rows hold.",
    )

    example: ClassVar[Example] = Example(
        value=[["sku", "count"], ["a1", 2], [], ["b2"]],
        settings={"number": "row"},
        output=[{"row": 2, "sku": "a1", "count": 2}, {"row": 4, "sku": "b2", "count": ""}],
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return a list of objects.

        :raises NodeError: ``not_a_list``, ``invalid_table``, ``missing_column`` or ``table_too_large``.
        """
        rows = [_row(item, index) for index, item in enumerate(batch.items)]
        names = self.columns if self.columns is not None else [_name(cell) for cell in rows[0]] if rows else []
        refuse_unclear(names, code="invalid_table", instead="Name the columns with `columns`.")
        if self.number in names:
            raise NodeError("invalid_table", f"A column is called {self.number!r} already. Choose another `number`.")
        refuse_missing(self.required, names)
        if len(names) > MAX_COLUMNS or len(names) * len(rows) > MAX_CELLS:
            raise NodeError("table_too_large", f"There are more than {MAX_COLUMNS:,} columns, or {MAX_CELLS:,} cells.")
        first = 0 if self.columns is not None else 1
        return Batch([self._object(names, row, first + at) for at, row in enumerate(rows[first:], 1) if row])

    def _object(self, names: Sequence[str], row: Sequence[Any], number: int) -> dict[str, Any]:
        if len(row) > len(names):
            raise NodeError("invalid_table", f"Row {number} has {len(row)} cells, and there are {len(names)} columns.")
        lacking = [None if self.empty == "null" else ""] * (len(names) - len(row))
        own = {} if self.number is None else {self.number: number}
        return own | dict(zip(names, [*row, *lacking], strict=True))


def _row(item: Any, index: int) -> list[Any]:
    if not isinstance(item, list):
        raise NodeError("not_a_list", f"Item {index} is no list, and so no row of a table.")
    return item


def _name(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) else "" if cell is None else str(cell)
