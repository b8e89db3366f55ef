"""An answer on its way: bytes, and what is to go wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"


@dataclass(frozen=True)
class Delivery:
    """What the server sends. A stream is sent piece by piece; anything else in one."""

    status: int
    pieces: Iterable[str]
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_seconds: float = 0
    pause_seconds: float = 0
    cut_after: int | None = None  # Close the connection after so many pieces; in the middle of a body that is none.
    hangs: bool = False
    release: Callable[[], None] = lambda: None  # Called when nothing more of it is wanted.

    @property
    def is_stream(self) -> bool:
        """Whether it comes as events."""
        return self.media_type.startswith("text/event-stream")


def json_delivery(status: int, body: Any, **others: Any) -> Delivery:
    """Return a body of JSON."""
    return Delivery(status, (json.dumps(body, ensure_ascii=False),), **others)


def sse(data: Any, *, event: str | None = None) -> str:
    """Return a server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event}\ndata: {text}\n\n" if event else f"data: {text}\n\n"
