"""Run a node type as the engine does, with the real expressions and without an engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from projects.masking import Masker
from tests.clock import NOON
from workflows.definition.problems import Problem
from workflows.expressions import SCRIPT_LIMITS, ExpressionError, InProcessSandbox, render, render_each
from workflows.nodes.base import Done, NodeError, NodeType, Outcome, catalogue
from workflows.nodes.evaluation import fill, templates_of, validated
from workflows.nodes.loading import load

load()
SANDBOX = InProcessSandbox()
SCRIPTS = InProcessSandbox(SCRIPT_LIMITS)


@dataclass(frozen=True)
class FakeContext:
    """A world with a clock that stands still, and an input."""

    input: Any = None
    now: datetime = NOON
    seconds_left: float = 300.0
    idempotency_key: str = "execution:node:"
    hops: int = 0
    project_id: str = "01a21499-402b-7235-8eea-e2bbaab83e73"
    default_timezone: str = "UTC"
    kept: Any = None
    roots: Mapping[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    masker: Masker = field(default_factory=Masker)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def evaluate_each(self, expression: str, items: Sequence[Any]) -> list[Any]:
        self.asked.append(expression)
        return render_each(expression, items, SANDBOX, {"input": self.input, **self.roots}, now=self.now)

    def run_script(self, body: str, items: Sequence[Any]) -> Any:
        try:
            return SCRIPTS.run_script(body, items, {"input": self.input, **self.roots}, now=self.now)
        except ExpressionError as error:
            raise NodeError(error.code, error.message) from error

    def run_script_each(self, body: str, items: Sequence[Any]) -> list[Any]:
        try:
            return SCRIPTS.run_script_each(body, items, {"input": self.input, **self.roots}, now=self.now)
        except ExpressionError as error:
            raise NodeError(error.code, f"Item {error.index}: {error.message}") from error

    def keep(self, state: Any) -> None:
        raise AssertionError("Nothing was to be kept.")

    def fill_secrets(self, text: str) -> str:
        for name, value in self.secrets.items():
            text = text.replace(f"⟦{name}⟧", value)
        return text


def node_type(key: str) -> NodeType[Any]:
    """Return a node type of the catalogue."""
    return catalogue()[key]


def configured(node_type: NodeType[Any], config: dict[str, Any], results: dict[str, Any]) -> Any:
    """Return a config with the results of its templates, validated, as the engine does it."""
    return validated(node_type.Config, fill(config, results))


def outcome(key: str, config: dict[str, Any], input: Any = None, *, context: FakeContext | None = None) -> Outcome:
    """Evaluate a config, then run the node type with it."""
    world = replace(context or FakeContext(), input=input)
    templates = templates_of(node_type(key), config)
    values = render([text for _, text in templates], SANDBOX, {"input": input, **world.roots}, now=world.now)
    results = {pointer: value for (pointer, _), value in zip(templates, values, strict=True)}
    return node_type(key).run(configured(node_type(key), config, results), world)


def output(key: str, config: dict[str, Any], input: Any = None) -> Any:
    """Return the output of a node that is done at once and leaves through its one port."""
    done = outcome(key, config, input)
    assert isinstance(done, Done)
    assert done.ports == ("main",)
    return done.output


def draft_problems(key: str, config: dict[str, Any]) -> list[Problem]:
    """Return what the node type itself says about a draft's config that fits its model."""
    return node_type(key).check(node_type(key).Config.model_validate(fill(config, {})))
