"""The operation ``parse_excel``."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.encodings import ByteEncoding, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.spreadsheets.areas import Area, column_letters
from workflows.nodes.transform.spreadsheets.reading import MAX_TEXT_CHARS, Row, rows_of
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, refuse_missing, refuse_unclear


def _area(text: str) -> str:
    if Area.of(text) is None:
        raise PydanticCustomError(
            "invalid_value",
            "A range is written as A3 (from there on), B:F, B3:F or B3:F200; the first cell comes first.",
        )
    return text


class ParseExcel(FieldOperation):
    """Read a sheet of a spreadsheet (.xlsx, .xls, .xlsb, .ods) as a list of objects, one for each row that is not empty."""

    operation: Literal["parse_excel"]
    takes_long: ClassVar[bool] = True
    sheet: Dynamic[Annotated[str, Field(min_length=1, max_length=100)] | Annotated[int, Field(ge=1, le=1_000)]] = Field(
        default=1, description="The sheet's name, or its number from 1."
    )
    header: bool = Field(
        default=True, description="The first row that is not empty names the columns; without it, rows become lists."
    )
    columns: Annotated[list[str], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        default=None, description="Names of the columns from the range's first on, instead of those in a first row."
    )
    range: Annotated[str, AfterValidator(_area)] = Field(
        default="A1", description="Which cells count: `B3` (from there on), `B:F`, `B3:F`, `B3:F200`."
    )
    required: Annotated[list[str], Field(max_length=MAX_COLUMNS)] = Field(
        default=[],
        description="Columns that must be there; without one of them the node fails, whatever the rows hold.",
    )
    encoded: ByteEncoding = Field(default="base64", description="How the file's bytes are written.")

    example: ClassVar[Example] = Example(
        value=base64.b64encode(Path(__file__).with_name("spreadsheets").joinpath("example.xlsx").read_bytes()).decode(),
        output=[
            {"sku": "a1", "count": 2, "in stock": True, "note": "large; red"},
            {"sku": "b2", "count": 0.5, "in stock": False, "note": None},
        ],
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the rows.

        :raises NodeError: ``invalid_spreadsheet``, ``no_sheet``, ``spreadsheet_too_large``, ``too_many_items``, ``missing_column``.
        """
        area = Area.of(self.range) or Area()
        rows = rows_of(read_bytes(text(value), self.encoded), self.sheet, area)
        names = self._names(rows, area)
        refuse_missing(self.required, list(names.values()) if names else [])
        if names is None:
            return _lists(rows, area)
        _refuse_multiplied(len(rows), names=sum(map(len, names.values())), columns=len(names))
        return gathered(_object(names, row) for row in rows)

    def _names(self, rows: list[Row], area: Area) -> dict[int, str] | None:
        """Return the names of the columns by their numbers, and take the row that holds them away."""
        if self.columns is not None:
            return dict(enumerate(self.columns, area.first_column))
        if not self.header:
            return None
        if not rows:
            return {}
        names = {column: _name(value) for column, value in sorted(rows.pop(0).cells.items())}
        refuse_unclear(list(names.values()), code="invalid_spreadsheet")
        if len(names) > MAX_COLUMNS:
            raise NodeError(
                "spreadsheet_too_large", f"There are more than {MAX_COLUMNS:,} columns. Read a part: `range`."
            )
        return names


def _name(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).strip()


def _object(names: dict[int, str], row: Row) -> dict[str, Any]:
    if nameless := [column for column in row.cells if column not in names]:
        raise NodeError(
            "invalid_spreadsheet",
            f"Cell {column_letters(nameless[0])}{row.number} has a value, and its column has no name. Leave it out with "
            "`range`, name the columns with `columns`, or set `header: false`.",
        )
    return {name: row.cells.get(column) for column, name in names.items()}


def _lists(rows: list[Row], area: Area) -> list[list[Any]]:
    last = max((max(row.cells) for row in rows), default=0)
    _refuse_multiplied(len(rows), names=0, columns=last - area.first_column + 1)
    return gathered([row.cells.get(column) for column in range(area.first_column, last + 1)] for row in rows)


def _refuse_multiplied(rows: int, *, names: int, columns: int) -> None:
    """Refuse few cells far apart, and few long names: written out, each row has all columns, and their names."""
    if columns > MAX_COLUMNS or rows * columns > MAX_CELLS or rows * names > MAX_TEXT_CHARS:
        raise NodeError(
            "spreadsheet_too_large",
            f"The table has more than {MAX_CELLS:,} cells, {MAX_COLUMNS:,} columns, or {MAX_TEXT_CHARS:,} characters. Read a part: "
            "`range`.",
        )
