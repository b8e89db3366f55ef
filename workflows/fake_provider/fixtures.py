"""Recorded exchanges: how they lie in a file, and which of them a request means."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from projects.exceptions import SegueError
from workflows.fake_provider.answers import Part
from workflows.fake_provider.conversation import canonical
from workflows.fake_provider.delivery import EVENTS, Delivery

MAX_FILE_BYTES = 100 * 1024 * 1024
# What may differ from run to run without making it another request.
VOLATILE = frozenset({"user", "metadata", "safety_identifier", "prompt_cache_key", "store"})
# Of an answer's headers, the ones that clients act on; the others tell who asked, and when.
KEPT_HEADERS = ("retry-after", "x-should-retry")
_SHOWN_CHARS = 100
_AFTER_EVENT = re.compile(r"(?<=\n\n)|(?<=\r\n\r\n)")


class BrokenFixtures(SegueError):
    """A file of recorded exchanges cannot be read, or is none."""

    code = "broken_fixtures"


class Answered(Part):
    """A recorded answer: its events, if it was a stream; else its text."""

    status: int
    media_type: str
    headers: dict[str, str] = {}
    events: tuple[str, ...] | None = Field(default=None, strict=False)
    text: str | None = None

    def to_delivery(self) -> Delivery:
        """Return it as it is sent once more."""
        pieces = (self.text or "",) if self.events is None else self.events
        media_type = self.media_type if self.events is None else EVENTS
        return Delivery(self.status, pieces, media_type, headers=self.headers)


class Exchange(Part):
    """A request and its answer, without keys."""

    method: str
    path: str
    request: Any = None
    answer: Answered

    def key(self, ignore: Sequence[str]) -> str:
        """Return what makes two requests the same."""
        return key_of(self.method, self.path, self.request, ignore)


class Fixtures(Part):
    """A file of exchanges. ``ignore`` names places (JSON Pointers) in requests that may be anything, such as a date."""

    format: int = Field(default=1, ge=1, le=1)
    ignore: tuple[str, ...] = Field(default=(), strict=False)
    exchanges: tuple[Exchange, ...] = Field(default=(), strict=False)


def read_fixtures(path: Path) -> Fixtures:
    """Return the exchanges in a file.

    :raises BrokenFixtures: if there are none.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BrokenFixtures(f"The file {path} is larger than {MAX_FILE_BYTES:,} bytes.")
        return Fixtures.model_validate(json.loads(path.read_bytes()))
    except OSError as error:
        raise BrokenFixtures(f"The file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the file"
        raise BrokenFixtures(f"The file {path} holds no recorded exchanges. {place}: {problem['msg']}.") from error
    except ValueError as error:
        raise BrokenFixtures(f"The file {path} is not JSON: {error}.") from error


def write_fixtures(path: Path, fixtures: Fixtures) -> None:
    """Write a file as a whole: whoever reads it finds the old one or the new one."""
    text = json.dumps(fixtures.model_dump(exclude_none=True), indent=2, ensure_ascii=False)
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    beside.write_text(f"{text}\n", encoding="utf-8")
    beside.replace(path)


def events_in(text: str) -> tuple[str, ...]:
    """Return a stream's text, event by event."""
    return tuple(piece for piece in _AFTER_EVENT.split(text) if piece)


def key_of(method: str, path: str, body: Any, ignore: Sequence[str] = ()) -> str:
    """Return what makes two requests the same."""
    return canonical([method, path, _steady(body, ignore)])


def closest(body: Any, recorded: Sequence[Exchange], ignore: Sequence[str]) -> str:
    """Return a sentence that says which exchange is the most like a request, and where it differs."""
    asked = _steady(body, ignore)
    found = [list(_differences(_steady(exchange.request, ignore), asked, "")) for exchange in recorded]
    number = min(range(len(found)), key=lambda at: len(found[at]))
    (place, before, now), *others = found[number]
    more = f" ({len(others)} more {'place differs' if len(others) == 1 else 'places differ'})" if others else ""
    return (
        f"The closest of {len(recorded)} is number {number + 1}; it differs at {place or 'the root'}: recorded is "
        f"{_shown(before)}, asked was {_shown(now)}{more}."
    )


_NOTHING = object()


def _differences(before: Any, now: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            name = key.replace("~", "~0").replace("/", "~1")
            yield from _differences(before.get(key, _NOTHING), now.get(key, _NOTHING), f"{place}/{name}")
    elif isinstance(before, list) and isinstance(now, list):
        for at in range(max(len(before), len(now))):
            items = (items[at] if at < len(items) else _NOTHING for items in (before, now))
            yield from _differences(next(items), next(items), f"{place}/{at}")
    elif before is _NOTHING or now is _NOTHING or canonical(before) != canonical(now):
        yield place, before, now


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}…"


def _steady(body: Any, ignore: Sequence[str]) -> Any:
    if not isinstance(body, Mapping):
        return body
    steady: Any = {name: value for name, value in body.items() if name not in VOLATILE}
    for pointer in ignore:
        names = [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]
        steady = _without(steady, names)
    return steady


def _without(value: Any, names: list[str]) -> Any:
    if not names:
        return None
    first, *others = names
    if isinstance(value, dict) and first in value:
        return {**value, first: _without(value[first], others)}
    if isinstance(value, list) and first.isdecimal() and int(first) < len(value):
        at = int(first)
        return [*value[:at], _without(value[at], others), *value[at + 1 :]]
    return value
