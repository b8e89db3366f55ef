"""Which cells of a sheet count, as people write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Excel's own.
LAST_ROW = 1_048_576
LAST_COLUMN = 16_384

_AREA = re.compile(r"([A-Za-z]{1,3})([1-9][0-9]{0,6})?(?::([A-Za-z]{1,3})([1-9][0-9]{0,6})?)?")


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
