"""How CSV is written: RFC 4180, and what programs make of it."""

from __future__ import annotations

import csv
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_CELL_CHARS = 1024 * 1024

# Python's own limit is an eighth of that, and one for the whole process.
csv.field_size_limit(MAX_CELL_CHARS)


def _usable(character: str) -> str:
    if character in '\r\n\0" ':
        raise PydanticCustomError("invalid_value", "Cells cannot be parted by a line break, a quote or a space.")
    return character


Delimiter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_usable)]
