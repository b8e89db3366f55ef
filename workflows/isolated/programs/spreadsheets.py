"""What reads one spreadsheet, in a process of its own: see :mod:`workflows.isolated`."""

from __future__ import annotations

import io
import math
from datetime import date, time, timedelta
from typing import Any

# The largest number up to which there is exactly one whole number for each.
LAST_WHOLE = 2**53


class Refused(Exception):
    """The question has no answer.

    :param problem: a word for what is wrong.
    """

    def __init__(self, problem: str, **more: Any) -> None:
        super().__init__(problem)
        self.answer = {"problem": problem, **more}


def answer(parts: list[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Return the rows that have values, or what is wrong."""
    import python_calamine as calamine

    try:
        workbook = calamine.load_workbook(io.BytesIO(parts[0]))
        return {"rows": _rows(_sheet(workbook, question["sheet"]), question["area"], question["most"])}
    except Refused as refused:
        return refused.answer
    except calamine.PasswordError:
        return {"problem": "password"}
    except calamine.CalamineError as error:
        return {"problem": "invalid", "reason": f"{error}"[:200].rstrip(".")}
    except Exception as error:  # The library's own faults.
        return {"problem": "invalid", "reason": f"the library that reads it failed ({type(error).__name__})"}


def _sheet(workbook: Any, asked: str | int) -> Any:
    names = workbook.sheet_names
    if isinstance(asked, int):
        found = names[asked - 1 : asked]
    else:
        found = [name for name in names if name.casefold() == asked.casefold()]
    if not found:
        raise Refused("no_sheet", sheets=names)
    return workbook.get_sheet_by_name(found[0])


def _rows(sheet: Any, area: list[int], most: dict[str, int]) -> list[tuple[int, list[tuple[int, Any]]]]:
    if sheet.start is None:
        return []
    first_row, first_column, last_row, last_column = area
    rows: list[tuple[int, list[tuple[int, Any]]]] = []
    cells = chars = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        if number < first_row:
            continue
        if number > last_row:
            break
        found = [
            (column, _value(cell))
            for column, cell in enumerate(row, sheet.start[1] + 1)
            if cell != "" and first_column <= column <= last_column
        ]
        if not found:
            continue
        cells += len(found)
        chars += sum(len(value) for _, value in found if isinstance(value, str))
        if cells > most["cells"] or chars > most["chars"]:
            raise Refused("cells")
        rows.append((number, found))
        if len(rows) > most["rows"]:
            raise Refused("rows")
    return rows


def _value(cell: Any) -> Any:
    """Return what JSON can say of a cell: times in ISO 8601, and numbers that are whole without a fraction."""
    match cell:
        case float():
            if not math.isfinite(cell):
                return None
            return int(cell) if cell.is_integer() and abs(cell) <= LAST_WHOLE else cell
        case date() | time():
            return cell.isoformat()
        case timedelta():
            return _duration(cell)
    return cell


def _duration(duration: timedelta) -> str:
    seconds = duration.total_seconds()
    sign, whole = "-" if seconds < 0 else "", round(abs(seconds), 3)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(hours, f"{hours:.0f}H"), (minutes, f"{minutes:.0f}M"), (rest, f"{round(rest, 3):g}S")]
    return f"{sign}PT" + ("".join(text for number, text in parts if number) or "0S")
