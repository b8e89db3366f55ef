"""The journal of one execution while a worker holds it: what is recorded, and what is about to be.

Changes are kept here until :meth:`Journal.flush`, which the turn calls inside a transaction that has written the
execution's row under the fence first: a worker that has lost its lease records nothing.

Only the passes that are open are kept in memory; those that are over are forgotten, and read again when somebody asks for
what they put out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, When

from executions.engine.planner import NodeRunFact, Progress
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.for_nodes import opened
from executions.outputs.reference import FILE_COLUMNS, OutputFile, file_columns
from executions.outputs.removal import remove_after_commit
from projects.ids import new_id
from projects.inserting import insert, new_row
from projects.updating import update
from workflows.definition.schema import Node

# What waits for these ends with its time, and no answer comes.
_WITHOUT_ANSWER = (None, BlockedOn.TIMER, BlockedOn.RETRY)

# The columns of a node run that change after it was written first.
_ENDING = ("status", "ports", "wake_at", "waits_for", "completed_at", "duration_ms", "output_data", "error")


class Journal:
    """The node runs of one execution, by the iteration path of their pass."""

    def __init__(self, execution: WorkflowExecution) -> None:
        self._execution_id = execution.pk
        # The latest attempt of each node, by iteration and node id.
        self._rows: defaultdict[str, dict[str, WorkflowExecutionLog]] = defaultdict(dict)
        # As they are recorded: of one that is too large for its row, the file.
        self._outputs: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        # What node runs that were put off keep until they go on, by row.
        self._kept: dict[UUID, Any] = {}
        self._new: list[WorkflowExecutionLog] = []
        self._changed: dict[WorkflowExecutionLog, set[str]] = {}
        # Files that rows have named and name no more.
        self._unnamed: list[str] = []
        # Completions that no commit holds yet.
        self.completed_since_flush = 0
        self.executed = execution.nodes_executed
        self.output_bytes = execution.output_bytes

    @classmethod
    def load(cls, executions: Sequence[WorkflowExecution]) -> dict[UUID, Journal]:
        """Read the node runs of executions, by their ids: those at the top in one query, then every pass that is open.

        What went in and came out is read later, and only what somebody asks for; but with what a timer holds back, its node
        run is about to be done.
        """
        journals = {execution.pk: cls(execution) for execution in executions}
        for row in _stored(execution_id__in=list(journals), iteration=""):
            journals[row.execution_id]._add(row)
        for journal in journals.values():
            journal._load_passes()
        return journals

    def _load_passes(self) -> None:
        """Read the node runs of every pass that is open, level by level."""
        iterations = [""]
        while iterations := self._open_below(iterations):
            for row in _stored(execution_id=self._execution_id, iteration__in=iterations):
                self._add(row)

    def _open_below(self, iterations: Iterable[str]) -> list[str]:
        # Scopes side by side share the paths of their passes.
        found = {
            path_of(iteration, index): None
            for iteration in iterations
            for row in self._rows[iteration].values()
            if row.status == ExecutionStatus.RUNNING and row.state
            for index in row.state["open"]
        }
        return list(found)

    def _add(self, row: WorkflowExecutionLog) -> None:
        known = self._rows[row.iteration].get(row.node_id)
        if known is None or row.attempt >= known.attempt:
            self._rows[row.iteration][row.node_id] = row
            if row.status != ExecutionStatus.RUNNING:
                return
            if row.waits_for == BlockedOn.TIMER:
                self._outputs[row.iteration][row.node_id] = row.file or row.held_back  # type: ignore[attr-defined]
            elif row.waits_for in (None, BlockedOn.RETRY) and row.held_back is not None:  # type: ignore[attr-defined]
                self._kept[row.pk] = {**row.held_back, "kept": row.file} if row.file else row.held_back  # type: ignore[attr-defined]

    # --- Reading ----------------------------------------------------------------------------------------------------

    def rows_in(self, iteration: str, node_ids: Iterable[str]) -> list[WorkflowExecutionLog]:
        """Return the latest attempt of each of these nodes that has one in an open pass."""
        rows = self._rows[iteration]
        return [rows[node_id] for node_id in node_ids if node_id in rows]

    def row(self, iteration: str, node_id: str) -> WorkflowExecutionLog:
        """Return the latest attempt of a node that has one."""
        return self._rows[iteration][node_id]

    def running(self) -> Iterator[WorkflowExecutionLog]:
        """Yield what has begun and not ended in the passes that are open."""
        for rows in self._rows.values():
            yield from (row for row in rows.values() if row.status == ExecutionStatus.RUNNING)

    def outputs(self, iteration: str, node_ids: Iterable[str]) -> dict[str, Any]:
        """Return the recorded outputs of nodes that have a node run in an open pass, by node id.

        :raises NodeError: if one lies in a file that cannot be read.
        """
        return {node_id: opened(output, node_id) for node_id, output in self._recorded(iteration, node_ids).items()}

    def _recorded(self, iteration: str, node_ids: Iterable[str]) -> dict[str, Any]:
        known, rows = self._outputs[iteration], self._rows[iteration]
        wanted = [node_id for node_id in node_ids if node_id in rows]
        missing = []
        for node_id in wanted:
            if node_id not in known:
                if (file := rows[node_id].file) is None:
                    missing.append(rows[node_id].pk)
                else:
                    known[node_id] = file
        if missing:
            stored = WorkflowExecutionLog.objects.filter(pk__in=missing).values_list("node_id", "output_data")
            known.update(stored)
        return {node_id: known[node_id] for node_id in wanted}

    def settled_below(self, iteration: str, node_ids: Collection[str]) -> dict[tuple[str, str], Any]:
        """Return the outputs of nodes in all passes below a path, by iteration and node id.

        :raises NodeError: if one lies in a file that cannot be read.
        """
        prefix = path_of(iteration, "")
        stored = (
            WorkflowExecutionLog.objects.filter(
                Q(status=ExecutionStatus.COMPLETED) | Q(status=ExecutionStatus.FAILED),
                execution_id=self._execution_id,
                node_id__in=node_ids,
                iteration__startswith=prefix,
            )
            .exclude(iteration="")
            .exclude(ports=[])
            .values_list("iteration", "node_id", "output_data", *FILE_COLUMNS)
        )
        found = {(path, node_id): OutputFile.named(*file) or output for path, node_id, output, *file in stored}
        for row in (*self._new, *self._changed):
            if row.node_id in node_ids and row.ports and row.iteration and row.iteration.startswith(prefix):
                found[row.iteration, row.node_id] = row.file or row.output_data
        return {place: opened(output, place[1]) for place, output in found.items()}

    def failures_below(self, iteration: str, node_ids: Collection[str], *, most: int) -> list[WorkflowExecutionLog]:
        """Return node runs that failed in the passes of a scope and that nothing caught."""
        prefix = path_of(iteration, "")
        rows = WorkflowExecutionLog.objects.filter(
            execution_id=self._execution_id,
            node_id__in=node_ids,
            iteration__startswith=prefix,
            status=ExecutionStatus.FAILED,
            ports=[],
            wake_at__isnull=True,
        ).exclude(iteration="")
        found = {row.pk: row for row in rows.only("node_id", "iteration", "error")[:most]}
        for row in (*self._new, *self._changed):
            if row.node_id in node_ids and row.iteration and row.iteration.startswith(prefix):
                found.pop(row.pk, None)
                if row.status == ExecutionStatus.FAILED and not row.ports and row.wake_at is None:
                    found[row.pk] = row
        return list(found.values())

    def ended_in(self, iterations: Collection[str], node_ids: Collection[str]) -> list[WorkflowExecutionLog]:
        """Read what ended in some passes: all attempts of these nodes, the last one last, with what they put out. What is not written is not seen."""
        rows = WorkflowExecutionLog.objects.filter(
            execution_id=self._execution_id, iteration__in=iterations, node_id__in=node_ids, completed_at__isnull=False
        )
        return list(rows.defer("input_data").order_by("attempt"))

    def answers(self) -> list[WorkflowExecutionLog]:
        """Read what has come for the node runs that wait, and return those for which something has."""
        waiting = {row.pk: row for row in self.running() if row.waits_for not in _WITHOUT_ANSWER}
        if not waiting:
            return []
        came = WorkflowExecutionLog.objects.filter(pk__in=waiting, answer__isnull=False)
        found = []
        for pk, answer in came.values_list("pk", "answer"):
            waiting[pk].answer = answer
            found.append(waiting[pk])
        return found

    # --- Recording --------------------------------------------------------------------------------------------------

    def begin(self, node: Node, *, iteration: str, attempt: int, now: datetime) -> WorkflowExecutionLog:
        """Note that an attempt starts; one that was begun before and lost, or put off, goes on under its old row."""
        row = self._rows[iteration].get(node.id)
        if row is not None and row.attempt == attempt and row.waits_for == BlockedOn.RETRY:
            row.waits_for = row.wake_at = None
            self._touch(row, "waits_for", "wake_at")
            return row
        if row is not None and row.attempt == attempt:
            row.interruptions += 1
            self._touch(row, "interruptions")
            return row
        row = new_row(
            WorkflowExecutionLog,
            id=new_id(),
            execution_id=self._execution_id,
            node_id=node.id,
            node_name=node.name,
            node_type=node.type,
            iteration=iteration,
            attempt=attempt,
            status=ExecutionStatus.RUNNING,
            started_at=now,
            created_at=now,
        )
        self._rows[iteration][node.id] = row
        self._new.append(row)
        return row

    def note_input(self, row: WorkflowExecutionLog, shown: dict[str, Any]) -> None:
        """Note what a node run was given."""
        row.input_data = shown
        self._touch(row, "input_data")

    def note_spent(self, row: WorkflowExecutionLog, *, tokens: int, cost: Decimal | None) -> None:
        """Note what a node run has used of models.

        :param cost: US dollars; None: the price is not known.
        """
        row.tokens_used, row.cost = tokens, cost
        self._touch(row, "tokens_used", "cost")

    def note_state(self, row: WorkflowExecutionLog, state: dict[str, Any]) -> None:
        """Note how far a scope has come."""
        row.state = state
        self._touch(row, "state")

    def wait(
        self, row: WorkflowExecutionLog, *, until: datetime | None, output: Any, waits_for: BlockedOn = BlockedOn.TIMER
    ) -> None:
        """Note that a node run sleeps; its output is what it will be done with, unless an answer says otherwise."""
        row.wake_at = until
        row.waits_for = waits_for
        self._put(row, output)
        self._outputs[row.iteration][row.node_id] = output
        self._touch(row, "wake_at", "waits_for", "output_data")

    def postpone(self, row: WorkflowExecutionLog, *, until: datetime, keep: Any) -> None:
        """Note that a node run sleeps because a call of it has to wait. Then the same attempt goes on, with what it keeps.

        What it keeps stands where its output will, which replaces it.
        """
        row.wake_at = until
        row.waits_for = BlockedOn.RETRY
        self._kept[row.pk] = keep
        if type(keep["kept"]) is OutputFile:
            self._put(row, keep["kept"])
            keep = {**keep, "kept": None}
        else:
            self._put(row, None)
        row.output_data = keep
        self._touch(row, "wake_at", "waits_for", "output_data")

    def kept_by(self, row: WorkflowExecutionLog) -> Any:
        """Return what a node run kept when it was put off, its own part perhaps as a file; ``None`` if it was not."""
        return self._kept.get(row.pk)

    def complete(self, row: WorkflowExecutionLog, *, ports: tuple[str, ...], output: Any, now: datetime) -> None:
        """Note that a node run is done. Once it is flushed, it never runs again."""
        self._end(row, ExecutionStatus.COMPLETED, now=now)
        row.ports = list(ports)
        self._put(row, output)
        self._outputs[row.iteration][row.node_id] = output
        self.executed += 1

    def finish_waiting(self, row: WorkflowExecutionLog, *, ports: tuple[str, ...], now: datetime) -> None:
        """Note that a node run that slept is done, with the output that it fell asleep with."""
        output = self._recorded(row.iteration, [row.node_id])[row.node_id]
        self.complete(row, ports=ports, output=output, now=now)

    def fail(
        self,
        row: WorkflowExecutionLog,
        *,
        error: dict[str, Any],
        now: datetime,
        retry_in: timedelta | None = None,
        caught_by: tuple[str, ...] = (),
    ) -> None:
        """Note that an attempt failed: to be tried again, caught by ports, or neither.

        A caught failure hands ``{"error": …}`` on as its output.
        """
        self._end(row, ExecutionStatus.FAILED, now=now)
        row.error = error
        row.wake_at = now + retry_in if retry_in is not None else None
        row.ports = list(caught_by)
        if caught_by:
            row.output_data = {"error": {key: error[key] for key in ("code", "message", "details") if key in error}}
            self._outputs[row.iteration][row.node_id] = row.output_data

    def forgo_retry(self, row: WorkflowExecutionLog) -> None:
        """Note that a failed attempt will not be followed by another one."""
        row.wake_at = None
        self._touch(row, "wake_at")

    def close(
        self, row: WorkflowExecutionLog, status: ExecutionStatus, *, error: dict[str, Any], now: datetime
    ) -> None:
        """Note that a node run that has begun ends without a result of its own."""
        self._end(row, status, now=now)
        row.error = error

    def close_open(self, status: ExecutionStatus, *, error: dict[str, Any], now: datetime) -> None:
        """Note that what is still open ends with its execution."""
        for row in list(self.running()):
            self.close(row, status, error=error, now=now)

    def forget(self, iteration: str, node_ids: Iterable[str]) -> None:
        """Let go of the nodes of a pass that is over. What they recorded is still written.

        Other scopes may have a pass of the same path, so that it takes both to say which is meant.
        """
        for node_id in node_ids:
            if node_id in self._rows[iteration]:
                self._kept.pop(self._rows[iteration][node_id].pk, None)
        for by_iteration in (self._rows, self._outputs):
            by_node = by_iteration[iteration]
            for node_id in node_ids:
                by_node.pop(node_id, None)
            if not by_node:
                del by_iteration[iteration]

    def flush(self) -> None:
        """Write what is new. The caller's transaction must have written the execution under its fence."""
        if self._new:
            insert(self._new)
        for row, columns in self._changed.items():
            update(WorkflowExecutionLog, {"id": row.pk}, {name: getattr(row, name) for name in sorted(columns)})
        if self._unnamed:
            remove_after_commit(self._unnamed)
            self._unnamed = []
        self._new = []
        self._changed = {}
        self.completed_since_flush = 0

    @property
    def has_news(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._new or self._changed)

    @property
    def unwritten(self) -> int:
        """How many node runs wait for the next flush."""
        return len(self._new) + len(self._changed)

    def _end(self, row: WorkflowExecutionLog, status: ExecutionStatus, *, now: datetime) -> None:
        if self._kept.pop(row.pk, None) is not None:
            self._put(row, None)
        row.status = status
        row.completed_at = now
        row.duration_ms = max(int((now - row.started_at).total_seconds() * 1000), 0)
        row.wake_at = None
        row.waits_for = None
        self.completed_since_flush += 1
        self._touch(row, *_ENDING)

    def _put(self, row: WorkflowExecutionLog, output: Any) -> None:
        """Put an output into its row, or the name of the file in which it lies."""
        before = row.output_file
        file = output if type(output) is OutputFile else None
        row.output_data = None if file else output
        if file is None and before is None:
            return
        for name, value in file_columns(file).items():
            setattr(row, name, value)
        self._touch(row, *FILE_COLUMNS)
        if before is not None and before != row.output_file:
            self._unnamed.append(before)

    def _touch(self, row: WorkflowExecutionLog, *columns: str) -> None:
        if row._state.adding:
            return  # Not written yet: it will be, as a whole.
        self._changed.setdefault(row, set()).update(columns)


def _stored(**of: Any) -> QuerySet[WorkflowExecutionLog]:
    rows = WorkflowExecutionLog.objects.filter(**of).defer("input_data", "output_data")
    return rows.annotate(held_back=Case(When(status=ExecutionStatus.RUNNING, then=F("output_data"))))


def path_of(iteration: str, index: int | str) -> str:
    """Return the iteration path of a pass, given that of its scope."""
    return f"{iteration}.{index}" if iteration else str(index)


def fact_of(row: WorkflowExecutionLog) -> NodeRunFact:
    """Return what a row tells the planner."""
    return NodeRunFact(
        node_id=row.node_id,
        progress=_progress(row),
        attempt=row.attempt,
        ports=tuple(row.ports),
        wake_at=row.wake_at,
        is_timer=row.waits_for in _WITHOUT_ANSWER,
    )


def _progress(row: WorkflowExecutionLog) -> Progress:
    match row.status:
        case ExecutionStatus.COMPLETED:
            return Progress.SETTLED
        case ExecutionStatus.RUNNING if row.answer is not None:
            return Progress.ANSWERED
        case ExecutionStatus.RUNNING if row.waits_for == BlockedOn.RETRY:
            return Progress.POSTPONED
        case ExecutionStatus.RUNNING if row.waits_for is not None:
            return Progress.WAITING
        case ExecutionStatus.RUNNING:
            return Progress.OPEN if row.state is not None else Progress.STARTED
        case _ if row.ports:
            return Progress.SETTLED
        case _ if row.wake_at:
            return Progress.RETRYING
        case _:
            return Progress.FAILED
