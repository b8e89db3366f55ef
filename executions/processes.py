"""What Celery's worker processes do beside hearing bells: sweep by themselves, bound their statements, and end cleanly."""

from __future__ import annotations

import contextlib
import gc
import logging
import random
import threading
import time

from billiard.util import get_pdeathsig
from celery import signals
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from executions import liveness, queues, worker_processes
from executions.engine import recovery, stopping
from executions.engine.worker import Worker
from executions.models import ExecutionQueue
from projects import audit, statement_time
from projects.database import end_forgotten_transactions
from workflows import llm

logger = logging.getLogger(__name__)

# How long writing back may take after the grace; later, leases run out.
HAND_BACK_SECONDS = 5


@signals.worker_init.connect
def get_agents_ready(**_: object) -> None:
    """A worker that serves nothing but agents loads what they need before it forks, so that its children share it.

    Others load it when the first agent comes.
    """
    if queues.alone() is ExecutionQueue.AGENTS:
        llm.prepare()


@signals.worker_init.connect
def forget_the_last_end(**_: object) -> None:
    """A worker starts: nobody has asked it to end."""
    stopping.reset()
    # Celery has each child ask Linux to be told of its parent's end, through a parser of C that it would load six megabytes for.
    with contextlib.suppress(OSError):
        get_pdeathsig()
    # What is there before the children are forked stays shared with them: the collector does not touch it any more.
    gc.collect()
    gc.freeze()


@signals.worker_init.connect
def bound_statements(**_: object) -> None:
    """Let no statement of this worker, or of its children, take longer than a worker has patience for."""
    statement_time.limit_this_process(settings.WORKER_STATEMENT_SECONDS)


@signals.worker_init.connect
def say_what_is_open(**_: object) -> None:
    """Say in the log, and where it has changed in the audit log, which private networks workflows may call."""
    ranges = list(settings.SEGUE_ALLOWED_PRIVATE_NETWORKS)
    if ranges:
        logger.warning("Workflows may call private networks.", extra={"ranges": ", ".join(ranges)})
    try:
        audit.record_setting("SEGUE_ALLOWED_PRIVATE_NETWORKS", ranges, default=[])
    except DatabaseError:
        logger.warning("Could not write down which private networks workflows may call.", exc_info=True)
    finally:
        connection.close()  # The children, which are forked from here, have connections of their own.


@signals.worker_shutting_down.connect
def tell_the_children(**_: object) -> None:
    """The main process was asked to end: its children let their executions go."""
    stopping.ask()


@signals.task_prerun.connect
def look_after_the_session(**_: object) -> None:
    """A task begins, as a request does: a session that has died meanwhile is replaced."""
    close_old_connections()


@signals.worker_process_init.connect
def go_on_without_bells(**_: object) -> None:
    """Let each worker process look by itself every few seconds, so that a dead broker or beat slows but does not stop."""
    liveness.begin()
    worker_processes.begin()
    end_forgotten_transactions()
    threading.Thread(target=_look_for_ever, name="look", daemon=True).start()


@signals.worker_process_shutdown.connect
def let_the_look_end(worker: Worker | None = None, **_: object) -> None:
    """A worker process ends: what its looks took up is handed back first. Celery waits for tasks only, not for threads."""
    (worker or Worker.of_this_process()).wait_until_idle(settings.ENGINE_GRACE_SECONDS + HAND_BACK_SECONDS)
    worker_processes.end()


def _look_for_ever() -> None:
    while not stopping.is_asked():
        # Spread, so that many workers do not look at the same moment.
        time.sleep(settings.ENGINE_SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311
        try:
            recovery.sweep()
            liveness.note()
            worker_processes.note()
            Worker.of_this_process().work()
        except Exception:
            logger.exception("A look for due work failed; the next one comes.")
            connection.close()
