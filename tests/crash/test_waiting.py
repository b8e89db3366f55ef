"""A callback and a decision count once, whoever dies before, in the middle or after. [R-5, S-WH-9]"""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.crash.stage import Order, Stage


@pytest.fixture
def stage(segue_stage: Stage) -> Stage:
    return segue_stage


def waiting(stage: Stage, order: Order) -> dict[str, Any]:
    """Wait until an order's execution waits for somebody, and return the link over which it is reached."""
    found: list[dict[str, Any]] = []

    def has_link() -> bool:
        try:
            answer = stage.segue.api.get(f"/executions/{order.execution_id}/links/")
        except httpx2.TransportError:
            return False
        found[:] = answer.json() if answer.status_code == 200 else []
        return bool(found)

    stage.wait_for(has_link, what="the execution to wait for somebody")
    return found[0]


def post_until_taken(stage: Stage, url: str, **request: Any) -> list[int]:
    """Send a request again and again, as a careful sender does; return the statuses of all answers."""
    statuses: list[int] = []

    def is_taken() -> bool:
        try:
            answer = stage.segue.api.post(url, **request)
        except httpx2.TransportError:
            return False
        statuses.append(answer.status_code)
        return answer.is_success

    stage.wait_for(is_taken, what="an answer")
    return statuses


@pytest.mark.parametrize("kind", ["callback", "approval"])
@pytest.mark.parametrize(
    ("rule", "action"),
    [
        ("await.inside", "kill"),  # In the commit that begins the wait.
        ("record.after_commit", "kill_group"),  # The wait has begun.
    ],
)
def test_a_worker_that_dies_as_the_wait_begins_loses_nothing(stage, kind, rule, action):
    """P14"""
    stage.failpoints.arm(f"{rule}={action}")
    order = stage.order(kind).send_until_accepted()
    stage.reached(rule)
    if action == "kill_group":
        stage.restart("worker")

    found = waiting(stage, order)
    if kind == "callback":
        post_until_taken(stage, found["url"], json={"n": 1})
    else:
        post_until_taken(stage, f"/approvals/{found['approval']}/approve/", json={})

    stage.completes(order, calls={"ship": 1})
    assert stage.query("SELECT count(*) FROM node_links WHERE execution_id = %s", order.execution_id) == [(1,)]


def test_a_web_process_that_dies_in_a_callback_takes_it_once(stage):
    order = stage.order("callback").send_until_accepted()
    url = waiting(stage, order)["url"]
    stage.failpoints.arm("callback.inside=kill")

    post_until_taken(stage, url, json={"n": 1})

    stage.reached("callback.inside")
    stage.completes(order, calls={"ship": 1})
    assert stage.segue.execution(order.execution_id)["result"] == {"n": 1}


@pytest.mark.parametrize("verdict", ["approve", "reject"])
def test_a_web_process_that_dies_in_a_decision_counts_it_once(stage, verdict):
    order = stage.order("approval").send_until_accepted()
    approval = waiting(stage, order)["approval"]
    stage.failpoints.arm("decide.inside=kill")

    post_until_taken(stage, f"/approvals/{approval}/{verdict}/", json={"comment": "Once."})

    stage.reached("decide.inside")
    stage.failpoints.disarm()
    stage.wait_for(lambda: order.has_ended, what="the execution to end")
    assert stage.query("SELECT verdict FROM approval_decisions WHERE approval_id = %s", approval) == [(verdict,)]
    assert len(stage.service.calls_of(order.execution_id)) == (1 if verdict == "approve" else 0)


def test_a_worker_that_dies_with_the_answer_goes_on_with_it_once(stage):
    """P16"""
    order = stage.order("approval").send_until_accepted()
    approval = waiting(stage, order)["approval"]
    stage.failpoints.arm("claim.after_commit=kill")

    post_until_taken(stage, f"/approvals/{approval}/approve/", json={})

    stage.reached("claim.after_commit")
    stage.completes(order, calls={"ship": 1})
