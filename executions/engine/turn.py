"""One execution while this process holds it: plan, run, record, repeat, let go."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from executions.engine import leases, retry
from executions.engine.ending import end_execution
from executions.engine.job import Job
from executions.engine.journal import Journal
from executions.engine.planner import Plan, Start, plan
from executions.engine.values import Values
from executions.engine.versions import CompiledNode, CompiledVersion
from executions.exceptions import IllegalTransition
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from workflows.expressions import Evaluator
from workflows.nodes.base import ERROR_PORT, MAIN_PORT, Done, Effect, NodeError, Wait

# A node in the pool gets this much more than its timeout to notice by itself that it is late.
LATE_SECONDS = 1.0
# Node runs in place before other executions of this process get a chance.
MOST_IN_A_ROW = 100


class Turn:
    """A claimed execution. All methods but :meth:`abandon` belong to the worker's loop."""

    def __init__(
        self,
        execution: WorkflowExecution,
        lease: leases.Lease,
        *,
        version: CompiledVersion,
        sandbox: Evaluator,
        submit: Callable[[Job], None],
        now: datetime,
    ) -> None:
        self.execution = execution
        self.lease = lease
        self.is_ready = True
        self.is_over = False
        self.is_suspect = execution.claims > leases.SUSPECT_AFTER
        self._version = version
        self._submit = submit
        self._claimed_at = now
        self._claimed_monotonic = time.monotonic()
        # Claimed for the first time, it has no journal to read.
        self._journal = Journal(execution.pk) if execution.fence == 1 else Journal.load(execution.pk)
        self._values = Values(execution, version, self._journal, sandbox)
        self._jobs: dict[str, Job] = {}
        self._rng = random.Random()  # noqa: S311
        self._next_timer_at: datetime | None = None

    @property
    def log_extra(self) -> dict[str, str]:
        """What a log line about this execution says of it."""
        return {"execution_id": str(self.lease.execution_id)}

    @property
    def has_jobs(self) -> bool:
        """Whether nodes of it are in the pool."""
        return bool(self._jobs)

    def now(self) -> datetime:
        """The database's time, without asking it again."""
        return self._claimed_at + timedelta(seconds=time.monotonic() - self._claimed_monotonic)

    def advance(self) -> None:
        """Carry the execution on as far as it goes now.

        :raises LeaseLost: if it is no longer ours.
        """
        self.is_ready = False
        to_submit: list[Job] = []
        for _ in range(MOST_IN_A_ROW):
            decided = self._plan(to_submit)
            if decided.failed is not None:
                return self._end_failed(decided.failed)
            if decided.is_over:
                return self._end_completed()
            if not decided.start and not decided.wake:
                self._next_timer_at = decided.next_timer.wake_at if decided.next_timer else None
                break
            for node_id in decided.wake:
                self._journal.finish_waiting(node_id, ports=(self._first_port(node_id),), now=self.now())
            to_submit += [job for start in decided.start if (job := self._start(start))]
        else:
            self.is_ready = True
        if not (to_submit or self._jobs or self.is_ready):
            return self._hand_back(decided)
        if self._journal.has_news:
            self._commit()
        for job in to_submit:
            self._jobs[job.node_id] = job
            self._submit(job)
        return None

    def take_in(self, job: Job) -> None:
        """Take a job's result in, unless it came too late."""
        if self._jobs.get(job.node_id) is job:
            del self._jobs[job.node_id]
            self._settle(job)
            self.is_ready = True

    def look_at_deadlines(self) -> None:
        """Give up nodes that have passed theirs; go on where a timer is due."""
        now = self.now()
        for job in [job for job in self._jobs.values() if job.deadline + timedelta(seconds=LATE_SECONDS) < now]:
            del self._jobs[job.node_id]
            job.abandon()
            self._fail(job.compiled, job.row, _late(job))
            self.is_ready = True
        if self._next_timer_at is not None and self._next_timer_at <= now:
            self.is_ready = True

    def abandon(self) -> None:
        """Stop what is in flight and write nothing more: the execution is no longer ours. Any thread may call this."""
        for job in list(self._jobs.values()):
            job.abandon()
        self._jobs.clear()
        self.is_ready = False
        self.is_over = True

    def let_go(self) -> None:
        """Record what is known and hand the execution back as due, without counting it as a loss.

        :raises LeaseLost: if it is no longer ours.
        """
        with transaction.atomic():
            leases.hand_back(
                self.lease,
                wake_at=self.now(),
                blocked_on=BlockedOn.QUEUE,
                detail="Its worker ended.",
                nodes_executed=self._journal.executed,
            )
            self._journal.flush()
        self.is_over = True

    # --- Node runs --------------------------------------------------------------------------------------------------

    def _plan(self, to_submit: list[Job]) -> Plan:
        return plan(
            self._version.graph,
            started_by=self.execution.execution_context["node_id"],
            facts=self._journal.facts,
            in_flight=frozenset(self._jobs) | {job.node_id for job in to_submit},
            now=self.now(),
        )

    def _start(self, start: Start) -> Job | None:
        """Begin a node run; settle it if it is pure, else return the job for the pool."""
        compiled = self._version.nodes[start.node_id]
        row = self._journal.begin(compiled.node, attempt=start.attempt, now=self.now())
        if compiled.node.disabled:
            value = self._values.input_of(start.node_id)
            self._journal.complete(row, ports=(self._first_port(start.node_id),), output=value, now=self.now())
            return None
        try:
            job = self._job(compiled, row)
        except NodeError as error:
            self._fail(compiled, row, error)
            return None
        if compiled.type.effect(compiled.node.config) is not Effect.NONE:
            return job
        job.do(may_begin=lambda: True)
        self._settle(job)
        return None

    def _job(self, compiled: CompiledNode, row: WorkflowExecutionLog) -> Job:
        seconds = compiled.node.timeout_seconds or settings.WORKFLOW_NODE_TIMEOUT
        deadline = self.now() + timedelta(seconds=seconds)
        if self.execution.deadline_at is not None:
            deadline = min(deadline, self.execution.deadline_at)
        prepared = self._values.prepare(compiled, row, deadline=deadline)
        row.input_data = prepared.shown
        return Job(self, compiled, row, config=prepared.config, context=prepared.context, deadline=deadline)

    def _settle(self, job: Job) -> None:
        try:
            outcome = job.result()
            output = self._values.kept_output(outcome.output)
        except NodeError as error:
            self._fail(job.compiled, job.row, error)
            return
        match outcome:
            case Done(ports=ports):
                self._journal.complete(job.row, ports=ports, output=output, now=self.now())
            case Wait(until=until):
                self._journal.wait(job.row, until=until, output=output)

    def _fail(self, compiled: CompiledNode, row: WorkflowExecutionLog, error: NodeError) -> None:
        node = compiled.node
        delay = retry.next_delay(
            node.retry,
            attempt=row.attempt,
            retryable=error.retryable,
            retry_after=error.retry_after,
            default_attempts=settings.WORKFLOW_MAX_RETRIES,
            rng=self._rng,
        )
        caught_by: tuple[str, ...] = ()
        if delay is None and node.on_error == "continue":
            caught_by = (self._first_port(node.id),)
        elif delay is None and node.on_error == "port":
            caught_by = (ERROR_PORT,)
        self._journal.fail(
            row, error=self._values.kept_error(error), now=self.now(), retry_in=delay, caught_by=caught_by
        )

    def _first_port(self, node_id: str) -> str:
        compiled = self._version.nodes[node_id]
        ports = compiled.type.ports(compiled.node.config)
        return ports[0] if ports else MAIN_PORT

    # --- Writing ----------------------------------------------------------------------------------------------------

    @transaction.atomic
    def _commit(self) -> None:
        changes: dict[str, Any] = {"nodes_executed": self._journal.executed}
        if self._journal.completed_since_flush:
            changes["claims"] = 1  # It gets further: earlier losses were not its fault.
        if self.execution.deadline_at is None:
            changes["deadline_at"] = self.execution.deadline_at = self._deadline()
        leases.write(self.lease, **changes)
        self._journal.flush()

    @transaction.atomic
    def _hand_back(self, decided: Plan) -> None:
        timer = decided.next_timer
        assert timer is not None, "A plan that starts nothing and waits for nothing is over."  # noqa: S101
        leases.hand_back(
            self.lease,
            wake_at=timer.wake_at,
            blocked_on=BlockedOn.RETRY if timer.is_retry else BlockedOn.TIMER,
            detail=self._why(decided),
            nodes_executed=self._journal.executed,
            deadline_at=self.execution.deadline_at or self._deadline(),
        )
        self._journal.flush()
        self.is_over = True

    def _why(self, decided: Plan) -> str:
        names = ", ".join(f"`{timer.node_id}` until {timer.wake_at:%Y-%m-%d %H:%M:%S} UTC" for timer in decided.timers)
        return f"Waits for {names}."

    def _end_completed(self) -> None:
        self._end(ExecutionStatus.COMPLETED, result=self._values.result())

    def _end_failed(self, node_id: str) -> None:
        row = self._journal.row(node_id)
        error: dict[str, Any] = dict(row.error or {})
        error |= {"message": f"Node `{node_id}` failed: {error['message']}", "node_id": node_id}
        if row.attempt > 1:
            error["attempts"] = row.attempt
        self._end(ExecutionStatus.FAILED, error=error)

    def _end(self, status: ExecutionStatus, **outcome: Any) -> None:
        for job in self._jobs.values():
            job.abandon()
        try:
            end_execution(
                self.execution,
                status,
                now=self.now(),
                fence=self.lease.fence,
                journal=self._journal,
                nodes_executed=self._journal.executed,
                **outcome,
            )
        except IllegalTransition as error:
            raise leases.LeaseLost(str(error)) from error
        self._jobs.clear()
        self.is_over = True

    def _deadline(self) -> datetime:
        seconds = self._version.definition.settings.timeout_seconds or settings.WORKFLOW_EXECUTION_TIMEOUT
        return (self.execution.started_at or self.now()) + timedelta(seconds=seconds)


def _late(job: Job) -> NodeError:
    return NodeError(
        "node_timeout",
        f"The node did not end by its deadline ({job.deadline:%Y-%m-%d %H:%M:%S} UTC). Raise its timeout_seconds if it "
        "needs longer.",
        retryable=True,
    )
