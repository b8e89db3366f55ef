"""A sub-workflow is started once and answers once, whoever dies between it and its parent. [R-5, R-16]"""

from __future__ import annotations

import pytest

from tests.crash.stage import WORKFLOWS, Order, Stage


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    if not segue_stage.query("SELECT FROM workflows WHERE name = 'child'"):
        segue_stage.segue.publish("child", WORKFLOWS["child"](segue_stage.service.url))
    return segue_stage


def children_of(stage: Stage, order: Order) -> list[tuple[str, str]]:
    """Return the executions that an order's execution has started, and what became of them."""
    found = stage.query("SELECT id, status FROM workflow_executions WHERE parent_id = %s", order.execution_id)
    return [(str(child), status) for child, status in found]


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ("child.inside", "kill"),  # In the commit that starts it.
        ("record.after_commit", "kill_group"),  # It is there, and nobody has rung for it.
        ("claim.after_commit@2", "kill"),  # Somebody has it, and has done nothing.
        ("effect.before", "kill_group"),
        ("effect.after", "kill"),
        ("end.inside", "kill_group"),  # In the commit that ends it and answers its parent.
        ("effect.before@2", "kill"),  # The parent has its answer.
    ],
)
def test_a_worker_that_dies_starts_no_second_one_and_loses_no_answer(stage, rule, action):
    """P14, 1"""
    point, _, nth = rule.partition("@")
    stage.failpoints.arm(f"{point}={action}" + (f"@{nth}" if nth else ""))
    order = stage.order("parent").send_until_accepted()
    stage.reached(point)
    if action == "kill_group":
        stage.restart("worker")

    stage.completes(order, calls={"ship": 1})
    ((child, status),) = children_of(stage, order)
    assert status == "completed"
    assert {call.key for call in stage.service.calls_of(child)} == {f"{child}:charge:"}
    assert len(stage.service.calls_of(child)) <= (2 if rule in ("effect.after", "end.inside") else 1)


@pytest.mark.parametrize("who", ["child", "all"])
def test_a_cancel_of_the_parent_reaches_it_whatever_its_worker_does(stage, who):
    """P16, F"""
    stage.service.hold()
    order = stage.order("parent").send_until_accepted()
    stage.wait_for(lambda: stage.service.calls, what="the sub-workflow's call")
    stage.kill_children("worker") if who == "child" else stage.restart("worker")

    answer = stage.segue.api.post(f"/executions/{order.execution_id}/cancel/", json={})
    stage.service.release()

    assert answer.json()["status"] == "cancelled"
    stage.wait_for(
        lambda: [status for _, status in children_of(stage, order)] == ["cancelled"], what="the child to end"
    )
