"""Plain paths, such as ``input.items[0].name``: what most expressions are.

They are answered in Python, without JavaScript, when every step finds an own member: then both would give the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import orjson

from workflows.expressions.limits import Limits
from workflows.expressions.payloads import is_deeper
from workflows.expressions.vocabulary import VALUE_ROOTS

_NAME = r"[A-Za-z_$][A-Za-z0-9_$]*"
_STEP = rf"""(?:\?\.|\.)({_NAME})|(?:\?\.)?\[(?:(0|[1-9]\d{{0,8}})|"([^"\\\n]*)"|'([^'\\\n]*)')\]"""
_STEPS = re.compile(_STEP)
_PATH = re.compile(rf"({_NAME})((?:{_STEP})*)")


class _Missing:
    """There is no such member."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()

Path = tuple[str | int, ...]


@lru_cache(maxsize=4096)
def plain_path(source: str) -> Path | None:
    """Return the root and the steps of a source that is nothing but a path, else ``None``. Guards (``?.``) are ignored."""
    match = _PATH.fullmatch(source.strip())
    if match is None or match[1] not in VALUE_ROOTS:
        return None
    steps = (
        int(index) if index else name or double or single for name, index, double, single in _STEPS.findall(match[2])
    )
    return (match[1], *steps)


def resolve(path: Path, roots: Mapping[str, Any]) -> Any:
    """Return what a path leads to, or ``MISSING``. Only own members count, so ``input.constructor`` is missing."""
    value: Any = roots
    for step in path:
        if isinstance(value, Mapping) and isinstance(step, str):
            value = value.get(step, MISSING)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return MISSING
    return value


class Sizes:
    """How many bytes values have as JSON. Each is looked at once, however often expressions hand it on."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, int]] = {}  # By identity; with the value, so that it stays alive.

    def of(self, value: Any) -> int:
        """Return the size of a value that was handed on; of numbers and the like, 0."""
        return self._known[id(value)][1] if id(value) in self._known else 0

    def fits(self, value: Any, limits: Limits) -> bool:
        """Tell whether a text, a list or an object may be a result."""
        if id(value) not in self._known:
            try:
                text = orjson.dumps(value)
            except TypeError:  # Lone surrogates, integers beyond 64 bits.
                return False
            if len(text) > limits.total_output_bytes or is_deeper(text, value, limits.depth):
                return False
            self._known[id(value)] = (value, len(text))
        return True


def shortcut(source: str, as_text: bool, roots: Mapping[str, Any], limits: Limits, sizes: Sizes) -> Any:
    """Return the result of a source that is a plain path, or ``MISSING`` if JavaScript has to be asked."""
    path = plain_path(source)
    value = MISSING if path is None else resolve(path, roots)
    match value:
        case bool():
            return ("true" if value else "false") if as_text else value
        case int() if abs(value) < 1 << 63:
            return str(value) if as_text else value
        case str():
            return value if sizes.fits(value, limits) else MISSING
        case None if not as_text:
            return None
        case float() if isfinite(value) and not as_text:  # The two languages write floats differently.
            return value
        case list() | dict() if not as_text and sizes.fits(value, limits):
            return value
        case _:
            return MISSING


def shown_path(path: Path) -> str:
    """Return a path as people write it."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{step}" if step.isidentifier() else f'["{step}"]'
        for step in path[1:]
    )
    return "".join((str(path[0]), *steps))
