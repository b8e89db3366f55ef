"""What readers and writers of Excel workbooks (Office Open XML, ECMA-376) have in common: limits, addresses of cells, dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

# Excel's own.
LAST_ROW = 1_048_576
LAST_COLUMN = 16_384
MAX_CELL_CHARS = 32_767
# Characters of all cells together: one text may stand in many cells, and is written out in each.
MAX_TEXT_CHARS = 20 * 1024 * 1024

_ADDRESS = re.compile(r"([A-Za-z]{1,3})([1-9][0-9]{0,6})")
_AREA = re.compile(r"([A-Za-z]{1,3})([1-9][0-9]{0,6})?(?::([A-Za-z]{1,3})([1-9][0-9]{0,6})?)?")

Meaning = Literal["date", "time", "moment", "duration"]
# Days since 1899-12-30. Excel takes 1900 for a leap year, so that days before its 29 February count from one day later.
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001 (Excel knows no zones.)
_FALSE_LEAP_DAY = 60
_LAST_SERIAL = 2_958_466  # 10000-01-01
# ECMA-376, part 1, 18.8.30: formats that files name by number alone, those of eastern languages included.
_BUILT_IN: dict[int, Meaning] = {
    **dict.fromkeys([14, 15, 16, 17, *range(27, 32), 36, *range(50, 55), 57, 58], "date"),
    **dict.fromkeys([18, 19, 20, 21, 32, 33, 45, 47], "time"),
    **dict.fromkeys([22, 34, 35, 55, 56], "moment"),
    46: "duration",
}
_NOT_A_LETTER = re.compile(r'"[^"]*"|\\.|[_*].|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


@dataclass(frozen=True)
class Area:
    """Which cells of a sheet count, each bound included. Rows and columns count from 1."""

    first_row: int = 1
    first_column: int = 1
    last_row: int = LAST_ROW
    last_column: int = LAST_COLUMN

    @classmethod
    def of(cls, text: str) -> Area | None:
        """Return what ``B3``, ``B3:F``, ``B:F`` or ``B3:F200`` means. A single cell is where it begins."""
        parts = _AREA.fullmatch(text)
        if parts is None:
            return None
        first_column, last_column = column_number(parts[1]), column_number(parts[3]) if parts[3] else LAST_COLUMN
        first_row, last_row = int(parts[2] or 1), int(parts[4] or LAST_ROW)
        is_one = first_row <= last_row <= LAST_ROW and first_column <= last_column <= LAST_COLUMN
        return cls(first_row, first_column, last_row, last_column) if is_one else None


def cell_position(address: str) -> tuple[int, int] | None:
    """Return row and column of ``B3``, or nothing if there is no such cell."""
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        return None
    row, column = int(parts[2]), column_number(parts[1])
    return (row, column) if row <= LAST_ROW and column <= LAST_COLUMN else None


def column_number(letters: str) -> int:
    """Return 1 for ``A``, 27 for ``AA``."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def column_letters(number: int) -> str:
    """Return ``A`` for 1, ``AA`` for 27."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def meaning_of(format_id: int, code: str | None) -> Meaning | None:
    """Return what a number of a format stands for, if not for itself.

    :param code: how the file writes the format (``dd.mm.yyyy``), if it does.
    """
    if code is None:
        return _BUILT_IN.get(format_id)
    letters = _NOT_A_LETTER.sub("", code.partition(";")[0]).lower()
    if "[" in letters:  # Hours, minutes or seconds that go on counting: [h]:mm.
        return "duration"
    letters = letters.replace("general", "").replace("standard", "")
    has_time = any(part in letters for part in ("h", "s", "am/pm", "a/p"))
    has_date = any(letter in letters.replace("am/pm", "").replace("a/p", "") for letter in "yd")
    if has_time:
        return "moment" if has_date else "time"
    return "date" if has_date or "m" in letters else None


def date_text(number: float, meaning: Meaning, *, since_1904: bool) -> str | None:
    """Return in ISO 8601 what a number stands for, or nothing if there is no such day. Nothing that it says is left out."""
    if not 0 <= number < _LAST_SERIAL:
        return None
    milliseconds = round(number * 86_400_000)
    if meaning == "duration":
        return _duration_text(milliseconds)
    epoch = _EPOCH_1904 if since_1904 else _EPOCH
    if not since_1904 and number < _FALSE_LEAP_DAY:
        epoch += timedelta(days=1)
    try:
        moment = epoch + timedelta(milliseconds=milliseconds)
    except OverflowError:
        return None
    if meaning != "date" and number < 1:
        return _clock_text(moment)
    is_midnight = milliseconds % 86_400_000 == 0
    return moment.date().isoformat() if meaning == "date" and is_midnight else f"{moment.date()}T{_clock_text(moment)}"


def date_number(value: str) -> float | None:
    """Return the number for an ISO date, or a date with a time; nothing if it is neither, or Excel knows no such day.

    Excel has no zones: it gets what the clock shows, whatever the offset.
    """
    try:
        moment = datetime.fromisoformat(value).replace(tzinfo=None)
    except ValueError:
        return None
    return None if moment.date() < date(1900, 3, 1) else (moment - _EPOCH) / timedelta(days=1)


def _clock_text(moment: datetime) -> str:
    return moment.time().isoformat("milliseconds" if moment.microsecond else "seconds")


def _duration_text(milliseconds: int) -> str:
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, rest = divmod(rest, 1000)
    fraction = f".{rest:03}" if rest else ""
    parts = [(hours, f"{hours}H"), (minutes, f"{minutes}M"), (seconds or rest, f"{seconds}{fraction}S")]
    return "PT" + ("".join(text for number, text in parts if number) or "0S")
