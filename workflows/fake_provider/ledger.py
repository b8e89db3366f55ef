"""What was asked, in the order in which it came. Tests prove by it that nothing is paid for twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from threading import Lock
from typing import Any

from projects.masking import Masker

# Whoever lets it run for days wants the newest.
MAX_REQUESTS = 10_000
# Headers that carry a key, or could.
_SECRET = frozenset({"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie", "x-goog-api-key"})


@dataclass(frozen=True)
class Received:
    """One request. Without a status it is not answered yet, and not ``is_complete`` until all of the answer is sent."""

    number: int
    protocol: str
    method: str
    path: str
    headers: Mapping[str, str]  # Names in lower case; none that carries a key.
    idempotency_key: str | None
    body: Any
    status: int | None = None
    is_complete: bool = False


class Ledger:
    """All requests since it was emptied. Any thread may write."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: deque[Received] = deque(maxlen=MAX_REQUESTS)
        self._number = 0

    def write(self, protocol: str, method: str, path: str, headers: Mapping[str, str], body: Any) -> int:
        """Write a request down and return its number."""
        kept = without_keys(headers)
        clean = Masker(keys_in(headers)).mask(body)
        with self._lock:
            self._number += 1
            row = Received(self._number, protocol, method, path, kept, kept.get("idempotency-key"), clean)
            self._rows.append(row)
            return row.number

    def note(self, number: int, **changes: Any) -> None:
        """Write down what became of a request."""
        with self._lock:
            for at, row in enumerate(self._rows):
                if row.number == number:
                    self._rows[at] = replace(row, **changes)

    def rows(self) -> list[Received]:
        """Return all requests, the oldest first."""
        with self._lock:
            return list(self._rows)

    def to_json(self) -> dict[str, Any]:
        """Return all requests as JSON data."""
        rows = self.rows()
        return {"count": len(rows), "requests": [asdict(row) for row in rows]}

    def empty(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._rows.clear()


def keys_in(headers: Mapping[str, str]) -> list[str]:
    """Return the keys that a request carries, by its headers (lower-case names)."""
    values = [value for name, value in headers.items() if name in _SECRET and value]
    # "Bearer …" is no secret, what follows is.
    return [*values, *(value.partition(" ")[2].strip() for value in values if " " in value)]


def without_keys(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers without those that carry a key."""
    return {name: value for name, value in headers.items() if name not in _SECRET}
