"""Reading what has happened to an execution since somebody was last told.

Whatever is told stands in the rows that the engine writes anyway: an execution that nobody watches pays nothing for this. Node runs
come in the order (started_at, id), and those that one commit brings come after all that were there before; so it is enough to
remember the last one, and those that had not ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import takewhile
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, FilteredRelation, Q, UUIDField

from executions.live.events import NODE_RUN_COLUMNS, Event, Kind, told_of_execution, told_of_node_run
from executions.live.position import MOST_NAMED, UNKNOWN, Position, mark_of
from executions.models import LIVE, WorkflowExecution, WorkflowExecutionLog

# Node runs, and pieces of text, that one look reads.
PAGE = 200
# Between two looks: while something happens, and at most when nothing has for a while.
LOOK_SECONDS = 0.3
QUIET_SECONDS = 1.0
_SLOWER = 1.1

# Both parts by an index, however many node runs there are: an OR would read them all. The execution is written out: planned for
# any execution, of which most have a few node runs, the first part could go by whichever index begins with the execution, and
# would read all that one of many has.
_NEWS = """
SELECT {columns} FROM (
    SELECT * FROM workflow_execution_logs
    WHERE execution_id = '{execution}' AND (started_at, id) > (%s, %s)
    ORDER BY started_at, id LIMIT {page}
) AS new_ones
UNION ALL
SELECT {columns} FROM workflow_execution_logs WHERE id IN ({open_ones})
"""


class Reader:
    """Tells of one execution, look by look. Each look asks two queries, whatever the execution has behind it."""

    def __init__(self, execution_id: UUID, position: Position | None = None) -> None:
        """Begin where ``position`` says; by default at the beginning."""
        self.execution_id = execution_id
        self.position = position or Position()
        # The execution as the latest look found it; None, if it is not there any more.
        self.execution: WorkflowExecution | None = None
        # Whether there is more to tell at once.
        self.has_more = False

    @property
    def is_over(self) -> bool:
        """Whether everything was told, and nothing will be added."""
        return self.position.is_over

    def look(self) -> list[Event]:
        """Return what has happened since the last look."""
        return list(self._events())

    def _events(self) -> Iterator[Event]:
        # Before the node runs: if it has ended by now, so have they.
        found = self._execution_with_texts()
        execution = self.execution = found[0] if found else None
        if execution is None:  # Cleaned up.
            yield self._end()
            return
        rows = self._node_runs()
        new = [row for row in rows if (row.started_at, row.pk) > self.position.after]
        is_catching_up = len(new) == PAGE
        self.has_more = is_catching_up or len(found) == PAGE
        if not execution.has_ended:
            yield from self._about(execution)
        is_new = {row.pk for row in new}
        changed = [row for row in rows if row.pk not in is_new]
        # A text comes after the beginning of what it belongs to, and before its end.
        pieces = [each for each in found if each.text_id is not None]
        early = list(takewhile(lambda piece: piece.text_of in self.position.under_way, pieces))
        late = pieces[len(early) :]
        yield from self._texts(early)
        if not late:
            yield from self._about_node_runs(changed)
        yield from self._about_node_runs(new)
        if late and not is_catching_up:
            yield from self._texts(late)
        if late:
            yield from self._about_node_runs(changed)
        if execution.has_ended and not self.has_more:
            yield from self._about(execution)
            yield self._end()

    def _execution_with_texts(self) -> list[Any]:
        """Return the execution once for each new piece of text; once, if there is none."""
        is_new = FilteredRelation("live_texts", condition=Q(live_texts__id__gt=self.position.text))
        return list(
            WorkflowExecution.objects.filter(pk=self.execution_id)
            .defer("execution_context", "result")
            .annotate(
                piece=is_new,
                text_id=F("piece__id"),
                text_of=F("piece__node_run_id"),
                text_number=F("piece__number"),
                text=F("piece__text"),
            )
            .order_by("text_id")[:PAGE]
        )

    def _node_runs(self) -> list[WorkflowExecutionLog]:
        """Return node runs that began since, and those that had not ended."""
        started_at, after = self.position.after
        open_ones = list(self.position.under_way) or [UUID(int=0)]
        execution_id, after_id, *open_ids = [
            UUIDField().get_db_prep_value(pk, connection) for pk in (self.execution_id, after, *open_ones)
        ]
        moment = connection.ops.adapt_datetimefield_value(started_at)
        fields = WorkflowExecutionLog._meta.concrete_fields
        columns = ", ".join(f'"{each.column}"' for each in fields if each.name in {"execution", *NODE_RUN_COLUMNS})
        asked = _NEWS.format(
            columns=columns, execution=execution_id, page=PAGE, open_ones=", ".join(["%s"] * len(open_ones))
        )
        rows = WorkflowExecutionLog.objects.raw(asked, [moment, after_id, *open_ids])
        # One may be new and have been named. And who comes back says which ones had not ended, and may name those of any execution.
        own = {row.pk: row for row in rows if row.execution_id == self.execution_id}
        return sorted(own.values(), key=lambda row: (row.started_at, row.pk))

    def _about(self, execution: WorkflowExecution) -> Iterator[Event]:
        mark = mark_of(execution.status, execution.blocked_on, execution.blocked_detail, execution.wake_at)
        if mark != self.position.execution:
            self.position.execution = mark
            yield self._event(Kind.EXECUTION, told_of_execution(execution))

    def _about_node_runs(self, rows: list[WorkflowExecutionLog]) -> Iterator[Event]:
        for row in rows:
            mark = mark_of(row.status, row.waits_for, row.wake_at, row.interruptions)
            _, told = self.position.under_way.get(row.pk, (None, None))
            self.position.after = max(self.position.after, (row.started_at, row.pk))
            if row.status in LIVE:
                self.position.under_way[row.pk] = (row.started_at, mark)
            else:
                self.position.under_way.pop(row.pk, None)
            if mark != told:
                yield self._event(Kind.NODE_RUN, told_of_node_run(row))

    def _texts(self, pieces: list[Any]) -> Iterator[Event]:
        for each in pieces:
            self.position.text = each.text_id
            data = {
                "node_run": str(each.text_of),
                "number": each.text_number,
                "reset": each.text_number == 1,
                "text": each.text,
            }
            yield self._event(Kind.TEXT, data)

    def _end(self) -> Event:
        self.has_more = False
        self.position.is_over = True
        return self._event(Kind.END, {"id": str(self.execution_id)})

    def _event(self, kind: Kind, data: dict[str, Any]) -> Event:
        return Event(kind, data, self.position.to_id())


def present_position(execution_id: UUID) -> Position:
    """Return where somebody begins who knows the node runs that there are: those under way, and all texts, are told again."""
    rows = WorkflowExecutionLog.objects.filter(execution=execution_id)
    latest = rows.order_by("-started_at", "-id").values_list("started_at", "id").first()
    if latest is None:
        return Position()
    under_way = rows.filter(status__in=LIVE).order_by("started_at", "id").values_list("id", "started_at")
    return Position(
        after=latest, under_way={pk: (started_at, UNKNOWN) for pk, started_at in under_way[: MOST_NAMED + 1]}
    )


def looks(reader: Reader) -> Iterator[list[Event]]:
    """Yield what each look finds, which may be nothing, until everything was told. Sleeps between looks."""
    pause = LOOK_SECONDS
    while True:
        events = reader.look()
        yield events
        if reader.is_over:
            return
        pause = LOOK_SECONDS if events else min(pause * _SLOWER, QUIET_SECONDS)
        if not reader.has_more:
            time.sleep(pause)
