"""How far somebody who watches an execution has been told of it: the ``id`` of each event."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

from projects.exceptions import Invalid

BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
# Node runs under way that an id names. With more of them, who comes back is told some things a second time.
MOST_NAMED = 64
# The mark of nothing.
UNKNOWN = "0" * 8

_ID = re.compile(
    rf"(\d{{1,17}})\.([0-9a-f]{{32}})\.(\d{{1,18}})\.([0-9a-f]{{8}})\.((?:[0-9a-f]{{40}}){{0,{MOST_NAMED}}})(\.end)?"
)


class UnknownPosition(Invalid):
    """``Last-Event-ID`` is no id that an event has had."""

    code = "unknown_event_id"


@dataclass
class Position:
    """What was told: node runs up to one in their order, those of them that had not ended, pieces of text up to one.

    :param after: when the latest node run started that was told of, and its id.
    :param text: the id of the latest piece of text.
    :param execution: the mark of what was told of the execution itself.
    :param under_way: the marks of what was told of node runs that have not ended, in their order.
    :param is_over: whether everything was told.
    """

    after: tuple[datetime, UUID] = BEGINNING
    text: int = 0
    execution: str = UNKNOWN
    under_way: dict[UUID, tuple[datetime, str]] = field(default_factory=dict)
    is_over: bool = False

    def to_id(self) -> str:
        """Return it as the id of an event."""
        named, after = list(self.under_way.items()), self.after
        if len(named) > MOST_NAMED:
            # All that started from the first one on that is not named is told again.
            pk, (started_at, _) = named[MOST_NAMED]
            named, after = named[:MOST_NAMED], (started_at, UUID(int=pk.int - 1))
        microseconds = (after[0] - BEGINNING[0]) // timedelta(microseconds=1)
        marks = "".join(f"{pk.hex}{mark}" for pk, (_, mark) in named)
        return f"{microseconds}.{after[1].hex}.{self.text}.{self.execution}.{marks}{'.end' if self.is_over else ''}"

    @classmethod
    def from_id(cls, text: str) -> Position:
        """Read what :meth:`to_id` wrote.

        :raises UnknownPosition: if it is anything else.
        """
        found = _ID.fullmatch(text)
        if found is None:
            raise UnknownPosition(
                "This is not the id of an event.", hint="Send the id of the last event that came, or none at all."
            )
        microseconds, pk, piece, execution, marks, end = found.groups()
        named = [marks[at : at + 40] for at in range(0, len(marks), 40)]
        return cls(
            after=(BEGINNING[0] + timedelta(microseconds=int(microseconds)), UUID(pk)),
            text=int(piece),
            execution=execution,
            under_way={UUID(each[:32]): (BEGINNING[0], each[32:]) for each in named},
            is_over=end is not None,
        )


def mark_of(*values: Any) -> str:
    """Return eight characters that tell what was told from what is to be told."""
    return f"{crc32(repr(values).encode()):08x}"
