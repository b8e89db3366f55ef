"""Secrets are filled in at the door, and do not come back through it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "••••••"
# A shorter one can't be told from ordinary text; masking it would tear holes into data.
MIN_CHARS = 4


class Secrets:
    """Fills placeholders for one call, and remembers what it filled in, so that an answer that repeats it can be masked.

    :param fill: turns the placeholders in a text into values.
    """

    def __init__(self, fill: Callable[[str], str]) -> None:
        self._fill = fill
        self._known: set[str] = set()

    def fill(self, value: Any) -> Any:
        """Return JSON data with the placeholders in all its texts filled in. The result is for the door alone."""
        match value:
            case str():
                return self._filled(value)
            case dict():
                return {key: self.fill(item) for key, item in value.items()}
            case list():
                return [self.fill(item) for item in value]
        return value

    def remember(self, value: str) -> None:
        """Mask this too: something that was made from a secret."""
        if len(value) >= MIN_CHARS:
            self._known |= {value, json.dumps(value)[1:-1], quote(value, safe=""), quote_plus(value)}

    def mask(self, value: Any) -> Any:
        """Return JSON data with every value that was filled in masked."""
        if not self._known:
            return value
        match value:
            case str():
                return self._masked(value)
            case dict():
                return {self._masked(key): self.mask(item) for key, item in value.items()}
            case list():
                return [self.mask(item) for item in value]
        return value

    def _filled(self, text: str) -> str:
        filled = self._fill(text)
        if filled != text:
            self.remember(filled)
            self.remember(_inserted(text, filled))
        return filled

    def _masked(self, text: str) -> str:
        # The longest first: one may be part of another.
        for known in sorted(self._known, key=len, reverse=True):
            text = text.replace(known, MASK)
        return text


def _inserted(template: str, filled: str) -> str:
    """Return what was put into a text: what is left without the beginning and the end that both have."""
    start = _common_length(template, filled)
    end = _common_length(template[start:][::-1], filled[start:][::-1])
    return filled[start : len(filled) - end]


def _common_length(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
