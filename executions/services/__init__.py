"""What people and other apps do with executions."""

from __future__ import annotations

from executions.services.lifecycle import (
    RUNNABLE,
    answer_of,
    cancel_execution,
    early_answer_of,
    newest_version,
    output_of,
    ready_to_start,
    refuse_misfit,
    result_of,
    start_execution,
    start_manually,
    wake_parked,
)
from executions.services.many import Start, start_many, unlimited
from executions.services.rerunning import SAME, rerun_execution
from executions.services.trying import Asker, Surroundings, start_node_test, start_test

__all__ = [
    "RUNNABLE",
    "SAME",
    "Asker",
    "Start",
    "Surroundings",
    "answer_of",
    "cancel_execution",
    "early_answer_of",
    "newest_version",
    "output_of",
    "ready_to_start",
    "refuse_misfit",
    "rerun_execution",
    "result_of",
    "start_execution",
    "start_manually",
    "start_many",
    "start_node_test",
    "start_test",
    "unlimited",
    "wake_parked",
]
