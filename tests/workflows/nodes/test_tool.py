"""Call a tool."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.workflows.nodes.runs import FakeContext, node_type, output
from workflows.definition.validation import check
from workflows.nodes.base import Config, Effect, NodeError
from workflows.nodes.base import catalogue as node_types
from workflows.nodes.fields import Dynamic
from workflows.tools.base import Tool, catalogue, register


class Numbers(Config):
    left: Dynamic[int]
    right: Dynamic[int] = 1


class Adder(Tool[Numbers]):
    """Add two numbers."""

    Arguments = Numbers
    example = {"left": 1, "right": 2}

    def effect(self, arguments):
        return Effect.NONE if arguments.get("right") == 0 else Effect.READ

    def call(self, arguments: Numbers, context: FakeContext) -> dict[str, int]:
        return {"sum": arguments.left + arguments.right}


@pytest.fixture(autouse=True)
def adder() -> Iterator[None]:
    register("test.add")(Adder)
    yield
    catalogue().pop("test.add")


class TestTool:
    def test_puts_out_what_the_tool_returns(self):
        config = {"tool": "test.add", "with": {"left": "{{ input.a }}", "right": 2}}

        assert output("tool", config, {"a": 40}) == {"sum": 42}

    @pytest.mark.parametrize("value", ["40", 1.5, None, True])
    def test_s_expr_5_calls_it_only_with_arguments_of_the_right_type(self, value):
        with pytest.raises(NodeError, match="Config at /with/left: `left` must be a whole number") as caught:
            output("tool", {"tool": "test.add", "with": {"left": "{{ input }}"}}, value)

        assert caught.value.code == "invalid_config"

    def test_lets_the_tools_own_errors_through(self, monkeypatch):
        def fail(self, arguments, context):
            raise NodeError("unavailable", "It is closed.", retryable=True)

        monkeypatch.setattr(Adder, "call", fail)

        with pytest.raises(NodeError, match="It is closed"):
            output("tool", {"tool": "test.add", "with": {"left": 1}})

    def test_may_use_secrets(self):
        assert node_type("tool").accepts_secrets


class TestEffect:
    @pytest.mark.parametrize(
        ("config", "effect"),
        [
            ({"tool": "test.add", "with": {"right": 0}}, Effect.NONE),
            ({"tool": "test.add"}, Effect.READ),
            ({"tool": "test.unknown"}, Effect.WRITE),
            ({"tool": "test.add", "with": "{{ input }}"}, Effect.WRITE),
            ({}, Effect.WRITE),
        ],
    )
    def test_is_the_tools_and_the_strongest_if_that_is_not_known(self, config, effect):
        assert node_type("tool").effect(config) is effect


class Picker(Tool[Numbers]):
    """Evaluate one argument for each item."""

    Arguments = Numbers
    deferred = ("left",)

    def call(self, arguments: Numbers, context: FakeContext) -> dict[str, object]:
        return {"each": context.evaluate_each(arguments.left.text, [1, 2]), "right": arguments.right}


class TestDeferred:
    @pytest.fixture(autouse=True)
    def _picker(self) -> Iterator[None]:
        register("test.pick")(Picker)
        yield
        catalogue().pop("test.pick")

    def test_a_tool_evaluates_what_mentions_its_items_itself(self):
        picked = output(
            "tool", {"tool": "test.pick", "with": {"left": "{{ item * input.by }}", "right": 2}}, {"by": 10}
        )

        assert picked == {"each": [10, 20], "right": 2}

    def test_what_mentions_none_is_evaluated_with_the_others(self):
        with pytest.raises(AttributeError):
            output("tool", {"tool": "test.pick", "with": {"left": "{{ input.by }}"}}, {"by": 10})

    @pytest.mark.parametrize(
        ("tool", "argument", "is_there"),
        [("test.pick", "left", True), ("test.pick", "right", False), ("test.add", "left", False)],
    )
    def test_validation_knows_where_there_are_items(self, tool, argument, is_there):
        definition = {
            "schema": 1,
            "nodes": [
                {"id": "start", "type": "trigger", "config": {"kind": "manual"}},
                {"id": "pick", "type": "tool", "config": {"tool": tool, "with": {"left": 1, argument: "{{ item }}"}}},
            ],
            "edges": [{"source": "start", "target": "pick"}],
        }

        problems = check(definition, node_types=node_types(), variables={}, compile=None, execution_timeout_seconds=60)

        assert ("not_available_here" not in {problem.code for problem in problems}) is is_there
