"""The values that this process has read or written last, as many as fit."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """A value, and how long it is as JSON."""

    value: Any
    size: int


class Recent:
    """Values by name; the one that was asked for longest ago goes first. Any thread may use it."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._known: OrderedDict[str, Known] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, name: str) -> Known | None:
        """Return what is known by a name."""
        with self._lock:
            known = self._known.get(name)
            if known is not None:
                self._known.move_to_end(name)
            return known

    def put(self, name: str, value: Any, *, size: int) -> None:
        """Keep a value, unless it is larger than all of them together may be."""
        with self._lock:
            self._drop(name)
            if size > self._most:
                return
            self._known[name] = Known(value, size)
            self._bytes += size
            while self._bytes > self._most:
                self._drop(next(iter(self._known)))

    def forget_all(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._known.clear()
            self._bytes = 0

    def _drop(self, name: str) -> None:
        if (known := self._known.pop(name, None)) is not None:
            self._bytes -= known.size
