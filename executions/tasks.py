"""The Celery tasks: a bell, a tick, a clean-up. None of them carries work; lost, late or twice, they do no harm."""

from __future__ import annotations

from celery import shared_task

from executions import retention, worker_processes
from executions.conversations import services as conversations
from executions.engine import recovery
from executions.engine.clock import database_now
from executions.engine.worker import Worker
from executions.outputs import removal
from executions.spending import ledger
from projects.failpoints import failpoint


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
    retention.clean_up()
    ledger.close_forgotten(now=now)
    retention.clean_up_ledger(now=now)
    conversations.clean_up(now)
    worker_processes.forget_gone(now)
