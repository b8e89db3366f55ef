"""Takes one part out when the process starts."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.apps import AppConfig


class SabotageConfig(AppConfig):
    name = "tests.sabotage"

    def ready(self) -> None:
        PARTS[os.environ["SEGUE_SABOTAGE"]]()


def _no_sweep() -> None:
    """Nobody looks for dead leases, lost bells and passed deadlines, neither beat's task nor the workers."""
    from executions.engine import recovery

    recovery.sweep = lambda: 0


def _no_looking() -> None:
    """Bells alone bring work: workers do not look by themselves, and nobody rings again for what is due."""
    from executions import processes
    from executions.engine import recovery

    processes._look_for_ever = lambda: None
    sweep = recovery.sweep

    def sweep_in_silence() -> int:
        from executions import bell

        ring, bell.ring = bell.ring, lambda *queues: None
        try:
            return sweep()
        finally:
            bell.ring = ring

    recovery.sweep = sweep_in_silence


def _no_self_end() -> None:
    """A process that cannot renew its leases lives on, as if nothing were."""
    from executions.engine.heartbeat import Heartbeat

    Heartbeat._end_process_if_too_late = lambda self: None
    Heartbeat.is_fresh = lambda self: True


def _no_fence() -> None:
    """Whoever once had an execution writes it, and never learns that it is another's now."""
    from executions.engine import leases
    from executions.models import WorkflowExecution

    _no_self_end()

    def write(lease: leases.Lease, **changes: Any) -> None:
        WorkflowExecution.objects.filter(pk=lease.execution_id).update(**changes)

    leases.write = write
    leases.held_by = lambda owner, *, now: _Everything()
    move_to = WorkflowExecution.move_to

    def move(self: WorkflowExecution, status: Any, *, fence: int | None = None, **changes: Any) -> None:
        move_to(self, status, **changes)

    WorkflowExecution.move_to = move


def _wrong_clock() -> None:
    """The machine's clock is off, by an hour or as many as are asked for; what measures time that passes is right."""
    import time_machine
    from django.utils import timezone

    off = timedelta(hours=int(os.environ.get("SEGUE_SABOTAGE_HOURS", "1")))
    time_machine.travel(timezone.now() + off, tick=True).start()


class _Everything(dict[Any, bool]):
    """Says of every lease that it is held, and that nothing has come."""

    def get(self, key: Any, default: Any = None) -> Any:
        return False


PARTS: dict[str, Callable[[], None]] = {
    "sweep": _no_sweep,
    "looking": _no_looking,
    "fence": _no_fence,
    "self_end": _no_self_end,
    "clock": _wrong_clock,
}
