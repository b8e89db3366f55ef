"""The operation ``build_excel``."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import MISSING, Path
from workflows.nodes.transform.spreadsheets.reading import MAX_TEXT_CHARS
from workflows.nodes.transform.spreadsheets.writing import written_base64
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, table_of


def _sheet_name(name: str) -> str:
    if (
        re.search(r"[\x00-\x1f\[\]:*?/\\]", name)
        or name.startswith("'")
        or name.endswith("'")
        or name.lower() == "history"
    ):
        raise PydanticCustomError(
            "invalid_value", "Excel takes no name of a sheet with []:*?/\\ in it, with ' at its ends, nor History."
        )
    return name


class BuildExcel(Operation):
    """Write the items as an Excel workbook (.xlsx) of one sheet, a row for each; the result is its bytes in base64."""

    operation: Literal["build_excel"]
    takes_long: ClassVar[bool] = True
    columns: Annotated[list[Path], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        default=None, description="Paths of the fields, in order; left out, all keys as they first come."
    )
    header: bool = Field(default=True, description="Begin with a row of the columns' names.")
    sheet: Annotated[str, Field(min_length=1, max_length=31), AfterValidator(_sheet_name)] = Field(
        default="Sheet1", description="The sheet's name."
    )
    dates: Annotated[list[Path], Field(max_length=MAX_COLUMNS)] = Field(
        default=[],
        description="Columns whose ISO dates, with or without a time, become dates of Excel; it has no time zones.",
    )

    example: ClassVar[Example] = Example(
        value=[{"sku": "a1", "count": 2}, {"sku": "=1+1", "count": None}],
        output="UEsDBBQAAAAI…",
    )

    def problems(self) -> list[Problem]:
        """Return which dates are in no column."""
        return [
            Problem("invalid_value", f"/dates/{index}", f"`{path}` is not among `columns`.")
            for index, path in enumerate(self.dates)
            if self.columns is not None and path not in self.columns
        ]

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return one text. Null and what is missing are empty cells; objects and lists in cells are JSON.

        :raises NodeError: ``spreadsheet_too_large``, ``not_a_date`` or ``not_an_object``.
        """
        names, rows = table_of(batch, self.columns)
        width = max([len(names), *map(len, rows)])
        if width > MAX_COLUMNS or width * len(rows) > MAX_CELLS:
            raise NodeError(
                "spreadsheet_too_large", f"There are more than {MAX_CELLS:,} cells, or {MAX_COLUMNS:,} columns."
            )
        cells = [[_cell(value) for value in row] for row in rows]
        if sum(len(value) for row in cells for value in row if isinstance(value, str)) > MAX_TEXT_CHARS:
            raise NodeError("spreadsheet_too_large", f"There are more than {MAX_TEXT_CHARS:,} characters in the cells.")
        dates = frozenset(index for index, name in enumerate(names) if name in self.dates)
        return Batch(
            [written_base64(names if self.header else [], cells, sheet=self.sheet, dates=dates)], is_list=False
        )


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return None if value is MISSING else value
