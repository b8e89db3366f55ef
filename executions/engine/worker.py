"""What one worker process does with the executions that it holds.

One loop at a time, in whichever thread answers the bell or the clock: take what is due, carry each as far as it goes in
place, hand nodes with effects to a pool of threads, take their results in, repeat. Only this loop writes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
import time
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, transaction
from django.db.models import F
from django.db.models.functions import Greatest

from executions import bell, liveness, queues, worker_processes
from executions.engine import leases, stopping
from executions.engine.clock import database_now
from executions.engine.ending import end_execution
from executions.engine.heartbeat import Heartbeat
from executions.engine.holds import Claimed
from executions.engine.job import Job
from executions.engine.journal import Journal
from executions.engine.model_calls import reserve
from executions.engine.pool import Pool
from executions.engine.turn import Turn
from executions.engine.versions import compiled
from executions.exceptions import IllegalTransition
from executions.live.texts import Scribe
from executions.models import BlockedOn, ExecutionStatus, WorkflowExecution
from executions.outgoing.gate import Desk, RunGate
from projects.database_errors import is_transient
from projects.failpoints import failpoint
from workflows.expressions import Evaluator, shared_evaluator
from workflows.http import through
from workflows.models import Workflow, WorkflowStatus

logger = logging.getLogger(__name__)

# How long the loop waits for a result before it looks for new work again.
LOOK_SECONDS = 0.1
# When an execution that the engine failed on is tried again; and when, if it was not to blame.
PUT_BACK_SECONDS = 5
TRANSIENT_SECONDS = 1


class Worker:
    """The engine of this process."""

    _instance: Worker | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.owner = leases.new_owner()
        self._turns: dict[UUID, Turn] = {}
        # What the database went away under, and the error that said so: to be handed back once it answers again.
        self._interrupted: list[tuple[WorkflowExecution, leases.Lease, Exception]] = []
        self._results: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._desk = Desk()
        self._scribe = Scribe()
        self._pool: Pool[Job] = Pool(settings.ENGINE_THREADS, self._do)
        self._moved_at = time.monotonic()
        self._heartbeat = Heartbeat(self.owner, lambda: list(self._turns.values()), moved_at=lambda: self._moved_at)
        self._sandbox: Evaluator = shared_evaluator()
        # Of which it claims executions; None: of all.
        self._queue = queues.alone()
        self._is_working = threading.Lock()

    @classmethod
    def of_this_process(cls) -> Worker:
        """Return this process's worker; a forked child makes its own."""
        with cls._guard:
            if cls._instance is None or cls._instance.pid != os.getpid():
                cls._instance = cls()
            return cls._instance

    def work(self, *, seconds: float | None = None) -> int:
        """Take what is due and carry it on, for a slice of time or until nothing is due and nothing is in flight.

        Does nothing if another thread of this process is at it: that one looks for new work by itself.
        Returns the number of executions that it took.
        """
        if not self._is_working.acquire(blocking=False):
            return 0
        try:
            return self._work(until=time.monotonic() + (settings.ENGINE_SLICE_SECONDS if seconds is None else seconds))
        finally:
            self._is_working.release()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no thread of this process is at work, and return whether that is so."""
        is_idle = self._is_working.acquire(timeout=seconds)
        if is_idle:
            self._is_working.release()
        return is_idle

    def close(self) -> None:
        """End the worker's threads. It must hold nothing."""
        self._heartbeat.stop()
        self._pool.close()
        self._desk.close()
        self._scribe.close()

    def _work(self, *, until: float) -> int:
        taken = 0
        runs_dry = False
        while not stopping.is_asked():
            self._moved_at = time.monotonic()
            worker_processes.note()
            took = 0 if runs_dry else self._take()
            taken += took
            self._advance([turn for turn in self._turns.values() if turn.is_ready])
            self._forget_what_is_over()
            if any(turn.is_ready for turn in self._turns.values()):
                continue
            is_late = time.monotonic() > until
            if self._turns:
                # Slow nodes keep a slice from ending, and new work comes in beside them; but a suspect waits for a process of
                # its own, so now and then one has to run dry.
                runs_dry = runs_dry or (is_late and leases.has_suspects(now=database_now(), queue=self._queue))
                until = max(until, time.monotonic()) + settings.ENGINE_SLICE_SECONDS if is_late else until
                self._collect(LOOK_SECONDS)
            elif is_late or runs_dry:
                bell.ring(*queues.served())  # There may be more; others get a chance at this slot.
                return taken
            elif not took:
                return taken
        self._hand_everything_back()
        return taken

    def _take(self) -> int:
        room = settings.ENGINE_CLAIM_BATCH * 4 - len(self._turns)
        if room <= 0 or self._pool.is_full or any(turn.is_suspect for turn in self._turns.values()):
            return 0
        asked_at = time.monotonic()
        now = database_now()
        liveness.note()
        self._hand_interrupted_back()
        claimed: list[WorkflowExecution] = []
        if not self._turns and leases.has_suspects(now=now, queue=self._queue):
            claimed = leases.claim(self.owner, now=now, limit=1, suspects=True, queue=self._queue)
        most = min(room, settings.ENGINE_CLAIM_BATCH)
        claimed = claimed or leases.claim(self.owner, now=now, limit=most, queue=self._queue)
        if not claimed:
            return 0
        if len(claimed) == settings.ENGINE_CLAIM_BATCH:
            # There may be more than this process can take: wake another.
            bell.ring(*{execution.queue for execution in claimed})
        try:
            paused = self._paused_workflows(claimed)
            journals = _journals_of(claimed)
            for execution in claimed:
                lease = leases.Lease(execution.pk, execution.fence)
                if (
                    execution.workflow_id in paused
                    and not execution.is_test
                    and self._park(lease, workflow_id=execution.workflow_id)
                ):
                    continue
                self._begin(execution, lease, journals.get(execution.pk), now=now)
        except DatabaseError as error:
            for execution in claimed:
                if execution.pk not in self._turns:
                    self._interrupted.append((execution, leases.Lease(execution.pk, execution.fence), error))
            raise
        finally:
            self._heartbeat.claimed(asked_at)
        return len(claimed)

    def _begin(
        self, execution: WorkflowExecution, lease: leases.Lease, journal: Journal | None, *, now: datetime
    ) -> None:
        try:
            self._turns[execution.pk] = Turn(
                execution,
                Claimed(execution),
                version=compiled(execution.workflow_version_id),
                sandbox=self._sandbox,
                submit=self._pool.submit,
                now=now,
                journal=journal,
            )
        except DatabaseError:
            raise
        except Exception as error:  # One that cannot be read must not cost those their turn that were claimed with it.
            logger.exception("The engine cannot begin an execution.", extra={"execution_id": str(execution.pk)})
            self._give_back(execution, lease, error)

    def _hand_interrupted_back(self) -> None:
        """Let go of what the database went away under, now that it answers again: it need not wait for its lease to end."""
        interrupted, self._interrupted = self._interrupted, []
        for execution, lease, error in interrupted:
            self._give_back(execution, lease, error)

    def _forget_what_is_over(self) -> None:
        """Drop what has ended, was handed back, or was taken from us: the heartbeat tells of that from its thread."""
        for turn in [turn for turn in self._turns.values() if turn.is_over]:
            del self._turns[turn.lease.execution_id]

    def _paused_workflows(self, claimed: list[WorkflowExecution]) -> set[UUID]:
        workflow_ids = {execution.workflow_id for execution in claimed if not execution.is_test}
        return set(
            Workflow.objects.filter(pk__in=workflow_ids, status=WorkflowStatus.PAUSED).values_list("pk", flat=True)
        )

    @transaction.atomic
    def _park(self, lease: leases.Lease, *, workflow_id: UUID) -> bool:
        # Locked, so that a resume comes wholly before or wholly after, and wakes what is parked here.
        workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow_id)
        if workflow.status != WorkflowStatus.PAUSED:
            return False
        detail = workflow.status_reason or "Its workflow is paused."
        with contextlib.suppress(leases.LeaseLost):  # It was ended meanwhile, and is not ours to begin either.
            leases.hand_back(lease, wake_at=None, blocked_on=BlockedOn.PAUSED, detail=detail)
        return True

    def _advance(self, turns: list[Turn]) -> None:
        """Carry executions on as far as they go, and write what came of it: those that can be together, in one commit."""
        carried = [turn for turn in turns if self._run(turn)]
        together = [turn for turn in carried if turn.locks_only_itself and not turn.is_suspect]
        for turn in carried:
            if turn not in together:
                self._record([turn])
        if together:
            self._record(together)

    def _run(self, turn: Turn) -> bool:
        """Carry an execution on without writing. Returns whether there is something to be written."""
        try:
            turn.run()
        except leases.LeaseLost:
            turn.abandon()
        except Exception as error:
            logger.exception("The engine failed on an execution.", extra=turn.log_extra)
            turn.abandon()
            self._give_back(turn.execution, turn.lease, error)
        return not turn.is_over

    def _record(self, turns: list[Turn]) -> None:
        try:
            with transaction.atomic():
                for turn in turns:
                    try:
                        turn.record()
                    except leases.LeaseLost:
                        turn.abandon()  # It has written nothing; the others do.
        except Exception as error:
            # What they know is no longer what the database has. Whoever takes them up next reads it there.
            logger.exception("Could not write what became of executions.", extra={"count": len(turns)})
            for turn in turns:
                turn.abandon()
                self._give_back(turn.execution, turn.lease, error)
        else:
            failpoint("record.after_commit")
            for turn in turns:
                turn.begin_jobs()

    def _give_back(self, execution: WorkflowExecution, lease: leases.Lease, error: Exception) -> None:
        """Let go of an execution that could not be carried on: at once, or when the database is there again."""
        try:
            self._put_back(execution, lease, error)
        except Exception as another:
            if is_transient(another):
                self._interrupted.append((execution, lease, error))
                close_old_connections()
                return
            logger.exception(
                "Could not put an execution back; its lease will run out.", extra={"execution_id": str(execution.pk)}
            )

    def _put_back(self, execution: WorkflowExecution, lease: leases.Lease, error: Exception) -> None:
        """Give an execution that the engine itself failed on another chance, or up."""
        reason = f"{type(error).__name__}: {error}"[:400]
        is_to_blame = not is_transient(error)
        now = database_now()
        try:
            if is_to_blame and execution.claims >= settings.ENGINE_MAX_LOST_WORKERS:
                problem = {"code": "engine_error", "message": f"The engine failed on this execution: {reason}"}
                with transaction.atomic():
                    end_execution(execution, ExecutionStatus.FAILED, now=now, fence=lease.fence, error=problem)
            else:
                leases.hand_back(
                    lease,
                    wake_at=now + timedelta(seconds=PUT_BACK_SECONDS if is_to_blame else TRANSIENT_SECONDS),
                    blocked_on=BlockedOn.RETRY,
                    detail=reason,
                    claims=F("claims") if is_to_blame else Greatest(F("claims") - 1, 0),
                )
        except (leases.LeaseLost, IllegalTransition):
            return  # What failed was written after all, or somebody else has it.

    def _do(self, job: Job) -> None:
        failpoint("effect.before")
        job.context.reserve_with = partial(reserve, self._desk)
        job.context.live_text = partial(
            self._scribe.stream, execution_id=job.execution_id, node_run_id=job.row.pk, masker=job.context.masker
        )
        with through(RunGate(self._desk, job.context)):
            job.do(may_begin=self._heartbeat.is_fresh)
        failpoint("effect.after")
        self._results.put(job)

    def _collect(self, timeout: float) -> None:
        """Give results to their turns; wait for the first one for at most ``timeout`` seconds."""
        try:
            job = self._results.get(timeout=timeout)
            while True:
                job.turn.take_in(job)
                job = self._results.get_nowait()
        except queue.Empty:
            pass
        for turn in self._turns.values():
            turn.look_at_deadlines()

    def _hand_everything_back(self) -> None:
        """This process is to end: wait for what is in flight as long as is granted, then let go of the rest."""
        until = time.monotonic() + settings.ENGINE_GRACE_SECONDS
        while self._turns and time.monotonic() < until:
            self._collect(LOOK_SECONDS)
            for turn in list(self._turns.values()):
                if turn.is_ready or not turn.has_jobs:
                    self._let_go(turn)
            self._forget_what_is_over()
        for turn in self._turns.values():
            self._let_go(turn)
        self._forget_what_is_over()

    def _let_go(self, turn: Turn) -> None:
        try:
            failpoint("let_go.before")
            turn.let_go()
        except (leases.LeaseLost, DatabaseError):
            logger.warning("Could not hand an execution back; its lease will run out.", extra=turn.log_extra)
        turn.abandon()


def _journals_of(claimed: list[WorkflowExecution]) -> dict[UUID, Journal]:
    """Read what executions have recorded. Claimed for the first time, one has no journal to read, unless it took one over."""
    return Journal.load([each for each in claimed if each.fence > 1 or each.rerun_of_id is not None])
