"""Regular expressions of users: RE2, whose time grows with the text and not with what the pattern tries (S-DOS-4)."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError

MAX_CHARS = 1_000
_MAX_MEMORY_BYTES = 8 * 1024 * 1024

HINT = "RE2 syntax: groups `(?P<name>…)`, no look-around and no back references, because they take time without end."


@lru_cache(maxsize=256)
def compiled(pattern: str, *, ignore_case: bool = False) -> Any:
    """Return a pattern ready to be used.

    :raises ValueError: if it is none.
    """
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.max_mem = _MAX_MEMORY_BYTES
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        raise ValueError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from error


def searchable(text: str) -> str:
    """Return a text as it is, if RE2 can look at it.

    :raises NodeError: ``invalid_text``.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise NodeError("invalid_text", "This text holds half of a surrogate pair, which is no character.") from error
    return text


def _pattern(text: str) -> str:
    try:
        compiled(text)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_pattern",
            "{text} is no regular expression: {reason}.",
            {"text": repr(text[:60]), "reason": str(error), "hint": HINT},
        ) from error
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=MAX_CHARS), AfterValidator(_pattern)]
