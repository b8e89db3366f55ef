"""The operation ``parse_excel``."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.encodings import ByteEncoding, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, refuse_missing, refuse_unclear
from workflows.nodes.transform.workbook_format import MAX_TEXT_CHARS, Area, column_letters
from workflows.nodes.transform.workbook_reading import CellError, Row, Sheet, Workbook
from workflows.nodes.transform.workbook_writing import written_base64


def _area(text: str) -> str:
    if Area.of(text) is None:
        raise PydanticCustomError(
            "invalid_value",
            "A range is written as A3 (from there on), B:F, B3:F or B3:F200; the first cell comes first.",
        )
    return text


class ParseExcel(FieldOperation):
    """Read a sheet of an Excel workbook (.xlsx) as a list of objects, one for each row that is not empty."""

    operation: Literal["parse_excel"]
    takes_long: ClassVar[bool] = True
    sheet: Annotated[str, Field(min_length=1, max_length=100)] | Annotated[int, Field(ge=1, le=1_000)] = Field(
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
    errors: Literal["text", "null", "fail"] = Field(
        default="text",
        description="What a cell becomes that shows an error such as `#N/A`: that text, null, or a failure.",
    )
    required: Annotated[list[str], Field(max_length=MAX_COLUMNS)] = Field(
        default=[],
        description="Columns that must be there; without one of them the node fails, whatever the rows hold.",
    )
    encoded: ByteEncoding = Field(default="base64", description="How the file's bytes are written.")

    example: ClassVar[Example] = Example(
        value=written_base64(
            ["sku", "count", "in stock", "note"], [["a1", 2, True, "large; red"], ["b2", 0.5, False, None]]
        ),
        output=[
            {"sku": "a1", "count": 2, "in stock": True, "note": "large; red"},
            {"sku": "b2", "count": 0.5, "in stock": False, "note": None},
        ],
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the rows.

        :raises NodeError: ``invalid_excel``, ``no_sheet``, ``excel_too_large``, ``missing_column``, ``cell_error``.
        """
        workbook = Workbook(read_bytes(text(value), self.encoded))
        area = Area.of(self.range) or Area()
        rows = workbook.rows(self._sheet(workbook.sheets), area)
        names = self._names(rows, area)
        refuse_missing(self.required, list(names.values()) if names else [])
        if names is None:
            return self._lists(rows, area)
        _refuse_multiplied(len(rows), names=sum(map(len, names.values())), columns=len(names))
        return gathered(self._object(names, row) for row in rows)

    def _sheet(self, sheets: list[Sheet]) -> Sheet:
        if isinstance(self.sheet, int):
            found = sheets[self.sheet - 1 : self.sheet]
        else:
            found = [sheet for sheet in sheets if sheet.name.casefold() == self.sheet.casefold()]
        if not found:
            names = ", ".join(sheet.name for sheet in sheets)
            raise NodeError("no_sheet", f"There is no sheet {self.sheet!r}. There are: {names[:300] or 'none'}.")
        return found[0]

    def _names(self, rows: list[Row], area: Area) -> dict[int, str] | None:
        """Return the names of the columns by their numbers, and take the row that holds them away."""
        if self.columns is not None:
            return dict(enumerate(self.columns, area.first_column))
        if not self.header:
            return None
        if not rows:
            return {}
        names = {column: self._name(value) for column, value in sorted(rows.pop(0).cells.items())}
        refuse_unclear(list(names.values()), code="invalid_excel")
        if len(names) > MAX_COLUMNS:
            raise NodeError("excel_too_large", f"There are more than {MAX_COLUMNS:,} columns. Read a part: `range`.")
        return names

    def _name(self, value: Any) -> str:
        return ("true" if value else "false") if isinstance(value, bool) else str(value).strip()

    def _object(self, names: dict[int, str], row: Row) -> dict[str, Any]:
        if nameless := [column for column in row.cells if column not in names]:
            raise NodeError(
                "invalid_excel",
                f"Cell {column_letters(nameless[0])}{row.number} has a value, and its column has no name. Leave it out with "
                "`range`, name the columns with `columns`, or set `header: false`.",
            )
        return {name: self._cell(row, column) for column, name in names.items()}

    def _lists(self, rows: list[Row], area: Area) -> list[list[Any]]:
        last = max((max(row.cells) for row in rows), default=0)
        _refuse_multiplied(len(rows), names=0, columns=last - area.first_column + 1)
        return gathered([self._cell(row, column) for column in range(area.first_column, last + 1)] for row in rows)

    def _cell(self, row: Row, column: int) -> Any:
        value = row.cells.get(column)
        if not isinstance(value, CellError):
            return value
        if self.errors == "fail":
            raise NodeError(
                "cell_error",
                f"Cell {column_letters(column)}{row.number} shows {str(value)!r}. `errors: null` reads it as no value.",
            )
        return str(value) if self.errors == "text" else None


def _refuse_multiplied(rows: int, *, names: int, columns: int) -> None:
    """Refuse few cells far apart, and few long names: written out, each row has all columns, and their names."""
    if columns > MAX_COLUMNS or rows * columns > MAX_CELLS or rows * names > MAX_TEXT_CHARS:
        raise NodeError(
            "excel_too_large",
            f"The table has more than {MAX_CELLS:,} cells, {MAX_COLUMNS:,} columns, or {MAX_TEXT_CHARS:,} characters. Read a part: "
            "`range`.",
        )
