"""Taking keys out of what is recorded, also where a stream has torn them into pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from projects.masking import MASK, Masker

# What looks like a key of a provider, whoever's it is: error messages quote their ends.
_KEY = re.compile(r"\b(?:sk|rk|pk)-[A-Za-z0-9_*-]{8,}")
# Where protocols put what they tell bit by bit.
_TOLD = frozenset(
    {"content", "reasoning_content", "reasoning", "refusal", "arguments", "text", "thinking", "partial_json"}
)

Place = tuple[str, ...]


class Stripper:
    """Takes some keys, and whatever looks like one, out of texts, JSON data and streams."""

    def __init__(self, keys: Iterable[str]) -> None:
        self._masker = Masker(keys)

    def text(self, text: str) -> str:
        """Return a text without keys."""
        return _KEY.sub(MASK, self._masker.mask_text(text))

    def data(self, value: Any) -> Any:
        """Return JSON data without keys."""
        match value:
            case str():
                return self.text(value)
            case dict():
                return {self.text(key): self.data(item) for key, item in value.items()}
            case list():
                return [self.data(item) for item in value]
        return self._masker.mask(value)

    def events(self, events: Sequence[str]) -> tuple[str, ...]:
        """Return the events of a stream without keys.

        A text that holds one only when its pieces are joined is told as a whole where it begins.
        """
        parsed = [_Event(self.text(event)) for event in events]
        told: dict[Place, list[tuple[dict[str, Any], str]]] = {}
        for event in parsed:
            for place, owner, name in _told_in(event.data, ()):
                told.setdefault(place, []).append((owner, name))
        for pieces in told.values():
            joined = "".join(owner[name] for owner, name in pieces)
            if (clean := self.text(joined)) != joined:
                for number, (owner, name) in enumerate(pieces):
                    owner[name] = "" if number else clean
        return tuple(event.to_text() for event in parsed)


class _Event:
    """One event; ``data`` is its JSON, if it has any."""

    def __init__(self, text: str) -> None:
        self._text = text
        found = re.search(r"^data: ?(\{.*\})\r?$", text, re.MULTILINE)
        self._span = found.span(1) if found else (0, 0)
        self.data: Any = None
        if found:
            try:
                self.data = json.loads(found[1])
            except ValueError:
                self.data = None
        self._before = json.dumps(self.data)

    def to_text(self) -> str:
        """Return it with its data as it is now; to the letter as it came, if that has not changed."""
        if json.dumps(self.data) == self._before:
            return self._text
        begin, end = self._span
        return f"{self._text[:begin]}{json.dumps(self.data, ensure_ascii=False)}{self._text[end:]}"


def _told_in(value: Any, place: Place) -> Iterator[tuple[Place, dict[str, Any], str]]:
    """Yield each text that goes on from event to event: where it belongs, what holds it, and its name there."""
    if isinstance(value, list):
        for item in value:
            yield from _told_in(item, place)
    if isinstance(value, dict):
        # Several texts are told at once, and numbered.
        here = (*place, f"#{value['index']}") if isinstance(value.get("index"), int) else place
        for name, item in value.items():
            if name in _TOLD and isinstance(item, str):
                yield (*here, name), value, name
            else:
                yield from _told_in(item, (*here, name))
