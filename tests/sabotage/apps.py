"""Takes one part out when the process starts."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.apps import AppConfig

# Words of an answer.
SPOKEN = 30


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


def _speaking() -> None:
    """Nothing is taken out, but a node ``ask`` says something piece by piece while it runs, as a model does."""
    from executions.engine.job import Job

    do = Job.do

    def speak_and_do(self: Job, **more: Any) -> None:
        if self.node_id == "ask":
            answer = self.context.live_text()
            for number in range(SPOKEN):
                answer.write(f"word{number} ")
                time.sleep(0.1)
            answer.close()
        do(self, **more)

    Job.do = speak_and_do  # type: ignore[method-assign]


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
    "silence": _speaking,
}
