"""Reading what somebody sent.

The library reserves memory for all cells between the first and the last one, and aborts its process when there is no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workflows.isolated.process import Exhausted, Limits, ask
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import MAX_ITEMS
from workflows.nodes.transform.spreadsheets.areas import Area
from workflows.nodes.transform.tables import MAX_CELLS

MAX_BYTES = 20 * 1024 * 1024
# Characters of all cells together: one text may stand in many cells, and is written out in each.
MAX_TEXT_CHARS = 20 * 1024 * 1024
LIMITS = Limits()

_FORMATS = ".xlsx, .xlsm, .xlsb, .xls or .ods"


@dataclass(frozen=True)
class Row:
    """A row with values. Columns count from 1; those without a value are not there."""

    number: int
    cells: dict[int, Any]


def rows_of(data: bytes, sheet: str | int, area: Area) -> list[Row]:
    """Return the rows of a sheet that have values.

    :param sheet: its name, in whatever case, or its number from 1.
    :raises NodeError: ``invalid_spreadsheet`` if it is none that can be read; ``no_sheet``; ``spreadsheet_too_large``,
        ``too_many_items``.
    """
    if len(data) > MAX_BYTES:
        raise _too_large(f"it has {len(data):,} bytes, and {MAX_BYTES:,} are possible")
    answer = _asked(data, sheet, area)
    match answer.get("problem"):
        case None:
            return [Row(number, dict(cells)) for number, cells in answer["rows"]]
        case "no_sheet":
            names = ", ".join(answer["sheets"])
            raise NodeError("no_sheet", f"There is no sheet {sheet!r}. There are: {names[:300] or 'none'}.")
        case "rows":
            raise NodeError("too_many_items", f"There are more than {MAX_ITEMS:,} rows. Read a part: `range`.")
        case "cells":
            raise _too_large(f"there are more than {MAX_CELLS:,} cells, or {MAX_TEXT_CHARS:,} characters in them")
        case "password":
            raise _invalid("it has a password. Save it without one.")
        case _:
            raise _invalid(f"{answer['reason']}.")


def _asked(data: bytes, sheet: str | int, area: Area) -> dict[str, Any]:
    question = {
        "sheet": sheet,
        "area": (area.first_row, area.first_column, area.last_row, area.last_column),
        "most": {
            "rows": MAX_ITEMS + 1,
            "cells": MAX_CELLS,
            "chars": MAX_TEXT_CHARS,
        },  # The first row may name the columns.
    }
    try:
        answer: dict[str, Any] = ask("spreadsheets", question, [data], libraries=("python_calamine",), limits=LIMITS)
    except Exhausted as error:
        raise _too_large("to read it takes too much memory or time; cells that are far apart do") from error
    return answer


def _invalid(why: str) -> NodeError:
    return NodeError("invalid_spreadsheet", f"This is no spreadsheet ({_FORMATS}) that can be read: {why}")


def _too_large(why: str) -> NodeError:
    return NodeError(
        "spreadsheet_too_large", f"The spreadsheet is too large: {why}. Read a part (`range`), or split it."
    )
