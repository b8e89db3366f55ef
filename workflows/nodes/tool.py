"""Call a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from workflows.definition.problems import Problem, did_you_mean
from workflows.definition.pydantic_problems import problems_in
from workflows.nodes.base import Config, Context, Done, Effect, NodeType, Outcome, register
from workflows.nodes.evaluation import validated
from workflows.tools.base import catalogue


class ToolConfig(Config):
    """Which tool, and what it is called with."""

    tool: str = Field(description="The tool's name in the catalogue.")
    arguments: dict[str, Any] = Field(default={}, alias="with", description="The tool's arguments.")


@register("tool")
class ToolNode(NodeType[ToolConfig]):
    """Call a tool from the catalogue; the output is what it returns."""

    Config = ToolConfig
    icon = "wrench"
    accepts_secrets = True
    example = {"tool": "http.request", "with": {"url": "https://api.example.com/orders/{{ input.id }}"}}

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """Return the tool's effect; the strongest if the tool is not known."""
        tool, arguments = config.get("tool"), config.get("with", {})
        if not isinstance(tool, str) or tool not in catalogue() or not isinstance(arguments, Mapping):
            return Effect.WRITE
        return catalogue()[tool].effect(arguments)

    def deferred_in(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what the tool evaluates itself."""
        tool = config.get("tool")
        known = catalogue().get(tool) if isinstance(tool, str) else None
        return tuple(f"with.{path}" for path in known.deferred) if known else ()

    def check(self, config: ToolConfig) -> list[Problem]:
        """Check that there is such a tool, and its arguments."""
        if config.tool not in catalogue():
            hint = did_you_mean(config.tool, catalogue()) or "The catalogue of tools has all names."
            return [Problem("unknown_tool", "/tool", f"There is no tool `{config.tool[:100]}`.", hint)]
        arguments_model = catalogue()[config.tool].Arguments
        try:
            arguments_model.model_validate(config.arguments)
        except ValidationError as error:
            return problems_in(error, arguments_model, below="/with")
        return []

    def workflows(self, config: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return those that the tool's arguments speak of."""
        tool, arguments = config.get("tool"), config.get("with", {})
        if not isinstance(tool, str) or tool not in catalogue() or not isinstance(arguments, Mapping):
            return []
        return [(f"/with{path}", name) for path, name in catalogue()[tool].workflows(arguments)]

    def run(self, config: ToolConfig, context: Context) -> Outcome:
        """Call it."""
        tool = catalogue()[config.tool]
        answer = tool.call(validated(tool.Arguments, config.arguments, below="/with"), context)
        return answer if isinstance(answer, Outcome) else Done(answer)
