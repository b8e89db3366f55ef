"""Running an execution of pure nodes in the process, and in the transaction, that accepts it.

Nothing of it is visible before the commit, and pure nodes do nothing to the outside: if the process dies, nothing was
accepted, and whoever sent it hears so. What it saves is the bell, the claim, a second commit and the way there and back.
"""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.db import Error as DatabaseError

from executions import bell
from executions.engine.clock import recent_database_now
from executions.engine.holds import Accepting
from executions.engine.job import Job
from executions.engine.turn import Turn
from executions.engine.versions import compiled
from executions.models import ExecutionStatus, WorkflowExecution
from workflows.expressions import shared_evaluator
from workflows.models import WorkflowStatus

logger = logging.getLogger(__name__)

# A caller waits: what takes longer is a worker's.
SECONDS = 0.2


def suits(execution: WorkflowExecution) -> bool:
    """Return whether an execution that is being accepted may be run here."""
    return (
        settings.ENGINE_IN_PLACE
        and (execution.workflow.status == WorkflowStatus.ACTIVE or execution.is_test)
        and execution.concurrency_key is None
        and compiled(execution.workflow_version_id).is_pure
    )


def run(execution: WorkflowExecution) -> bool:
    """Carry an execution that is not in the database yet as far as it goes, and write it with its node runs.

    Returns False, and has written nothing, if the engine failed on it: then it is to be accepted for a worker.
    """
    now = recent_database_now()
    execution.status = ExecutionStatus.RUNNING
    execution.started_at = now
    execution.fence = 1
    try:
        turn = Turn(
            execution,
            Accepting(execution),
            version=compiled(execution.workflow_version_id),
            sandbox=shared_evaluator(),
            submit=_refuse,
            now=now,
        )
        turn.run(until=time.monotonic() + SECONDS)
    except DatabaseError:
        raise  # The transaction is broken: nothing is accepted.
    except Exception:
        logger.exception("The engine failed on an execution in place; a worker will try.")
        execution.status, execution.started_at, execution.fence = ExecutionStatus.PENDING, None, 0
        execution.answered_by = None  # The node run that it speaks of was never written.
        return False
    turn.record()
    if execution.wake_at is not None and execution.wake_at <= turn.now():
        bell.ring_on_commit(execution.queue)
    return True


def _refuse(job: Job) -> None:
    raise AssertionError("A node with an effect does not belong into an execution of pure nodes.")
