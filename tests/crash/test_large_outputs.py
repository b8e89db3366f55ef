"""The file of a large output is there before the row that names it, whoever dies in between. [R-2]"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.stage import Order, Stage

# As a tick does two days later.
REMOVE_ORPHANS = """
from datetime import timedelta
from executions.engine.clock import database_now
from executions.outputs.removal import remove_orphans
remove_orphans(now=database_now() + timedelta(days=3))
"""


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


def files_of(stage: Stage, order: Order) -> set[str]:
    root = Path(stage.segue.environment["STORAGE_ROOT"])
    return {str(each.relative_to(root)) for each in root.glob(f"outputs/*/*/{order.execution_id}.*")}


def named_by(stage: Stage, order: Order) -> set[str]:
    rows = stage.query(
        "SELECT output_file FROM workflow_execution_logs WHERE execution_id = %s AND output_file IS NOT NULL",
        order.execution_id,
    )
    return {name for (name,) in rows}


@pytest.mark.parametrize(
    ("point", "action", "orphans"),
    [
        ("storage.aside", "kill", 0),  # It has no name yet.
        ("output.written", "kill", 1),  # It is there, and no row names it.
        ("output.written", "kill_group", 1),
        ("output.written", "disconnect", 1),  # The commit that should name it fails.
    ],
)
def test_what_a_worker_wrote_that_dies_is_written_again_and_removed_in_time(stage, point, action, orphans):
    stage.failpoints.arm(f"{point}={action}")
    order = stage.order("large").send_until_accepted()
    stage.reached(point)
    if action == "kill_group":
        stage.restart("worker")

    # What `charge` has done is recorded by the commit that names the file.
    stage.completes(order, calls={"charge": 1, "ship": 1}, more={"charge": 2})

    named = named_by(stage, order)
    assert len(named) == 1
    assert named <= files_of(stage, order)
    assert len(files_of(stage, order)) == 1 + orphans
    stage.segue.manage("check_invariants")
    stage.segue.manage("shell", "--verbosity=0", "-c", REMOVE_ORPHANS)
    assert files_of(stage, order) == named
