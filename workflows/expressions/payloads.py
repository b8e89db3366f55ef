"""Values on their way into JavaScript and back, as JSON."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import orjson

# Only a number with one of these may be larger than a float can be, which orjson takes for infinite. A text may have one, too.
_MAY_BE_TOO_LARGE = re.compile(rb"[eE]\+?0*[1-9]\d\d|\d{200}")


def encode(value: Any) -> tuple[bytes, bool]:
    """Return a value as JSON, and whether it holds integers beyond 2^53, which JavaScript's numbers would round.

    Lone surrogates are kept; NaN and infinities, which are no JSON, become null.

    :raises RecursionError: if it is nested too deeply.
    :raises TypeError: if it is no JSON data.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER), False
    except TypeError:
        return _encode_unusual(value), True


def _encode_unusual(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode()
    except ValueError as error:
        if isinstance(error, RecursionError):
            raise
        return json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None)).encode()


def decode(answer: bytes) -> Any:
    """Return the value of a JSON text. Lone surrogates, which cannot be stored or sent, become U+FFFD.

    :raises RecursionError: if it is nested too deeply.
    :raises ValueError: if it is no JSON, or holds a number that is none, or too large for a float.
    """
    if not _MAY_BE_TOO_LARGE.search(answer):
        try:
            return orjson.loads(answer)
        except orjson.JSONDecodeError:
            pass  # Lone surrogates, which the standard library takes.
    return _whole(json.loads(answer, parse_int=_integer, parse_float=_finite, parse_constant=_finite))


def _integer(text: str) -> int | float:
    number, whole = _finite(text), int(text)
    return whole if -(1 << 63) <= whole < 1 << 64 else number  # As orjson does.


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number that JSON can express.")
    return number


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(part) for part in value]
        case dict():
            return {_whole(key): _whole(part) for key, part in value.items()}
        case _:
            return value


def is_deeper(text: bytes, value: Any, most: int) -> bool:
    """Tell whether a value is nested deeper than that many levels. ``text`` is the value as JSON."""
    if text.count(b"[") + text.count(b"{") <= most:
        return False
    level = [value]
    for _ in range(most):
        containers = [part for part in level if isinstance(part, dict | list)]
        level = [child for part in containers for child in (part.values() if isinstance(part, dict) else part)]
    return any(isinstance(part, dict | list) for part in level)
