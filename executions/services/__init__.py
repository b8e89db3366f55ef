"""What people and other apps do with executions."""

from __future__ import annotations

from executions.services.lifecycle import (
    RUNNABLE,
    answer_of,
    cancel_execution,
    early_answer_of,
    newest_version,
    ready_to_start,
    refuse_misfit,
    start_execution,
    start_manually,
    start_test,
    wake_parked,
)
from executions.services.many import Start, start_many, unlimited
from executions.services.rerunning import SAME, rerun_execution

__all__ = [
    "RUNNABLE",
    "SAME",
    "Start",
    "answer_of",
    "cancel_execution",
    "early_answer_of",
    "newest_version",
    "ready_to_start",
    "refuse_misfit",
    "rerun_execution",
    "start_execution",
    "start_manually",
    "start_many",
    "start_test",
    "unlimited",
    "wake_parked",
]
