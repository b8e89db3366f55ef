"""Values on their way into JavaScript and back, as JSON."""

from __future__ import annotations

import json
from typing import Any

import orjson


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
    """
    try:
        return orjson.loads(answer)
    except orjson.JSONDecodeError:
        return _whole(json.loads(answer))


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
