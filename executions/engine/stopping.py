"""One flag that a worker's main process sets and its children see: the worker is to end."""

from __future__ import annotations

import mmap

# A shared page, made before the children are forked, so that one write reaches them all.
_flag = mmap.mmap(-1, 1)


def ask() -> None:
    """Ask this process, and those forked from it, to let their executions go and take no more."""
    _flag[0] = 1


def is_asked() -> bool:
    """Return whether this process is to end."""
    return _flag[0] == 1


def reset() -> None:
    """Forget that it was asked: a worker starts."""
    _flag[0] = 0
