"""The operation ``parse_csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic, Template
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.csv_dialect import Delimiter
from workflows.nodes.transform.encodings import ByteEncoding, Charset, decoded, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, refuse_missing, refuse_unclear


class ParseCsv(FieldOperation):
    """Read CSV text as a list of objects, one for each row. All cells are text: types are not guessed."""

    operation: Literal["parse_csv"]
    header: bool = Field(default=True, description="The first row names the columns; without it, rows become lists.")
    columns: Annotated[list[str], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        default=None, description="Names of the columns, instead of those in a first row."
    )
    delimiter: Dynamic[Delimiter] = Field(default=",", description="What parts the cells; a tab is `\\t`.")
    quote: Annotated[str, Field(min_length=1, max_length=1)] | None = Field(
        default='"', description="What cells with delimiters or line breaks stand in; null: nothing."
    )
    trim: bool = Field(default=False, description="Take spaces around cells away.")
    empty: Literal["text", "null"] = Field(default="text", description="What an empty cell becomes.")
    ragged: Literal["fail", "fill"] = Field(
        default="fail", description="Rows with fewer cells than there are columns: fail, or fill up with empty ones."
    )
    required: Annotated[list[str], Field(max_length=MAX_COLUMNS)] = Field(
        default=[],
        description="Columns that must be there; without one of them the node fails, whatever the rows hold.",
    )
    encoded: ByteEncoding | None = Field(default=None, description="How bytes are written, if it is not text already.")
    charset: Charset = Field(default="utf-8", description="With `encoded`: how the bytes mean text.")

    example: ClassVar[Example] = Example(
        value='sku;price;note\r\na1;10,50;"large; red"\r\nb2;3;\r\n',
        settings={"delimiter": ";", "empty": "null"},
        output=[
            {"sku": "a1", "price": "10,50", "note": "large; red"},
            {"sku": "b2", "price": "3", "note": None},
        ],
    )

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> ParseCsv:
        delimiter = "" if isinstance(self.delimiter, Template) else self.delimiter
        if self.quote is not None and self.quote in f"\r\n\0{delimiter}":
            message = "Cells cannot stand in line breaks, nor in what parts them."
            raise PydanticCustomError("invalid_value", message, {"key": "quote"})
        return self

    def converted(self, value: Any, each: Each) -> Any:
        """Return the rows. Empty lines are no rows.

        :raises NodeError: ``invalid_csv``, naming the line.
        """
        written = text(value)
        source = written if self.encoded is None else decoded(read_bytes(written, self.encoded), self.charset)
        rows = self._rows(source.removeprefix("\ufeff"))
        names = self.columns
        if names is None and self.header:
            _, names = next(rows, (0, []))
            refuse_unclear(names, code="invalid_csv")
        refuse_missing(self.required, names or [])
        if names is None:
            return gathered(list(map(self._cell, row)) for _, row in rows)
        return gathered(self._object(names, line, row) for line, row in rows)

    def _rows(self, source: str) -> Iterator[tuple[int, list[str]]]:
        """Yield each row with the line on which it ends."""
        quoting: Any = {"quoting": csv.QUOTE_NONE} if self.quote is None else {"quotechar": self.quote}
        reader = csv.reader(io.StringIO(source, newline=""), delimiter=self.delimiter, strict=True, **quoting)
        cells = 0
        try:
            for row in reader:
                cells += len(row)
                if cells > MAX_CELLS or len(row) > MAX_COLUMNS:
                    raise NodeError(
                        "csv_too_large", f"There are more than {MAX_CELLS:,} cells, or {MAX_COLUMNS:,} in a row."
                    )
                if row:
                    yield reader.line_num, [cell.strip() for cell in row] if self.trim else row
        except csv.Error as error:
            raise NodeError("invalid_csv", f"Line {reader.line_num} of the CSV text is wrong: {error}.") from error

    def _object(self, names: list[str], line: int, row: list[str]) -> dict[str, Any]:
        if len(row) > len(names) or (len(row) < len(names) and self.ragged == "fail"):
            raise NodeError(
                "invalid_csv",
                f"Line {line} has {len(row)} cells, and there are {len(names)} columns. Is `delimiter` right? "
                "`ragged: fill` fills short rows up.",
            )
        filled = [*row, *[""] * (len(names) - len(row))]
        return dict(zip(names, map(self._cell, filled), strict=True))

    def _cell(self, cell: str) -> str | None:
        return None if cell == "" and self.empty == "null" else cell
