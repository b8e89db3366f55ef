"""The agent node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.definition.json_schema import schema_problems
from workflows.definition.problems import Problem
from workflows.definition.schema import AsTool
from workflows.nodes.agent.config import AgentConfig
from workflows.nodes.agent.model_call import leaves_host_open
from workflows.nodes.base import Effect, register
from workflows.nodes.scopes import MAX_PASSES, Passes, Rules, ScopeType

# Where secrets may stand: what is sent to a provider beside the conversation.
_SECRETS = ("api_key", "headers")
# What a sub-agent is given, where its author does not say otherwise.
TASK = {
    "type": "object",
    "properties": {
        "task": {"type": "string", "description": "What it is to do, with everything that it needs to know."}
    },
    "required": ["task"],
    "additionalProperties": False,
}


@register("agent")
class Agent(ScopeType[AgentConfig]):
    """Give a model a task, and tools to do it with.

    Each call of a model and of a tool is a step with a node run of its own, recorded before the next one begins.
    """

    Config = AgentConfig
    icon = "bot"
    is_scope = False  # Nodes become part of it over ``tool`` edges.
    secret_fields = tuple(f"{model}.{key}" for model in ("models.*", "cheaper") for key in _SECRETS)
    # Which hosts its tools may call is for people to say, not for what comes in.
    variable_fields = ("allowed_hosts", "allowed_hosts.*")
    # Of models, for each call anew: what a secret's placeholder is good for ends with its node run.
    before_pass = ("models", "cheaper")
    example = {
        "models": [
            {"provider": "anthropic", "model": "claude-sonnet-4-6", "api_key": "{{ secret('ANTHROPIC_API_KEY') }}"}
        ],
        "instructions": "You sort support mail. Answer with JSON.",
        "prompt": "{{ input.text }}",
        "output_schema": {
            "type": "object",
            "properties": {"team": {"type": "string", "enum": ["billing", "support"]}, "urgent": {"type": "boolean"}},
            "required": ["team", "urgent"],
        },
        "limits": {"turns": 5, "cost": "0.10"},
    }

    def effect(self, config: Mapping[str, Any]) -> Effect:
        """It costs money, whatever else it does."""
        return Effect.WRITE

    def check(self, config: AgentConfig) -> list[Problem]:
        """Check the schema of the answer."""
        if config.output_schema is None:
            return []
        found = schema_problems(config.output_schema, below="/output_schema")
        if config.output_schema.get("type") != "object":
            message = "Providers take only schemas of objects."
            hint = 'Write "type": "object", and put a list or a text into one of its properties.'
            found.append(Problem("output_not_object", "/output_schema/type", message, hint))
        return found

    def chooses_host(self, config: Mapping[str, Any], as_tool: Mapping[str, Any]) -> bool:
        """The model that has it as a tool chooses what it is given, and so where its own models are, if that is said there."""
        models = config.get("models")
        found = [*(models if isinstance(models, list) else []), config.get("cheaper")]
        return any(isinstance(each, Mapping) and leaves_host_open(each) for each in found)

    def with_given(self, config: dict[str, Any], as_tool: AsTool | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Its prompt says how it takes up what it is given; see :data:`TASK`."""
        return config

    def passes(self, config: AgentConfig, *, branches: int) -> Passes:
        """Its steps: one after another, as they turn out to be needed."""
        return Passes(None, most=MAX_PASSES)

    def rules(self, config: AgentConfig) -> Rules:
        """What its steps come to is told by itself."""
        return Rules(collects=True, keeps="none")

    def pass_roots(self, config: Mapping[str, Any]) -> frozenset[str]:
        """A tool finds what it is given as ``input``."""
        return frozenset()
