"""An agent goes on from where it was, whoever dies: what a model has answered is never paid again. [R-5, R-16]"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.builders import definition, node
from tests.crash.stage import HOOK, WORKFLOWS, Order, Stage, call
from tests.providers import FakeProvider, calls, says

# Two tools at once, then one of them again, then the answer. By what the conversation holds: a call that comes again gets the same.
TWO = {"tool_calls": [{"name": name, "arguments": {"amount": 5}} for name in ("charge", "ship")]}
SCRIPT = {"rules": [{"turns": [TWO, calls("charge", amount=7), says("All done.")]}]}


@pytest.fixture(scope="module")
def provider() -> Iterator[FakeProvider]:
    with FakeProvider(SCRIPT) as running:
        yield running


@pytest.fixture
def stage(segue_stage: Stage, provider: FakeProvider) -> Stage:
    WORKFLOWS["agent"] = lambda url: definition(
        "hook > bot > end",
        "charge -o bot",
        "ship -o bot",
        hook=HOOK,
        bot=node(
            "agent",
            {
                "models": [{"provider": "openai", "model": "test", "base_url": provider.openai_url, "api_key": "k"}],
                "prompt": "Do what has to be done.",
            },
        ),
        charge=tool(url),
        ship=tool(url),
        end=node("output", {"value": "{{ input.answer }}"}),
    )
    provider.forget()
    return segue_stage


def tool(url: str) -> dict:
    parameters = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    return call(url, as_tool={"description": "Do it.", "parameters": parameters})


# The node runs with effects in their order: model, charge and ship, model, charge, model.
@pytest.mark.parametrize(
    ("rule", "action", "asked_again", "called_again"),
    [
        ("effect.before", "kill", 0, 0),  # The first call of the model is recorded as begun, and was never made.
        ("effect.after", "kill_group", 1, 0),  # It was answered, and nobody else knows.
        ("record.inside@2", "kill", 1, 0),  # In the commit that records the answer, and that the tools begin.
        ("record.after_commit@2", "kill_group", 0, 0),  # The answer is recorded; no tool was called.
        ("effect.before@2", "kill", 0, 1),
        ("effect.after@3", "kill", 0, 1),  # One of the tools, or both.
        ("effect.after@4", "kill_group", 1, 0),
        ("effect.after@5", "kill", 0, 1),
        ("effect.after@6", "kill", 1, 0),  # The last answer.
        ("end.inside", "kill_group", 1, 0),  # In the commit that ends the execution.
    ],
)
def test_no_step_that_is_recorded_is_made_again(stage, provider, rule, action, asked_again, called_again):
    point, _, nth = rule.partition("@")
    stage.failpoints.arm(f"{point}={action}" + (f"@{nth}" if nth else ""))
    order = stage.order("agent").send_until_accepted()
    stage.reached(point)
    if action == "kill_group":
        stage.restart("worker")

    tools = {"charge:1": 1, "ship:2": 1, "charge:4": 1}
    stage.completes(order, calls=tools, more=dict.fromkeys(tools, 1 + called_again))

    made = Counter(request.idempotency_key for request in provider.requests)
    assert made.keys() == {order.key(f"bot.model:{step}") for step in (0, 3, 5)}, made
    assert made.total() <= 3 + asked_again, made
    assert answer_of(stage, order) == "All done."
    assert open_reservations(stage, order) == 0


def answer_of(stage: Stage, order: Order) -> str:
    ((result,),) = stage.query("SELECT result FROM workflow_executions WHERE id = %s", order.execution_id)
    return result


def open_reservations(stage: Stage, order: Order) -> int:
    question = "SELECT count(*) FROM model_calls WHERE execution_id = %s AND status = 'reserved'"
    ((count,),) = stage.query(question, order.execution_id)
    return count
