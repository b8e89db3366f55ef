"""Workbooks of one sheet. The same rows are the same bytes, and text never becomes a formula."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from workflows.nodes.base import NodeError
from workflows.nodes.transform.encodings import written_bytes
from workflows.nodes.transform.spreadsheets.areas import column_letters

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

MAX_CELL_CHARS = 32_767
# Excel keeps 15 digits of a number; a longer one, such as that of a card, would come out as another.
_LAST_EXACT = 10**15
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
    "default_date_format": "yyyy-mm-dd",
}
# Two files of the same rows would differ in when they were made, though a node that runs again must give the same.
_MADE = datetime(2000, 1, 1, tzinfo=UTC)
# Before, Excel counts a day too many.
_FIRST_DAY = date(1900, 3, 1)


def written_base64(
    names: Sequence[str], rows: Sequence[Sequence[Any]], *, sheet: str = "Sheet1", dates: frozenset[int] = frozenset()
) -> str:
    """Return a workbook (.xlsx) of these rows, in base64.

    :param names: of the columns, for a first row; none for no such row.
    :param rows: of text, numbers, truths and nulls.
    :param dates: the columns, from 0, whose ISO dates become Excel's.
    :raises NodeError: ``spreadsheet_too_large``, ``not_a_date``.
    """
    from xlsxwriter import Workbook  # Here: of all processes, few ever write one.

    written = io.BytesIO()
    with Workbook(written, _OPTIONS) as workbook:
        workbook.set_properties({"created": _MADE})
        moments = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        page = workbook.add_worksheet(sheet)
        for column, name in enumerate(names):
            _write(page, 0, column, name)
        for row, cells in enumerate(rows, 1 if names else 0):
            for column, value in enumerate(cells):
                if column in dates and isinstance(value, str) and value:
                    moment = _moment(value, row, column)
                    page.write_datetime(row, column, moment, moments if isinstance(moment, datetime) else None)
                elif value is not None and value != "":
                    _write(page, row, column, value)
    return written_bytes(written.getvalue(), "base64")


def _write(page: Worksheet, row: int, column: int, value: Any) -> None:
    match value:
        case bool():
            page.write_boolean(row, column, value)
        case int() | float() if abs(value) < _LAST_EXACT or isinstance(value, float):
            page.write_number(row, column, value)
        case _:
            text = str(value).encode("utf-16-le", "replace")  # Half a character (a lone surrogate) is none.
            if len(text) > 2 * MAX_CELL_CHARS:  # As Excel counts them.
                raise NodeError(
                    "spreadsheet_too_large",
                    f"Cell {_address(row, column)} would have more than {MAX_CELL_CHARS:,} characters.",
                )
            page.write_string(row, column, text.decode("utf-16-le"))


def _moment(value: str, row: int, column: int) -> date | datetime:
    """Return the date, or the date with a time, that a text says. Excel has no zones: it gets what the clock shows."""
    try:
        moment = datetime.fromisoformat(value).replace(tzinfo=None)
    except ValueError:
        moment = None
    if moment is None or moment.date() < _FIRST_DAY:
        raise NodeError(
            "not_a_date",
            f"Cell {_address(row, column)} should be a date, and is {value[:40]!r}. It takes 2026-11-26 or "
            f"2026-11-26T14:30:00, from {_FIRST_DAY} on.",
        )
    return moment if "T" in value or " " in value else moment.date()


def _address(row: int, column: int) -> str:
    return f"{column_letters(column + 1)}{row + 1}"
