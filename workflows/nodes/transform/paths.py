"""Where in an object a value is: ``customer.name``, or a JSON Pointer (``/customer/name``) where a key has a dot.

Keys are data: they are looked up in objects and lists, never as attributes (S-CODE-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import NodeError

MAX_STEPS = 32

# What reading answers where nothing is; null is something.
MISSING: Any = object()


def steps_of(path: str) -> list[str]:
    """Return the keys that a path leads through."""
    if path.startswith("/"):
        return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]
    return path.split(".")


def read(value: Any, path: str) -> Any:
    """Return what lies at a path, or ``MISSING``. A number leads into a list."""
    for step in steps_of(path):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step[:9]) < len(value):
            value = value[int(step[:9])]
        else:
            return MISSING
    return value


def written(item: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy of an object with a value at a path; objects on the way are made where there are none.

    :raises NodeError: ``path_blocked``, where something else than an object is on the way.
    """
    return _written(item, steps_of(path), value, path)


def _written(item: dict[str, Any], steps: Sequence[str], value: Any, path: str) -> dict[str, Any]:
    first, *rest = steps
    if not rest:
        return {**item, first: value}
    below = item.get(first, {})
    if not isinstance(below, dict):
        raise NodeError("path_blocked", f"Nothing can be set at `{path}`: `{first}` on the way is no object.")
    return {**item, first: _written(below, rest, value, path)}


def without(item: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a copy of an object without what lies at a path, if anything does."""
    return _without(item, steps_of(path))


def _without(item: dict[str, Any], steps: Sequence[str]) -> dict[str, Any]:
    first, *rest = steps
    if not rest:
        return {key: value for key, value in item.items() if key != first}
    below = item.get(first)
    return {**item, first: _without(below, rest)} if isinstance(below, dict) else item


def _path(text: str) -> str:
    steps = steps_of(text)
    if len(steps) > MAX_STEPS or (not text.startswith("/") and not all(steps)):
        raise PydanticCustomError(
            "invalid_path",
            "{text} leads nowhere: keys are separated by single dots, at most {most} of them.",
            {"text": repr(text[:60]), "most": MAX_STEPS, "hint": "For a key with a dot: `/key.with.dots/below`."},
        )
    return text


Path = Annotated[str, Field(min_length=1, max_length=500, json_schema_extra={"x-input": "path"}), AfterValidator(_path)]
