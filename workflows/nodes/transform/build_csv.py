"""The operation ``build_csv``."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.transform.batch import Batch
from workflows.nodes.transform.csv_dialect import Delimiter
from workflows.nodes.transform.encodings import ByteEncoding, Charset, encoded, written_bytes
from workflows.nodes.transform.operation import Each, Example, Operation
from workflows.nodes.transform.paths import Path
from workflows.nodes.transform.tables import MAX_CELLS, MAX_COLUMNS, table_of

# OWASP, "CSV Injection": what a cell begins with that a spreadsheet takes for a formula, also in its wide forms.
_FORMULA = re.compile("[=+\\-@\\t\\r\\n\uff1d\uff0b\uff0d\uff20|%]")
# Signs and digits alone name no function and no other cell: +49 30 1234, -5.
_HARMLESS = re.compile(r"[+-][0-9 ().,/-]*", re.ASCII)

_QUOTING: Mapping[str, Any] = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "text": csv.QUOTE_NONNUMERIC}


class BuildCsv(Operation):
    """Write the items as one CSV text, a row for each."""

    operation: Literal["build_csv"]
    columns: Annotated[list[Path], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        default=None, description="Paths of the fields, in order; left out, all keys as they first come."
    )
    header: bool = Field(default=True, description="Begin with a row of the columns' names.")
    delimiter: Dynamic[Delimiter] = Field(default=",", description="What parts the cells; a tab is `\\t`.")
    quoting: Literal["minimal", "all", "text"] = Field(
        default="minimal", description="Which cells stand in quotes: those that need it, all, or all but numbers."
    )
    line_end: Literal["crlf", "lf"] = Field(default="crlf", description="How lines end; RFC 4180 says CRLF.")
    formulas: Literal["escape", "refuse", "keep"] = Field(
        default="escape",
        description="Text that a spreadsheet would run as a formula: put `'` before it, fail, or leave it as it is.",
    )
    byte_order_mark: bool = Field(default=False, description="Begin with U+FEFF, so that Excel takes it for UTF-8.")
    encode: ByteEncoding | None = Field(default=None, description="Give bytes, written so, instead of text.")
    charset: Charset = Field(default="utf-8", description="With `encode`: the encoding of the text.")

    example: ClassVar[Example] = Example(
        value=[{"sku": "a1", "count": 2, "note": "large, red"}, {"sku": "b2", "count": 0.5, "note": "=HYPERLINK(A1)"}],
        output='sku,count,note\r\na1,2,"large, red"\r\nb2,0.5,\'=HYPERLINK(A1)\r\n',
    )

    def apply(self, batch: Batch, each: Each) -> Batch:
        """Return one text. Null and what is missing are empty cells; objects and lists in cells are JSON.

        :raises NodeError: ``csv_too_large``, ``formula`` or ``not_an_object``.
        """
        written = io.StringIO(newline="")
        writer = csv.writer(
            written,
            delimiter=self.delimiter,
            quoting=_QUOTING[self.quoting],
            lineterminator="\r\n" if self.line_end == "crlf" else "\n",
        )
        names, rows = table_of(batch, self.columns)
        if len(names) > MAX_COLUMNS or len(names) * len(rows) > MAX_CELLS:
            raise NodeError("csv_too_large", f"There are more than {MAX_CELLS:,} cells, or {MAX_COLUMNS:,} columns.")
        if self.header and names:
            writer.writerow([self._cell(name) for name in names])
        writer.writerows([self._cell(value) for value in row] for row in rows)
        text = ("\ufeff" if self.byte_order_mark else "") + written.getvalue()
        result = text if self.encode is None else written_bytes(encoded(text, self.charset), self.encode)
        return Batch([result], is_list=False)

    def _cell(self, value: Any) -> Any:
        match value:
            case bool():
                return "true" if value else "false"
            case int() | float():
                return value
            case str():
                return self._text(value)
            case list() | dict():
                return json.dumps(value, ensure_ascii=False)
            case _:  # Null, or MISSING.
                return ""

    def _text(self, value: str) -> str:
        if self.formulas == "keep" or not _FORMULA.match(value) or _HARMLESS.fullmatch(value):
            return value
        if self.formulas == "refuse":
            raise NodeError(
                "formula",
                f"{value[:40]!r} would be run as a formula by a spreadsheet. `formulas: escape` writes it as text.",
            )
        return f"'{value}"
