"""What is asked of the process, or the place, where JavaScript runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import orjson


@dataclass(frozen=True, slots=True)
class Request:
    """One round trip: what is to be evaluated or checked, and with which values."""

    kind: Literal["evaluate", "each", "check"]
    expressions: list[tuple[str, bool]]  # Source, and whether the result is wanted as text.
    now: str = ""
    secret_mark: str | None = None
    has_long_integers: bool = False  # Beyond 2^53, where JavaScript's numbers would round them.
    roots: bytes = b"{}"  # JSON, by name.
    items: bytes = b"null"  # JSON, for `each`.
    is_script: bool = False  # Its items are its own: it may change them.

    def to_frames(self) -> tuple[bytes, bytes, bytes]:
        """Return it as three JSON texts. The values are not looked at again."""
        header = [self.kind, self.expressions, self.now, self.secret_mark, self.has_long_integers, self.is_script]
        return orjson.dumps(header), self.roots, self.items

    @classmethod
    def from_frames(cls, header: bytes, roots: bytes, items: bytes) -> Request:
        """Return what ``to_frames`` was called on."""
        kind, expressions, now, secret_mark, has_long_integers, is_script = orjson.loads(header)
        return cls(kind, expressions, now, secret_mark, has_long_integers, roots, items, is_script)
