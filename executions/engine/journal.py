"""The journal of one execution while a worker holds it: what is recorded, and what is about to be.

Changes are kept here until :meth:`Journal.flush`, which the runner calls inside a transaction that has written the
execution's row under the fence first: a worker that has lost its lease records nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from executions.engine.planner import NodeRunFact, Progress, latest
from executions.models import ExecutionStatus, WorkflowExecutionLog
from workflows.definition.schema import Node


class Journal:
    """All node runs of one execution."""

    def __init__(self, execution_id: UUID, rows: Iterable[WorkflowExecutionLog] = ()) -> None:
        self._execution_id = execution_id
        self._rows = {(row.node_id, row.attempt): row for row in rows}
        self._new: dict[UUID, WorkflowExecutionLog] = {}
        self._changed: dict[UUID, WorkflowExecutionLog] = {}
        self._outputs: dict[str, Any] = {}
        self.facts = latest(_fact(row) for row in self._rows.values())
        # Completions that no commit holds yet.
        self.completed_since_flush = 0
        self.executed = sum(row.status == ExecutionStatus.COMPLETED for row in self._rows.values())
        self.output_bytes = 0

    @classmethod
    def load(cls, execution_id: UUID) -> Journal:
        """Read what is recorded. Outputs are read later, and only those that somebody asks for."""
        rows = WorkflowExecutionLog.objects.filter(execution_id=execution_id).defer("input_data", "output_data")
        return cls(execution_id, rows)

    def row(self, node_id: str) -> WorkflowExecutionLog:
        """Return the latest attempt of a node that has one."""
        return self._rows[node_id, self.facts[node_id].attempt]

    def begin(self, node: Node, *, attempt: int, now: datetime) -> WorkflowExecutionLog:
        """Note that an attempt starts; one that was begun before and lost goes on under its old row."""
        row = self._rows.get((node.id, attempt))
        if row is None:
            row = WorkflowExecutionLog(
                execution_id=self._execution_id,
                node_id=node.id,
                node_name=node.name,
                node_type=node.type,
                attempt=attempt,
                status=ExecutionStatus.RUNNING,
                started_at=now,
                created_at=now,
            )
            self._rows[node.id, attempt] = row
            self._new[row.id] = row
        else:
            row.interruptions += 1
            self._touch(row)
        self._learn(row)
        return row

    def wait(self, row: WorkflowExecutionLog, *, until: datetime, output: Any) -> None:
        """Note that a node run sleeps; its output is what it will be done with."""
        row.wake_at = until
        row.output_data = output
        self._touch(row)
        self._learn(row)

    def complete(self, row: WorkflowExecutionLog, *, ports: tuple[str, ...], output: Any, now: datetime) -> None:
        """Note that a node run is done. Once it is flushed, it never runs again."""
        self._end(row, ExecutionStatus.COMPLETED, now=now)
        row.wake_at = None
        row.ports = list(ports)
        row.output_data = output
        self._outputs[row.node_id] = output
        self.executed += 1
        self._learn(row)

    def finish_waiting(self, node_id: str, *, ports: tuple[str, ...], now: datetime) -> None:
        """Note that a node run that slept is done, with the output that it fell asleep with."""
        row = self.row(node_id)
        self.complete(row, ports=ports, output=self.outputs([node_id])[node_id], now=now)

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
            self._outputs[row.node_id] = row.output_data
        self._learn(row)

    def close_open(self, status: ExecutionStatus, *, error: dict[str, Any], now: datetime) -> None:
        """Note that what is still open ends with its execution."""
        for fact in list(self.facts.values()):
            if fact.progress in (Progress.STARTED, Progress.WAITING):
                row = self.row(fact.node_id)
                self._end(row, status, now=now)
                row.wake_at = None
                row.error = error

    def outputs(self, node_ids: Iterable[str]) -> dict[str, Any]:
        """Return the recorded outputs of settled (or waiting) nodes, by node id."""
        wanted = {node_id: self.row(node_id) for node_id in node_ids if node_id in self.facts}
        missing = [row.pk for node_id, row in wanted.items() if node_id not in self._outputs]
        if missing:
            stored = WorkflowExecutionLog.objects.filter(pk__in=missing).values_list("node_id", "output_data")
            self._outputs.update(stored)
        return {node_id: self._outputs[node_id] for node_id in wanted if node_id in self._outputs}

    def flush(self) -> None:
        """Write what is new. The caller's transaction must have written the execution under its fence."""
        if self._new:
            WorkflowExecutionLog.objects.bulk_create(list(self._new.values()))
        for row in self._changed.values():
            row.save(
                force_update=True,
                update_fields=[
                    "status",
                    "ports",
                    "wake_at",
                    "completed_at",
                    "duration_ms",
                    "input_data",
                    "output_data",
                    "error",
                    "interruptions",
                    "tokens_used",
                    "cost",
                ],
            )
        self._new.clear()
        self._changed.clear()
        self.completed_since_flush = 0

    @property
    def has_news(self) -> bool:
        """Whether there is anything to flush."""
        return bool(self._new or self._changed)

    def _end(self, row: WorkflowExecutionLog, status: ExecutionStatus, *, now: datetime) -> None:
        row.status = status
        row.completed_at = now
        row.duration_ms = max(int((now - row.started_at).total_seconds() * 1000), 0)
        self.completed_since_flush += 1
        self._touch(row)

    def _touch(self, row: WorkflowExecutionLog) -> None:
        if row.id not in self._new:
            self._changed[row.id] = row

    def _learn(self, row: WorkflowExecutionLog) -> None:
        self.facts[row.node_id] = _fact(row)


def _fact(row: WorkflowExecutionLog) -> NodeRunFact:
    return NodeRunFact(
        node_id=row.node_id,
        progress=_progress(row),
        attempt=row.attempt,
        ports=tuple(row.ports),
        wake_at=row.wake_at,
    )


def _progress(row: WorkflowExecutionLog) -> Progress:
    match row.status:
        case ExecutionStatus.COMPLETED:
            return Progress.SETTLED
        case ExecutionStatus.RUNNING:
            return Progress.WAITING if row.wake_at else Progress.STARTED
        case _ if row.ports:
            return Progress.SETTLED
        case _ if row.wake_at:
            return Progress.RETRYING
        case _:
            return Progress.FAILED
