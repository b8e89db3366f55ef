"""JSON Pointers (RFC 6901) into the bodies of requests and answers."""

from __future__ import annotations

from typing import Any

# What there is where a pointer leads to nothing: null is something.
NOTHING: Any = object()


def at(value: Any, pointer: str) -> Any:
    """Return what a pointer leads to, or :data:`NOTHING`."""
    for key in keys(pointer):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isascii() and key.isdigit() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            return NOTHING
    return value


def placed(value: Any, path: list[str], new: Any) -> Any:
    """Return a copy of an object in which the keys of a path lead to a new value; objects on the way are made.

    :raises ValueError: if something else than an object is on the way.
    """
    if not path:
        return new
    if not isinstance(value, dict):
        raise ValueError("on the way there is something else than an object")
    first, *rest = path
    return {**value, first: placed(value.get(first, {}), rest, new)}


def keys(pointer: str) -> list[str]:
    """Return the keys of a pointer."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]
