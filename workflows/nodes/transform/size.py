"""How large items would be if they were written out.

Items may share values: ten thousand that hold the same text of a megabyte take a megabyte, and ten gigabytes as JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflows.nodes.base import NodeError

# A wall, and not what a node may put out, which the operator says and the engine counts.
MAX_BYTES = 100 * 1024 * 1024


def refuse_large(items: Sequence[Any]) -> None:
    """Do nothing, unless items would be very large if they were written out.

    :raises NodeError: ``too_large``.
    """
    if _size(items, {}) > MAX_BYTES:
        raise _too_large()


class Room:
    """Counts what comes out piece by piece, so that it is refused before there is more of it than fits into memory."""

    def __init__(self) -> None:
        self._left = MAX_BYTES

    def take(self, result: Any) -> None:
        """Count one thing more.

        :raises NodeError: ``too_large``.
        """
        self._left -= _size([result], {})
        if self._left < 0:
            raise _too_large()


def _too_large() -> NodeError:
    return NodeError("too_large", f"As JSON, the items have more than {MAX_BYTES:,} bytes. Keep only what is needed.")


def _size(whole: Any, known: dict[int, int]) -> int:
    """Return about how many bytes a list or an object has as JSON. Each is counted as often as it is there, and looked at once."""
    if (size := known.get(id(whole))) is not None:
        return size
    size, parts = 2, whole
    if isinstance(whole, dict):
        size, parts = size + sum(map(len, whole)), whole.values()
    for part in parts:
        kind = type(part)
        if kind is str:
            size += len(part)
        elif kind is dict or kind is list:
            size += _size(part, known)
    known[id(whole)] = size = size + 4 * len(whole)  # Numbers, and what stands around the parts.
    return size
