"""One execution while this process holds it: plan, run, record, repeat, let go."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from executions import emitting, endpoints, links
from executions.engine import awaiting, beginnings, children, leases, retry
from executions.engine.agents import AgentRun
from executions.engine.context import RunContext, without_marks
from executions.engine.ending import closed_as, meanwhile, tell_who_waits
from executions.engine.holds import Accepting, Claimed, Hold
from executions.engine.job import Job
from executions.engine.journal import Journal, fact_of
from executions.engine.model_calls import Settlements, ask_of, cost_of, is_model_call
from executions.engine.passes import Verdict, decide
from executions.engine.planner import Frame, Plan, Start
from executions.engine.scopes import Pass, Scope, result_of
from executions.engine.values import Values, most_bytes_in_a_row
from executions.engine.versions import AgentBody, CompiledNode, CompiledVersion
from executions.engine.waits import Waits
from executions.models import SUSPECT_AFTER, BlockedOn, ExecutionStatus, WorkflowExecution, WorkflowExecutionLog
from executions.outputs.for_nodes import opened as opened_output
from projects.failpoints import failpoint
from projects.ids import new_id
from workflows.definition.schema import Node
from workflows.expressions import Evaluator
from workflows.http import Postponed
from workflows.nodes.agent.model_call import leaves_host_open, model_of
from workflows.nodes.agent.steps import Begin, Fail, Finish, tokens_of
from workflows.nodes.base import (
    ERROR_PORT,
    MAIN_PORT,
    Answer,
    Await,
    Done,
    Effect,
    EmitEvent,
    EndpointGone,
    NodeError,
    PlannedCall,
    StartWorkflow,
    Wait,
)
from workflows.nodes.scopes import Passes

_APPROVALS = (BlockedOn.APPROVAL, BlockedOn.BUDGET)
# A node in the pool gets this much more than its timeout to notice by itself that it is late.
LATE_SECONDS = 1.0
# Node runs in place before what they recorded is written, and other executions of this process get a chance.
MOST_IN_A_ROW = 250


# Within another transaction (see :mod:`executions.engine.in_place`) no savepoint: what fails undoes the whole.
_in_one_commit = transaction.atomic(savepoint=False)


class Turn:
    """A claimed execution. All methods but :meth:`abandon` belong to the worker's loop."""

    def __init__(
        self,
        execution: WorkflowExecution,
        hold: Hold,
        *,
        version: CompiledVersion,
        sandbox: Evaluator,
        submit: Callable[[Job], None],
        now: datetime,
        journal: Journal | None = None,
    ) -> None:
        """Take an execution up.

        :param journal: what it has recorded; nothing, if it is new.
        """
        self.execution = execution
        self.is_ready = True
        self.is_over = False
        self.is_suspect = execution.claims > SUSPECT_AFTER
        self._hold = hold
        self._version = version
        self._submit = submit
        self._claimed_at = now
        self._claimed_monotonic = time.monotonic()
        self._journal = journal or Journal(execution)
        self._values = Values(execution, version, self._journal, sandbox)
        self._jobs: dict[UUID, Job] = {}
        self._to_submit: list[Job] = []
        self._end: tuple[ExecutionStatus, dict[str, Any]] | None = None  # What it has come to.
        self._rng = random.Random()  # noqa: S311
        self._next_timer_at: datetime | None = None
        self._to_start: dict[UUID, tuple[StartWorkflow, UUID, datetime | None, list[list[str]]]] = {}
        self._to_emit: list[emitting.Emission] = []
        # Node runs that waited, and for whose sub-workflows and approvals nobody waits any more.
        self._given_up: list[UUID] = []
        self._to_await: list[awaiting.Asked] = []
        self._to_link: list[links.Place] = []
        self._gone: list[str] = []  # URLs that said so.
        # What model calls have used, and what is not written yet of it.
        self._settlements = Settlements()
        self._spent_tokens, self._spent, self._is_cost_complete = 0, Decimal(0), True
        self._to_remember: list[tuple[AgentRun, Any]] = []
        self._has_signal = False
        self._has_answer = False  # One that no commit holds yet.
        self._top = Pass(
            "",
            Frame(
                version.top,
                started_by=execution.execution_context["node_id"],
                facts=map(fact_of, self._journal.rows_in("", version.top.nodes)),
            ),
        )
        self._to_plan: dict[Pass, None] = {self._top: None}
        self._restored = journal is None

    @property
    def log_extra(self) -> dict[str, str]:
        """What a log line about this execution says of it."""
        return {"execution_id": str(self.execution.pk)}

    @property
    def lease(self) -> leases.Lease:
        """The lease under which a worker has it."""
        assert isinstance(self._hold, Claimed)  # noqa: S101 - only a worker asks
        return self._hold.lease

    @property
    def locks_only_itself(self) -> bool:
        """Whether writing it locks no row that another process may be about to lock: then it may share a transaction."""
        execution = self.execution
        is_alone = execution.scheduled_for is None and execution.concurrency_key is None
        starts = self._to_start or self._to_emit or self._gone or self._to_remember
        return is_alone and not execution.is_waited_for and not starts and not self._given_up

    @property
    def has_jobs(self) -> bool:
        """Whether nodes of it are in the pool."""
        return bool(self._jobs)

    def now(self) -> datetime:
        """The database's time, without asking it again."""
        return self._claimed_at + timedelta(seconds=time.monotonic() - self._claimed_monotonic)

    def run(self, *, until: float | None = None) -> None:
        """Carry the execution on as far as it goes now. Nothing is written yet.

        :param until: stop at this moment of the monotonic clock, even if it could go further.
        """
        self.is_ready = False
        if not self._restored:
            self._restored = True
            self._restore(self._top)
        if self._has_signal:
            self._take_answers()
        while self._to_plan and self._end is None:
            here = next(iter(self._to_plan))
            del self._to_plan[here]
            self._go_on(here)
            if self._is_to_be_written() or (until is not None and time.monotonic() > until):
                self.is_ready = bool(self._to_plan)
                break

    def _is_to_be_written(self) -> bool:
        # Who waits for an answer gets it with the next commit, which is then due. An execution that is being accepted has one.
        answers = self._has_answer and not isinstance(self._hold, Accepting)
        return answers or self._journal.unwritten >= MOST_IN_A_ROW

    @_in_one_commit
    def record(self) -> None:
        """Write what :meth:`run` came to: the end, a sleep, or how far it is.

        :raises LeaseLost: if it is no longer ours. Then nothing was written.
        """
        if self._end is not None:
            self._write_end(*self._end)
        elif self.is_ready and isinstance(self._hold, Accepting):
            self.let_go("Began with the one who accepted it.")
        elif self.is_ready or self._jobs or self._to_submit:
            if self._journal.has_news:
                self._write_progress()
        else:
            self._hand_back()

    def begin_jobs(self) -> None:
        """Let the nodes with effects begin whose start is recorded. Comes after the commit."""
        if self.is_over:
            return
        self._next_timer_at = self._waits().next_at
        for job in self._to_submit:
            self._jobs[job.row.pk] = job
            self._submit(job)
        self._to_submit = []

    def take_in(self, job: Job) -> None:
        """Take a job's result in, unless it came too late."""
        if self._jobs.get(job.row.pk) is job:
            self._forget_job(job)
            self._settle(job)
            self.is_ready = True

    def look_at_deadlines(self) -> None:
        """Give up nodes that have passed theirs; go on where a timer is due."""
        now = self.now()
        for job in list(self._jobs.values()):
            if job.deadline is not None and job.deadline + timedelta(seconds=LATE_SECONDS) < now:
                self._forget_job(job)
                self._abandon(job)
                self._fail(job.compiled, job.here, job.row, _late(job.deadline))
                self.is_ready = True
        if self._next_timer_at is not None and self._next_timer_at <= now:
            for here in self._top.within():
                self._to_plan[here] = None
            self.is_ready = True

    def hear(self) -> None:
        """Note that something has come that it may be waiting for. Any thread may call this."""
        self._has_signal = self.is_ready = True

    def abandon(self) -> None:
        """Stop what is in flight and write nothing more: the execution is no longer ours. Any thread may call this."""
        for job in list(self._jobs.values()):
            job.abandon()
        self._jobs.clear()
        self.is_ready = False
        self.is_over = True

    @_in_one_commit
    def let_go(self, detail: str = "Its worker ended.") -> None:
        """Record what is known and hand the execution back as due, without counting it as a loss.

        :raises LeaseLost: if it is no longer ours.
        """
        self._hold.hand_back(wake_at=self.now(), blocked_on=BlockedOn.QUEUE, detail=detail, **self._progress())
        self._flush()
        self.is_over = True

    # --- Passes -----------------------------------------------------------------------------------------------------

    def _go_on(self, here: Pass) -> None:
        """Do what follows from the facts of one pass."""
        now = self.now()
        here.plan = decided = here.frame.plan(now=now, in_flight=frozenset(here.in_flight))
        if decided.failed is not None:
            self._close_failed(here, decided.failed)
        elif decided.is_over:
            self._close_done(here)
        else:
            self._give_up_late_scopes(here, now)
            self._do(decided, here, now)

    def _do(self, decided: Plan, here: Pass, now: datetime) -> None:
        for node_id in decided.wake:
            self._journal.finish_waiting(
                self._journal.row(here.iteration, node_id), ports=(self._first_port(node_id),), now=now
            )
            self._learn(here, node_id)
        for node_id in decided.answered:
            self._take_answer(here, self._journal.row(here.iteration, node_id))
        for node_id in decided.expired:
            self._expire(self._journal.row(here.iteration, node_id), now)
        if decided.expired:
            self._take_answers()
        for start in decided.start:
            if (job := self._start(here, start)) is not None:
                here.in_flight.add(start.node_id)
                self._to_submit.append(job)

    def _close_done(self, here: Pass) -> None:
        scope = here.scope
        if scope is None:
            self._end = (ExecutionStatus.COMPLETED, self._values.result(self._top))
            return None
        if isinstance(scope, AgentRun):
            return self._close_step(scope, here)
        try:
            scope.keep_result(here.index, result_of(here.frame, self._values.outputs_in(here)))
            values = self._values.of_pass(scope.body.after_pass, here, now=self.now())
            stops = _truth(values.get("break_when", False), "break_when", scope)
        except NodeError as error:
            return self._fail_scope(scope, error)
        scope.accumulator = values.get("accumulator.next", scope.accumulator)
        scope.is_broken_off = scope.is_broken_off or stops
        scope.is_stopped = scope.is_stopped or stops
        scope.succeeded += 1
        self._leave(here)
        return self._move(scope)

    def _close_step(self, agent: AgentRun, here: Pass) -> None:
        try:
            agent.note_done(here, self._values.settled_in(here))
        except NodeError as error:
            return self._fail_scope(agent, error)
        self._leave(here)
        return self._move_agent(agent)

    def _close_failed(self, here: Pass, node_id: str) -> None:
        row = self._journal.row(here.iteration, node_id)
        scope = here.scope
        if scope is None:
            self._end = (ExecutionStatus.FAILED, {"error": _failure(row)})
            return None
        self._drop(here, because="Its pass has failed.")
        self._leave(here)
        if isinstance(scope, AgentRun):
            scope.note_failed(here.index, row)
            return self._move_agent(scope)
        scope.failed += 1
        if scope.rules.collects:
            return self._move(scope)
        failure = _failure(row)
        return self._fail_scope(
            scope,
            NodeError("pass_failed", f"Pass {here.index} failed: {failure['message']}", details={"cause": failure}),
        )

    def _rows_in(self, here: Pass) -> list[WorkflowExecutionLog]:
        return self._journal.rows_in(here.iteration, here.frame.graph.nodes)

    def _leave(self, here: Pass) -> None:
        """Let go of a pass that is over."""
        assert here.scope is not None  # noqa: S101 - the top ends with the execution
        del here.scope.open[here.index]
        self._to_plan.pop(here, None)
        self._journal.forget(here.iteration, here.frame.graph.nodes)

    def _drop(self, here: Pass, *, because: str) -> None:
        """Give up everything that is under way in a pass and in the scopes in it."""
        for inner in list(here.within()):
            for row in self._rows_in(inner):
                if row.status == ExecutionStatus.RUNNING:
                    if job := self._jobs.pop(row.pk, None):
                        self._abandon(job)
                    if row.waits_for is not None:
                        self._given_up.append(row.pk)
                    error = {"code": "given_up", "message": because}
                    self._journal.close(row, ExecutionStatus.CANCELLED, error=error, now=self.now())
                elif row.wake_at is not None:
                    self._journal.forgo_retry(row)
            inner.in_flight.clear()
            self._to_plan.pop(inner, None)
            if inner is not here:
                self._journal.forget(inner.iteration, inner.frame.graph.nodes)
        self._note_spent_within(here)
        here.scopes.clear()

    # --- Scopes -----------------------------------------------------------------------------------------------------

    def _open(self, here: Pass, compiled: CompiledNode, row: WorkflowExecutionLog) -> None:
        """Begin a scope.

        :raises NodeError: if its config makes no sense, or has too many items.
        """
        assert compiled.body is not None  # noqa: S101 - only scopes come here
        prepared = self._values.prepare(compiled, here, row)
        passes = compiled.body.type.passes(prepared.config, branches=len(compiled.body.graphs))
        if self._values.fitting(prepared.shown) is not prepared.shown:
            raise NodeError(
                "items_too_large",
                f"What the scope goes over has more than {most_bytes_in_a_row():,} bytes. Keep only what is "
                "needed of each item.",
            )
        scope = self._scope(compiled, row, here, config=prepared.config, passes=passes, input=prepared.context.input)
        scope.accumulator = passes.accumulator
        if isinstance(scope, AgentRun):
            prepared.shown["told"] = scope.told = self._values.masked(
                beginnings.told(self.execution, self._version, scope)
            )
        self._journal.note_input(row, prepared.shown)
        here.scopes[scope.node_id] = scope
        self._journal.note_state(row, scope.state())
        self._learn(here, scope.node_id)
        self._move(scope)

    def _restore(self, here: Pass) -> None:
        """Open again the scopes of a pass that the journal has as open, and their passes."""
        for row in self._rows_in(here):
            if row.status != ExecutionStatus.RUNNING or row.state is None:
                continue
            compiled = self._version.nodes[row.node_id]
            assert compiled.body is not None  # noqa: S101 - only scopes have a state
            input, lost = self._input_again(here, row)
            config = self._values.begun_with(compiled, row, input)
            passes = compiled.body.type.passes(config, branches=len(compiled.body.graphs))
            scope = self._scope(compiled, row, here, config=config, passes=passes, input=input)
            scope.restore(row.state)
            here.scopes[scope.node_id] = scope
            for index in row.state["open"]:
                rows = self._journal.rows_in(scope.path_of(index), scope.graph_of(index).nodes)
                opened = scope.new_pass(index, map(fact_of, rows))
                self._to_plan[opened] = None
            if isinstance(scope, AgentRun):
                lost = self._recall(scope) or lost
            for opened in list(scope.open.values()):
                self._restore(opened)
            if lost is None:
                self._move(scope)
            else:
                self._fail_scope(scope, lost)

    def _recall(self, agent: AgentRun) -> NodeError | None:
        """Have an agent know again what its steps came to; return why that cannot be told any more."""
        agent.told = (agent.row.input_data or {})["told"]
        try:
            agent.recall(self._journal)
        except NodeError as error:
            return error
        return None

    def _input_again(self, here: Pass, row: WorkflowExecutionLog) -> tuple[Any, NodeError | None]:
        """Return what came to a scope that has begun, or why that cannot be told any more."""
        try:
            return self._values.input_of(here, row.node_id), None
        except NodeError as error:
            return None, error

    def _scope(
        self,
        compiled: CompiledNode,
        row: WorkflowExecutionLog,
        here: Pass,
        *,
        config: Any,
        passes: Passes,
        input: Any,
    ) -> Scope:
        assert compiled.body is not None  # noqa: S101 - only scopes come here
        kind, more = (AgentRun, {"config": config}) if isinstance(compiled.body, AgentBody) else (Scope, {})
        return kind(
            compiled,
            row,
            within=here,
            passes=passes,
            rules=compiled.body.type.rules(config),
            deadline=self._own_deadline_of(compiled, row),
            input=input,
            **more,
        )

    def _move_agent(self, agent: AgentRun) -> None:
        """Begin what an agent does next, or end it."""
        while (decision := agent.decide()) is not None:
            match decision:
                case Begin():
                    for opened in agent.begin(decision):
                        self._to_plan[opened] = None
                    failpoint("agent.step")
                case Finish():
                    return self._finish_agent(agent, decision)
                case Fail(error=error):
                    return self._fail_scope(agent, error)
        self._journal.note_state(agent.row, agent.state())
        self._journal.note_spent(agent.row, tokens=agent.tokens, cost=agent.cost)
        return None

    def _note_spent_within(self, here: Pass) -> None:
        """Note what the agents have used that are under way in a pass, the innermost first: what one has used counts for the one around it."""
        for inner in reversed(list(here.within())):
            for scope in inner.scopes.values():
                if isinstance(scope, AgentRun):
                    self._note_spent(scope)

    def _note_spent(self, agent: AgentRun) -> None:
        """Note what an agent has used when it ends, for itself and for the agent whose tool it is."""
        self._journal.note_spent(agent.row, tokens=agent.tokens, cost=agent.cost)
        if isinstance(agent.within.scope, AgentRun):
            agent.within.scope.spend_below(agent.tokens, agent.cost)

    def _finish_agent(self, agent: AgentRun, finish: Finish) -> None:
        output = agent.output(finish)
        try:
            kept = self._values.kept_output(output)
        except NodeError as error:
            return self._fail_scope(agent, error)
        self._journal.note_state(agent.row, agent.state())
        self._note_spent(agent)
        self._journal.complete(agent.row, ports=(self._first_port(agent.node_id),), output=kept, now=self.now())
        if agent.settings.memory is not None:
            self._to_remember.append((agent, self._values.masked(output)["answer"]))
        return self._leave_scope(agent)

    def _move(self, scope: Scope) -> None:
        """Begin the passes that may begin, and end a scope that is done."""
        if isinstance(scope, AgentRun):
            return self._move_agent(scope)
        while True:
            decision = decide(scope.rules, scope.tally())
            match decision.verdict:
                case Verdict.DONE:
                    return self._finish(scope)
                case Verdict.TOO_FEW:
                    return self._fail_scope(scope, self._too_few(scope))
                case Verdict.FAILED:
                    return None  # It was told when the pass failed.
            if not decision.begin:
                break
            try:
                for _ in range(decision.begin):
                    if not self._begin_pass(scope):
                        break
                else:
                    break
            except NodeError as error:
                return self._fail_scope(scope, error)
        self._journal.note_state(scope.row, scope.state())
        return None

    def _begin_pass(self, scope: Scope) -> bool:
        """Begin the next pass, unless its condition says that there is none.

        :raises NodeError: if the condition fails, or there would be too many.
        """
        opened = scope.new_pass(scope.following)
        values = self._values.of_pass(scope.body.before_pass, opened, now=self.now())
        if not _truth(values.get("while", True), "while", scope):
            scope.is_stopped = True
            del scope.open[opened.index]
            return False
        if scope.following >= scope.passes.most:
            raise NodeError(
                "too_many_passes",
                f"`while` still holds after {scope.next:,} passes, and `max_passes` allows no more. Raise it, or look why "
                "the loop does not end.",
            )
        scope.note_begin()
        self._to_plan[opened] = None
        failpoint("pass.begin")
        return True

    def _finish(self, scope: Scope) -> None:
        """Complete a scope: cancel the passes that nobody needs any more, and put its output together."""
        self._cancel_passes(scope, because="Enough passes have succeeded.")
        try:
            output = self._values.kept_output(self._output_of(scope))
        except NodeError as error:
            return self._fail_scope(scope, error)
        self._journal.note_state(scope.row, scope.state())
        self._journal.complete(scope.row, ports=(self._first_port(scope.node_id),), output=output, now=self.now())
        return self._leave_scope(scope)

    def _fail_scope(self, scope: Scope, error: NodeError) -> None:
        self._cancel_passes(scope, because=f"`{scope.node_id}` has failed.")
        self._journal.note_state(scope.row, scope.state())
        if isinstance(scope, AgentRun):
            self._note_spent(scope)
        self._fail(scope.compiled, scope.within, scope.row, error)
        return self._leave_scope(scope)

    def _leave_scope(self, scope: Scope) -> None:
        scope.within.scopes.pop(scope.node_id, None)
        self._learn(scope.within, scope.node_id)

    def _cancel_passes(self, scope: Scope, *, because: str) -> None:
        for opened in list(scope.open.values()):
            self._drop(opened, because=because)
            self._leave(opened)

    def _give_up_late_scopes(self, here: Pass, now: datetime) -> None:
        for scope in list(here.scopes.values()):
            if scope.deadline is not None and scope.deadline <= now:
                self._fail_scope(scope, _late(scope.deadline))

    def _output_of(self, scope: Scope) -> dict[str, Any]:
        output: dict[str, Any] = {"results": self._results_of(scope), "errors": [], "count": scope.next}
        if scope.failed:
            output["errors"] = self._errors_of(scope)
        if scope.rules.at_once == 1 and not scope.body.is_over_branches:
            output |= {"accumulator": scope.accumulator, "is_broken_off": scope.is_broken_off}
        return output

    def _results_of(self, scope: Scope) -> list[Any]:
        """Return what the passes came to, in their order; what ended before this process took over is read again."""
        if scope.rules.keeps == "none":
            return []
        found = scope.results
        if scope.rules.keeps == "all" and len(found) < scope.succeeded:
            found = self._recorded_results_of(scope) | found
        if scope.rules.keeps == "last":
            found = found or self._recorded_results_of(scope)
            return [found[max(found)]] if found else []
        return [found.get(index) for index in range(scope.next)]

    def _recorded_results_of(self, scope: Scope) -> dict[int, Any]:
        by_pass: dict[int, dict[str, Any]] = {}
        for (path, node_id), output in self._journal.settled_below(scope.row.iteration, scope.body.node_ids).items():
            by_pass.setdefault(int(path.rpartition(".")[2]), {})[node_id] = output
        failed = {error["index"] for error in self._errors_of(scope)} if scope.failed else set()
        return {
            index: result_of(Frame(scope.body.graph_of(index)), outputs)
            for index, outputs in by_pass.items()
            if index not in failed
        }

    def _errors_of(self, scope: Scope) -> list[dict[str, Any]]:
        rows = self._journal.failures_below(scope.row.iteration, scope.body.node_ids, most=scope.passes.most)
        errors = []
        for row in rows:
            failure = _failure(row)
            told = {key: failure[key] for key in ("node_id", "code", "message")}
            errors.append({"index": int(row.iteration.rpartition(".")[2]), **told})
        return sorted(errors, key=lambda error: error["index"])

    def _too_few(self, scope: Scope) -> NodeError:
        return NodeError(
            "too_few_passes",
            f"{scope.rules.enough} passes must succeed, and only {scope.succeeded} of {scope.next} have.",
            details={"errors": self._errors_of(scope)[:20]},
        )

    # --- Node runs --------------------------------------------------------------------------------------------------

    def _start(self, here: Pass, start: Start) -> Job | None:
        """Begin a node run; settle it if it is pure, else return the job for the pool."""
        compiled = self._version.nodes[start.node_id]
        row = self._journal.begin(compiled.node, iteration=here.iteration, attempt=start.attempt, now=self.now())
        here.frame.learn(fact_of(row))
        policy = compiled.node.retry or retry.DEFAULT_POLICY
        try:
            if self._journal.executed >= settings.EXECUTION_MAX_NODE_RUNS:
                raise _too_many_node_runs()
            if compiled.node.disabled:
                value = self._values.kept_output(self._values.input_of(here, start.node_id))
                self._journal.complete(row, ports=(self._first_port(start.node_id),), output=value, now=self.now())
                self._learn(here, start.node_id)
                return None
            if (pin := compiled.node.pin) and self.execution.is_test and not compiled.type.starts_workflow:
                self._journal.note_input(row, {"is_pinned": True})
                ports, output = (pin.port or self._first_port(start.node_id),), self._values.kept_output(pin.output)
                self._journal.complete(row, ports=ports, output=output, now=self.now())
                self._learn(here, start.node_id)
                return None
            if start.again and compiled.effect is Effect.WRITE and policy.when_lost == "fail":
                raise _uncertain()
            if compiled.body is not None:
                self._open(here, compiled, row)
                return None
            job = self._job(here, compiled, row)
        except NodeError as error:
            self._fail(compiled, here, row, error)
            return None
        if compiled.effect is not Effect.NONE:
            return job
        job.do(may_begin=lambda: True)
        self._settle(job)
        return None

    def _job(self, here: Pass, compiled: CompiledNode, row: WorkflowExecutionLog) -> Job:
        prepared = self._values.prepare(compiled, here, row)
        self._journal.note_input(row, self._values.fitting(prepared.shown))
        if (before := self._journal.kept_by(row)) is not None:
            prepared.context.kept, prepared.context.permit = (
                opened_output(before["kept"], row.node_id),
                before["permit"],
            )
        self._bind(prepared.context, here, row)
        for hosts in self.execution.execution_context.get("allowed_hosts", ()):
            prepared.context.filled_in.allow_only(hosts)
        self._to_link += prepared.links
        if (url := compiled.type.endpoint(prepared.config)) is not None:
            endpoints.refuse_gone(self.execution, without_marks(url))
        return Job(
            self,
            compiled,
            here,
            row,
            config=prepared.config,
            context=prepared.context,
            allowed=lambda: self._deadline_of(compiled),
        )

    def _bind(self, context: RunContext, here: Pass, row: WorkflowExecutionLog) -> None:
        """Hold what an agent does to the hosts that it may call; let a call of a model ask for its money."""
        allowed = _allowed_hosts(here)
        if is_model_call(here, row.node_id):
            context.ask_of = lambda planned: ask_of(self.execution, here, row, planned)
            context.clock = self.now
            allowed = _allowed_providers(here, self._version.nodes[row.node_id].node)
        for hosts in allowed:
            context.filled_in.allow_only(hosts)

    def _settle(self, job: Job) -> None:
        compiled, here, row = job.compiled, job.here, job.row
        unsettled = job.context.planned  # A call of a model of which nothing was noted yet.
        try:
            if job.put_off is not None:
                self._postpone(job, job.put_off)
                return self._learn(here, row.node_id)
            outcome = job.result()
            match outcome:
                case Done(output=output, ports=ports):
                    if unsettled is not None:
                        planned, unsettled = unsettled, None
                        self._note_answer(job, planned, output)
                    output = self._values.kept_output(output)
                    self._journal.complete(row, ports=ports, output=output, now=self.now())
                case Wait(until=until, output=output):
                    self._journal.wait(row, until=until, output=self._values.kept_output(output))
                case StartWorkflow():
                    self._prepare_child(job, outcome)
                case Answer():
                    self._answer(job, outcome)
                case EmitEvent():
                    self._prepare_event(row, outcome)
                case Await():
                    self._await(job, outcome)
        except NodeError as error:
            if isinstance(error, EndpointGone):
                self._gone.append(without_marks(compiled.type.endpoint(job.config)))
            if unsettled is not None:
                self._note_refusal(job, error)
            self._fail(compiled, here, row, error)
        else:
            self._learn(here, row.node_id)

    def _note_answer(self, job: Job, planned: PlannedCall, answer: dict[str, Any]) -> None:
        """Note what a call of a model has used, for its node run, its agent, its execution and the ledger."""
        agent = job.here.scope
        assert isinstance(agent, AgentRun)  # noqa: S101 - nobody else calls models
        at = job.context.reserved_at or self.now()
        cost, tokens = cost_of(planned, answer, at=at), tokens_of(answer)
        answer["cost"] = None if cost is None else str(cost)
        # The worker that asked before was lost: nobody knows whether it was charged for that.
        whole = None if job.row.interruptions else cost
        self._journal.note_spent(job.row, tokens=tokens, cost=whole)
        agent.spend(tokens, whole)
        self._spent_tokens += tokens
        self._spent += cost or 0
        self._is_cost_complete = self._is_cost_complete and whole is not None
        self._settlements.answered(job.row, answer)

    def _note_refusal(self, job: Job, error: NodeError) -> None:
        """Note that a call of a model has failed. Nobody knows what one has cost that went out."""
        if not self._settlements.failed(job.row, error):
            self._note_unknown(job)

    def _abandon(self, job: Job) -> None:
        """Stop what is in the pool and is not waited for any more. A call of a model that has gone out may be charged all the same."""
        job.abandon()
        if job.context.planned is not None:
            self._settlements.cut_off(job.row)
            self._note_unknown(job)

    def _note_unknown(self, job: Job) -> None:
        """Note for a node run, its agent and its execution that nobody knows what a call of a model has cost."""
        agent = job.here.scope
        assert isinstance(agent, AgentRun)  # noqa: S101 - nobody else calls models
        self._journal.note_spent(job.row, tokens=0, cost=None)
        agent.spend(0, None)
        self._is_cost_complete = False

    def _postpone(self, job: Job, put_off: Postponed) -> None:
        """Have a node run sleep until its call may go out, and then go on as the same attempt.

        :raises NodeError: if it has more to keep than may be kept.
        """
        kept = {"waits": put_off.reason, "permit": job.context.permit, "kept": job.context.kept}
        until = self.now() + timedelta(seconds=put_off.seconds)
        self._journal.postpone(job.row, until=until, keep=self._values.kept_meanwhile(kept))

    def _prepare_child(self, job: Job, asked: StartWorkflow) -> None:
        """Have a sub-workflow started by the commit that records this.

        :raises NodeError: if it can't be.
        """
        children.check(asked, parent=self.execution)
        child_id, row = new_id(), job.row
        deadline = self._own_deadline_of(job.compiled, row)
        self._to_start[row.pk] = (asked, child_id, deadline, _allowed_hosts(job.here))
        if asked.wait:
            self._journal.wait(
                row,
                until=deadline,
                output={"execution_id": str(child_id)},
                waits_for=BlockedOn.CALLBACK,
            )
        else:
            output = {"execution_id": str(child_id)}
            self._journal.complete(row, ports=(self._first_port(row.node_id),), output=output, now=self.now())

    def _prepare_event(self, row: WorkflowExecutionLog, asked: EmitEvent) -> None:
        """Have an event emitted by the commit that records this.

        :raises NodeError: if it can't be.
        """
        emission = emitting.plan(asked, self.execution, pending=self._to_emit, now=self.now())
        output = self._values.kept_output(emission.output)
        self._journal.complete(row, ports=(self._first_port(row.node_id),), output=output, now=self.now())
        self._to_emit.append(emission)

    def _await(self, job: Job, asked: Await) -> None:
        """Have the wait begun by the commit that records this.

        :raises NodeError: if what is asked is too large.
        """
        row, request = job.row, asked.approval
        deadlines = [each for each in (asked.until, self._own_deadline_of(job.compiled, row)) if each is not None]
        shown: dict[str, Any] = {"at_deadline": awaiting.as_answer(asked.otherwise)}
        approval_id = None
        if request is not None:
            approval_id = new_id()
            shown |= {"approval_id": str(approval_id), "title": request.title}
            # What is asked is kept as well, and so is bounded, masked and counted like an output.
            kept = self._values.kept_in_row({"message": request.message, "details": request.details})
            request = replace(request, message=kept["message"], details=kept["details"])
        self._journal.wait(
            row,
            until=min(deadlines, default=None),
            output=self._values.kept_output(shown),
            waits_for=_waits_for(asked),
        )
        self._to_await.append(awaiting.Asked(row, request, approval_id))

    def _expire(self, row: WorkflowExecutionLog, now: datetime) -> None:
        """Bring a node run whose deadline has passed what it then comes to, as an answer: whoever was before counts."""
        try:
            shown = self._journal.outputs(row.iteration, [row.node_id])[row.node_id]
            otherwise = shown.get("at_deadline") if isinstance(shown, dict) else None
        except NodeError as error:
            otherwise = awaiting.as_answer(error)
        if otherwise is None:
            assert row.wake_at is not None  # noqa: S101 - that it has passed is why it is here
            otherwise = awaiting.as_answer(_late(row.wake_at))
        if awaiting.expire(self.execution.pk, row.pk, otherwise, now=now):
            self._given_up.append(row.pk)

    def _answer(self, job: Job, answer: Answer) -> None:
        """Answer the caller with the commit that records this, unless another node run has.

        :raises NodeError: if the answer is too large.
        """
        row, first = job.row, self.execution.answered_by
        output: dict[str, Any] = {"value": answer.value, "status": answer.status, "headers": dict(answer.headers)}
        if answer.encoded is not None:
            output |= {"encoded": answer.encoded}
        if first is None:
            output |= {"is_answer": True}
        else:
            output |= {"is_answer": False, "reason": "The execution has answered already; this changes nothing."}
        output = self._values.kept_output(output)
        self._journal.complete(row, ports=(self._first_port(row.node_id),), output=output, now=self.now())
        if first is None:
            self.execution.answered_by = row.pk
            self._has_answer = True

    def _take_answers(self) -> None:
        """Look for what has come meanwhile."""
        self._has_signal = False
        self._hold.write(is_signalled=False)
        came = {(row.iteration, row.node_id) for row in self._journal.answers()}
        for here in self._top.within():
            for node_id in here.frame.graph.nodes:
                if (here.iteration, node_id) in came:
                    self._learn(here, node_id)

    def _take_answer(self, here: Pass, row: WorkflowExecutionLog) -> None:
        """Be done with a node run whose answer has come."""
        answer: dict[str, Any] = row.answer or {}
        compiled = self._version.nodes[row.node_id]
        if "error" in answer:
            self._fail(compiled, here, row, NodeError(**answer["error"]))
            return
        try:
            output = self._values.kept_output(children.output_in(answer))
        except NodeError as error:
            self._fail(compiled, here, row, error)
            return
        ports = tuple(answer.get("ports") or (self._first_port(row.node_id),))
        self._journal.complete(row, ports=ports, output=output, now=self.now())
        self._learn(here, row.node_id)

    def _fail(self, compiled: CompiledNode, here: Pass, row: WorkflowExecutionLog, error: NodeError) -> None:
        node = compiled.node
        delay = None
        if compiled.body is None:  # What a scope did is done; its nodes have retries of their own.
            delay = retry.next_delay(
                node.retry,
                attempt=row.attempt,
                code=error.code,
                retryable=error.retryable,
                retry_after=error.retry_after,
                default_attempts=settings.WORKFLOW_MAX_RETRIES,
                rng=self._rng,
                table=compiled.retry_delays,
                seconds_left=self._seconds_left(),
            )
        caught_by: tuple[str, ...] = ()
        if delay is None and node.on_error == "continue":
            caught_by = (self._first_port(node.id),)
        elif delay is None and node.on_error == "port":
            caught_by = (ERROR_PORT,)
        self._journal.fail(
            row, error=self._values.kept_error(error), now=self.now(), retry_in=delay, caught_by=caught_by
        )
        self._learn(here, node.id)

    def _learn(self, here: Pass, node_id: str) -> None:
        """Tell a pass what its journal says of a node, and have it planned anew."""
        here.frame.learn(fact_of(self._journal.row(here.iteration, node_id)))
        self._to_plan[here] = None

    def _forget_job(self, job: Job) -> None:
        del self._jobs[job.row.pk]
        job.here.in_flight.discard(job.node_id)

    def _first_port(self, node_id: str) -> str:
        ports = self._version.nodes[node_id].ports
        return ports[0] if ports else MAIN_PORT

    # --- Time -------------------------------------------------------------------------------------------------------

    def _own_deadline_of(self, compiled: CompiledNode, row: WorkflowExecutionLog) -> datetime | None:
        seconds = compiled.node.timeout_seconds
        return row.started_at + timedelta(seconds=seconds) if seconds else None

    def _deadline_of(self, compiled: CompiledNode) -> datetime:
        """Return when a node run that begins now must be done. Any thread may call this."""
        seconds = compiled.node.timeout_seconds or settings.WORKFLOW_NODE_TIMEOUT
        deadline = self.now() + timedelta(seconds=seconds)
        return min(deadline, self.execution.deadline_at or deadline)

    def _seconds_left(self) -> float:
        return ((self.execution.deadline_at or self._deadline()) - self.now()).total_seconds()

    def _waits(self) -> Waits:
        """Return everything that the open passes wait for."""
        waits = Waits()
        for here in self._top.within():
            if here.plan is not None:
                waits.add(here, here.plan, self._journal)
        return waits

    def _deadline(self) -> datetime:
        seconds = self._version.definition.settings.timeout_seconds or settings.WORKFLOW_EXECUTION_TIMEOUT
        return (self.execution.started_at or self.now()) + timedelta(seconds=seconds)

    # --- Writing ----------------------------------------------------------------------------------------------------

    def _progress(self) -> dict[str, Any]:
        """Return the columns of the execution that say how far it is."""
        if self.execution.deadline_at is None:
            self.execution.deadline_at = self._deadline()
        return {
            "nodes_executed": self._journal.executed,
            "output_bytes": self._journal.output_bytes,
            "deadline_at": self.execution.deadline_at,
            **({"answered_by": self.execution.answered_by} if self._has_answer else {}),
            **self._spendings(),
        }

    def _spendings(self) -> dict[str, Any]:
        """Return the columns that say what the execution's model calls have used; none, if nothing is new."""
        if not self._spent_tokens and self._is_cost_complete:
            return {}
        self.execution.tokens_used += self._spent_tokens
        self.execution.cost += self._spent
        self.execution.is_cost_complete = self.execution.is_cost_complete and self._is_cost_complete
        self._spent_tokens, self._spent, self._is_cost_complete = 0, Decimal(0), True
        return {
            "tokens_used": self.execution.tokens_used,
            "cost": self.execution.cost,
            "is_cost_complete": self.execution.is_cost_complete,
        }

    def _write_progress(self) -> None:
        changes = self._progress()
        if self._journal.completed_since_flush:
            changes["claims"] = 1  # It gets further: earlier losses were not its fault.
        self._hold.write(**changes)
        self._flush()

    def _hand_back(self) -> None:
        waits = self._waits()
        self._hold.hand_back(
            wake_at=waits.next_at, blocked_on=waits.blocked_on, detail=waits.detail, **self._progress()
        )
        self._flush()
        self.is_over = True

    def _write_end(self, status: ExecutionStatus, outcome: dict[str, Any]) -> None:
        for job in self._jobs.values():
            self._abandon(job)
        self._note_spent_within(self._top)
        now = self.now()
        self._given_up += [row.pk for row in self._journal.running() if row.waits_for in _APPROVALS]
        self._to_await = []
        self._journal.close_open(closed_as(status), error=meanwhile(status), now=now)
        self._to_start = {key: value for key, value in self._to_start.items() if not value[0].wait}
        self._hold.end(status, now=now, record=self._flush, **self._progress(), **outcome)
        self._jobs.clear()
        self.is_over = True

    def _flush(self) -> None:
        """Write the journal, start the sub-workflows and emit the events that it speaks of.

        Sub-workflows that nobody waits for any more are ended.
        """
        self._journal.flush()
        self._settlements.write(now=self.now())
        if self._to_remember:
            beginnings.remember(self.execution, self._to_remember, now=self.now())
            self._to_remember = []
        if self._has_answer and self._end is None:  # The end tells as well.
            tell_who_waits(self.execution)
        self._has_answer = False
        for row_id, (asked, child_id, deadline, allowed_hosts) in self._to_start.items():
            children.start(
                asked,
                id=child_id,
                parent=self.execution,
                node_run_id=row_id,
                deadline=deadline,
                allowed_hosts=allowed_hosts,
                now=self.now(),
            )
        self._to_start.clear()
        for emission in self._to_emit:
            emission.write(now=self.now())
        self._to_emit.clear()
        if self._to_link:
            links.make(self._to_link, now=self.now())
            self._to_link = []
        for wait in self._to_await:
            if wait.row.status == ExecutionStatus.RUNNING:  # Else it was given up before it began.
                awaiting.begin(self.execution, wait, now=self.now())
        self._to_await = []
        for url in self._gone:
            endpoints.note_gone(self.execution, url, now=self.now())
        self._gone = []
        if self._given_up:
            children.cancel_for(self._given_up, now=self.now())
            awaiting.give_up(self._given_up, now=self.now())
            self._given_up = []


def _allowed_hosts(here: Pass) -> list[list[str]]:
    """Return what each of the agents around, whose tool something is, allows its tools to call."""
    agents = [each.scope for each in here.around() if isinstance(each.scope, AgentRun)]
    return [agent.settings.allowed_hosts for agent in agents if agent.settings.allowed_hosts is not None]


def _allowed_providers(here: Pass, node: Node) -> list[list[str]]:
    """Return where the agents around, whose tool an agent is, allow it to call its model; all, if its author says where that is."""
    agent = here.scope
    assert isinstance(agent, AgentRun)  # noqa: S101 - nobody else calls models
    model = model_of(node.config, agent.history.steps[here.index].choice)
    return _allowed_hosts(agent.within) if leaves_host_open(model) else []


def _waits_for(asked: Await) -> BlockedOn:
    if asked.approval is None:
        return BlockedOn.CALLBACK
    return BlockedOn.BUDGET if asked.is_about_budget else BlockedOn.APPROVAL


def _failure(row: WorkflowExecutionLog) -> dict[str, Any]:
    """Return what an execution's error says when this node run failed and nothing caught it: node, iteration and reason."""
    error: dict[str, Any] = dict(row.error or {})
    cause = (error.get("details") or {}).get("cause")
    if isinstance(cause, dict):
        return cause  # A scope that failed because of a pass: what happened is told of the node in it.
    where = f" in pass {row.iteration}" if row.iteration else ""
    error |= {
        "message": f"Node `{row.node_id}` failed{where}: {error.get('message', '')}",
        "node_id": row.node_id,
        "iteration": row.iteration,
    }
    if row.attempt > 1:
        error["attempts"] = row.attempt
    return error


def _truth(value: Any, field: str, scope: Scope) -> bool:
    if isinstance(value, bool):
        return value
    raise NodeError("invalid_config", f"`{field}` must give true or false, not {value!r:.60}.")


def _late(deadline: datetime) -> NodeError:
    return NodeError(
        "node_timeout",
        f"The node did not end by its deadline ({deadline:%Y-%m-%d %H:%M:%S} UTC). Raise its timeout_seconds if it "
        "needs longer.",
        retryable=True,
    )


def _uncertain() -> NodeError:
    return NodeError(
        "uncertain",
        "Its worker was lost while it ran, so that nobody knows whether it has done its work. It is not run again, because "
        "its `retry.when_lost` is `fail`. Look at the other side, then run the execution again from here or from the next node.",
    )


def _too_many_node_runs() -> NodeError:
    return NodeError(
        "too_many_node_runs",
        f"The execution has {settings.EXECUTION_MAX_NODE_RUNS:,} node runs, and may not have more. Divide the work into "
        "sub-workflows, or let the operator raise EXECUTION_MAX_NODE_RUNS.",
    )
