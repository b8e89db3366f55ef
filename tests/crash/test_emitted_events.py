"""An event that a workflow emits is emitted once, whoever dies around the commit that records it. [R-5]"""

from __future__ import annotations

import pytest

from tests.crash.stage import WORKFLOWS, Stage


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    if not segue_stage.query("SELECT FROM workflows WHERE name = 'listener'"):
        segue_stage.segue.publish("listener", WORKFLOWS["listener"](segue_stage.service.url))
    return segue_stage


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ("effect.before", "kill"),  # Its node run is recorded as begun.
        ("effect.after", "kill_group"),  # What it wants to emit is known to nobody else.
        ("event.before", "kill"),  # In the commit that records it.
        ("event.inside", "kill_group"),  # In it, with everything that it starts.
        ("record.after_commit@2", "kill"),  # It is there.
    ],
)
def test_a_worker_that_dies_emits_it_once(stage, rule, action):
    point, _, nth = rule.partition("@")
    stage.failpoints.arm(f"{point}={action}" + (f"@{nth}" if nth else ""))
    order = stage.order("emitter").send_until_accepted()
    stage.reached(point)
    if action == "kill_group":
        stage.restart("worker")

    stage.completes(order, calls={"ship": 1}, more={"ship": 1})
    ((event, matched),) = stage.query(
        "SELECT id, matched_count FROM events WHERE emitted_by_id = %s", order.execution_id
    )
    assert matched == 1
    (started,) = stage.query(
        "SELECT execution_context FROM workflow_executions e JOIN event_matches m ON m.execution_id = e.id "
        "WHERE m.event_id = %s",
        event,
    )
    assert started[0]["trigger"]["event_id"] == str(event)
