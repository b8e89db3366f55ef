"""The ids of events: how far somebody was told."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from executions.live.position import MOST_NAMED, Position, UnknownPosition, mark_of
from projects.ids import new_id
from tests.clock import NOON


def marks(position):
    return {pk: mark for pk, (_, mark) in position.under_way.items()}


class TestPosition:
    def test_reads_back_what_it_wrote(self):
        position = Position(
            after=(NOON + timedelta(microseconds=1), new_id()),
            text=2**40,
            execution=mark_of("running"),
            under_way={new_id(): (NOON, mark_of(number)) for number in range(3)},
            is_over=True,
        )

        again = Position.from_id(position.to_id())

        assert (again.after, again.text, again.execution) == (position.after, position.text, position.execution)
        assert marks(again) == marks(position)
        assert again.is_over

    def test_names_so_many_that_are_under_way_and_goes_back_before_the_next(self):
        ids = [UUID(int=number) for number in range(10, MOST_NAMED + 20)]
        position = Position(
            after=(NOON + timedelta(hours=1), new_id()),
            under_way={pk: (NOON + timedelta(seconds=pk.int), mark_of(1)) for pk in ids},
        )

        again = Position.from_id(position.to_id())

        assert list(again.under_way) == ids[:MOST_NAMED]
        first_unnamed = ids[MOST_NAMED]
        assert again.after == (NOON + timedelta(seconds=first_unnamed.int), UUID(int=first_unnamed.int - 1))
        assert len(position.to_id()) < 3000  # It goes in a header.

    @pytest.mark.parametrize(
        "text",
        [
            "7",
            "",
            "1.2.3",
            Position().to_id() + "\n",
            Position().to_id() + "00",
            "9" * 30 + Position().to_id(),
            Position().to_id() + "0" * 40 * (MOST_NAMED + 1),
        ],
    )
    def test_refuses_anything_else(self, text):
        with pytest.raises(UnknownPosition, match="not the id of an event"):
            Position.from_id(text)
