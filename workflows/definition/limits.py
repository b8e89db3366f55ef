"""What JSON a definition may be made of, before anybody looks at what it says (S-DOS)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from workflows.definition.problems import Problem, pointer
from workflows.definition.shape import MAX_BYTES, MAX_DEPTH

# Numbers with more digits take quadratic time to read and write.
MAX_DIGITS = 400
_MAX_BITS = int(MAX_DIGITS * math.log2(10))
MAX_KEYS = 50_000
MAX_PROBLEMS = 20

_NUL = "\x00"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def limit_problems(raw: Any) -> list[Problem]:
    """Return what makes JSON unfit to be stored or looked at any further; the first twenty places."""
    found: list[Problem] = []
    for problem in _walk(raw):
        found.append(problem)
        if len(found) == MAX_PROBLEMS or problem.code in ("too_deep", "too_many_keys"):
            return found
    if not found and (size := _size(raw)) > MAX_BYTES:
        found.append(
            Problem(
                "definition_too_large",
                "",
                f"The definition has {size:,} bytes; at most {MAX_BYTES:,} are allowed.",
                "Keep large data out of it: fetch it with a node, or divide the workflow.",
            )
        )
    return found


def _walk(raw: Any) -> Iterator[Problem]:
    # A stack of our own: what is nested a thousand times deep must not end in a RecursionError.
    to_visit: list[tuple[Any, tuple[str | int, ...]]] = [(raw, ())]
    key_count = 0
    while to_visit:
        value, place = to_visit.pop()
        if len(place) > MAX_DEPTH:
            yield Problem("too_deep", pointer(*place[:3]), f"This is nested more than {MAX_DEPTH} levels deep.")
            continue
        match value:
            case dict():
                key_count += len(value)
                if key_count > MAX_KEYS:
                    yield Problem("too_many_keys", "", f"All objects together have more than {MAX_KEYS:,} keys.")
                for key in value:
                    if not isinstance(key, str):
                        yield Problem("wrong_type", pointer(*place), "The keys of an object must be text.")
                    elif sentence := _text_fault(key):
                        yield Problem("invalid_text", pointer(*place), f"A key here {sentence}")
                children = [(item, (*place, str(key))) for key, item in value.items()]
                to_visit.extend(reversed(children))
            case list():
                to_visit.extend((value[index], (*place, index)) for index in reversed(range(len(value))))
            case str() if sentence := _text_fault(value):
                yield Problem("invalid_text", pointer(*place), f"This text {sentence}")
            case str() | bool() | None:
                pass
            case int() if value.bit_length() > _MAX_BITS:
                yield Problem("number_too_large", pointer(*place), f"This number has more than {MAX_DIGITS} digits.")
            case float() if not math.isfinite(value):
                yield Problem("invalid_number", pointer(*place), "JSON has no NaN and no infinity.", "Use null.")
            case int() | float():
                pass
            case _:
                yield Problem("wrong_type", pointer(*place), "This is nothing that JSON knows.")


def _text_fault(text: str) -> str:
    if _NUL in text:
        return "holds a NUL character (\\u0000), which cannot be stored."
    if _LONE_SURROGATE.search(text):
        return "holds half of a surrogate pair (\\ud800 to \\udfff), which is no character."
    return ""


def _size(raw: Any) -> int:
    return len(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode())
