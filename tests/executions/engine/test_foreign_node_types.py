"""Node types of other packages: whatever their code does, it is that node's fault and no one else's."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import definition, node
from tests.executions.engine.carrying import carry, start
from tests.executions.engine.carrying import worker as worker
from workflows.nodes import base as nodes

pytestmark = pytest.mark.django_db(transaction=True)


def _raise(error: BaseException) -> None:
    raise error


@pytest.fixture
def foreign():
    """Return a function that makes what runs a node type, with an effect."""

    def make(run: Callable[[], Any], effect: nodes.Effect) -> str:
        class Odd(nodes.NodeType[nodes.Config]):
            """Do something odd."""

            Config = nodes.Config
            example: dict[str, Any] = {}

            def effect(self, config):
                return effect

            def run(self, config, context):
                return run()

        nodes.register("acme.odd")(Odd)
        return "acme.odd"

    yield make
    nodes._registry.pop("acme.odd", None)


ODD_ANSWERS = {
    "nothing": (lambda: None, "returned NoneType instead of an outcome"),
    "a text": (lambda: "done", "returned str instead of an outcome"),
    "a class": (lambda: nodes.Done, "returned type instead of an outcome"),
    "an unknown port": (lambda: nodes.Done(1, ports=("nowhere",)), "leaves through 'nowhere', and has no such port"),
    "an error": (lambda: _raise(ValueError("x")), "failed with ValueError"),
    "recursion": (lambda: _raise(RecursionError()), "failed with RecursionError"),
}


class TestAnswers:
    @pytest.mark.parametrize("effect", [nodes.Effect.NONE, nodes.Effect.READ])
    @pytest.mark.parametrize(("run", "words"), ODD_ANSWERS.values(), ids=ODD_ANSWERS.keys())
    def test_that_make_no_sense_fail_the_node(self, worker, foreign, run, words, effect):
        execution = carry(worker, start(definition("start > it", it=node(foreign(run, effect)))))

        assert execution.error["code"] == "node_fault"
        assert words in execution.error["message"]

    @pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()], ids=repr)
    def test_that_end_a_thread_fail_the_node(self, worker, foreign, error):
        """A library that calls sys.exit() ends neither the pool nor the execution's hope."""
        raw = definition("start > it", it=node(foreign(lambda: _raise(error), nodes.Effect.READ)))

        for _ in range(3):
            execution = carry(worker, start(raw))
            assert execution.error["message"].endswith(f"failed with {type(error).__name__}.")

    def test_that_ask_to_end_in_the_main_thread_are_a_signals(self, worker, foreign):
        raw = definition("start > it", it=node(foreign(sys.exit, nodes.Effect.NONE)))

        with pytest.raises(SystemExit):
            carry(worker, start(raw))

    @pytest.mark.parametrize(
        "output", [object(), {1, 2}, b"x", {1: 2}, float("nan")], ids=lambda each: type(each).__name__
    )
    def test_that_are_no_json_say_so(self, worker, foreign, output):
        raw = definition("start > it", it=node(foreign(lambda: nodes.Done(output), nodes.Effect.READ)))

        execution = carry(worker, start(raw))

        if isinstance(output, float):
            assert execution.status == "completed"  # As in JavaScript, NaN is null in JSON.
        else:
            assert execution.error["code"] == "output_not_json"
