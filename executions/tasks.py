"""The Celery tasks: a bell, a tick, a clean-up. None of them carries work; lost, late or twice, they do no harm."""

from __future__ import annotations

import logging

from celery import shared_task

from executions import retention, worker_processes
from executions.conversations import services as conversations
from executions.engine import recovery
from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.outputs import removal
from executions.spending import ledger
from projects.failpoints import failpoint

logger = logging.getLogger(__name__)

# Money that is held for nothing first: what takes longest must not keep it.
_CLEAN_UPS = (
    ledger.close_forgotten,
    retention.clean_up,
    retention.clean_up_ledger,
    conversations.clean_up,
    worker_processes.forget_gone,
)


@shared_task(ignore_result=True)
def work(**_: object) -> None:
    """Answer the bell: take what is due, for a slice of time."""
    failpoint("bell.heard")
    Worker.of_this_process().work()


@shared_task(ignore_result=True)
def sweep(**_: object) -> None:
    """Put right what can be: dead leases, deadlines, due schedules, lost bells."""
    recovery.sweep()


@shared_task(ignore_result=True)
def remove_orphans(**_: object) -> None:
    """Remove files of large outputs that no row names."""
    removal.remove_orphans(now=database_now())


@shared_task(ignore_result=True)
def clean_up(**_: object) -> None:
    """Remove a batch of what has ended, was paid, or was not used, for long."""
    now = database_now()
    for each in _CLEAN_UPS:
        try:
            each(now=now)
        except Exception:  # One fault must not stop the others.
            logger.exception("A part of the clean-up failed.", extra={"part": f"{each.__module__}.{each.__qualname__}"})
