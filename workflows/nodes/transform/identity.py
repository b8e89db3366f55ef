"""When two JSON values are the same: ``1`` and ``1.0`` are, ``1`` and ``true`` and ``"1"`` are not."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from workflows.nodes.transform.paths import MISSING, read


def identity(value: Any) -> Hashable:
    """Return something hashable that is equal for equal JSON values and for no others."""
    match value:
        case bool():
            return ("truth", value)
        case dict():
            return ("object", frozenset((key, identity(item)) for key, item in value.items()))
        case list():
            return ("list", tuple(identity(item) for item in value))
        case _:
            return value  # type: ignore[no-any-return]  # Text, numbers, null, MISSING.


def identity_by(item: Any, paths: Sequence[str]) -> Hashable:
    """Return the identity of an item's values at these paths; without paths, of the item itself."""
    return tuple(identity(read(item, path)) for path in paths) if paths else identity(item)


def values_by(item: Any, paths: Sequence[str]) -> dict[str, Any]:
    """Return an item's values at these paths, null where there is none."""
    values = {path: read(item, path) for path in paths}
    return {path: None if value is MISSING else value for path, value in values.items()}
