"""Names of files: strict, so that one name is one file within the project's folder on every system."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_NAME_CHARS = 300
MAX_PARTS = 10
MAX_PART_CHARS = 100
MAX_PART_BYTES = 255  # What file systems take; letters of most scripts have two or three.
# Letters and digits of every script, and what is harmless in a URL, on Windows and in a shell's listing.
_PART = re.compile(r"[\w()+=@,-][\w ()+=@,.-]{0,98}[\w()+=@,-]|[\w()+=@,-]")
_HINT = (
    "Up to 10 parts with / between them; each has 1 to 100 letters, digits, spaces and -_.,()+=@ (255 bytes), and no dot or space "
    "at its ends: reports/2026-11.csv."
)


def _check(name: str) -> str:
    parts = name.split("/")
    is_fine = len(parts) <= MAX_PARTS and all(_is_fine(part) for part in parts)
    if is_fine and unicodedata.is_normalized("NFC", name):
        return name
    given = repr(name if len(name) <= 60 else f"{name[:59]}…")
    raise PydanticCustomError("invalid_name", "{given} is no name of a file.", {"given": given, "hint": _HINT})


def _is_fine(part: str) -> bool:
    # Signs that belong to the letter before them, such as the vowels of many scripts.
    bare = "".join(each for at, each in enumerate(part) if at == 0 or unicodedata.category(each) not in ("Mn", "Mc"))
    return _PART.fullmatch(bare) is not None and len(part) <= MAX_PART_CHARS and len(part.encode()) <= MAX_PART_BYTES


def _check_folder(name: str) -> str:
    return _check(name) if name else name


FileName = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS), AfterValidator(_check)]
# The same, or empty for the project's own folder.
FolderName = Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_check_folder)]
