"""Call a tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field, ValidationError

from workflows.definition.problems import Problem, did_you_mean
from workflows.definition.pydantic_problems import problems_in
from workflows.definition.schema import AsTool
from workflows.nodes.base import Config, Context, Done, Effect, NodeType, Outcome, register
from workflows.nodes.evaluation import validated
from workflows.nodes.hosts import has_open_host, has_parts_beside
from workflows.tools.base import catalogue


class ToolConfig(Config):
    """Which tool, and what it is called with."""

    tool: str = Field(description="The tool's name in the catalogue.")
    arguments: dict[str, Any] = Field(default={}, alias="with", description="The tool's arguments.")


def is_server_of_tools(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Return whether a tool node, attached to an agent, stands for all tools of a server and not for one."""
    return tool == "mcp.call" and "tool" not in arguments


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

    def effect_as_tool(self, config: Mapping[str, Any], as_tool: AsTool | None) -> Effect:
        """What a model gives may be what makes it write."""
        return Effect.WRITE if as_tool is None or as_tool.parameters is None else self.effect(config)

    def check_as_tool(self, config: ToolConfig, as_tool: Mapping[str, Any]) -> list[Problem]:
        """Check it, but for the arguments that the model gives."""
        found = [replace(problem, path=f"/config{problem.path}") for problem in self.check(config)]
        if as_tool.get("parameters") is None:
            found = [each for each in found if not _is_for_the_model(each, config.tool)]
        if config.tool == "workflow.run" and not isinstance(config.arguments.get("workflow"), str):
            message = "Which workflow a model may run is for you to say: `workflow` must be written out."
            found.append(Problem("workflow_not_named", "/config/with/workflow", message))
        is_server = is_server_of_tools(config.tool, config.arguments)
        if is_server and not as_tool.get("tools"):
            message = "Which tools of this server a model may call is for you to say."
            hint = "List their names in `as_tool.tools`, or write `tool` in `with` to attach a single one."
            found.append(Problem("tools_not_listed", "/as_tool/tools", message, hint))
        if is_server:
            found += [_of_servers(key) for key in ("name", "description", "parameters") if as_tool.get(key) is not None]
        elif as_tool.get("tools") is not None:
            message = "`tools` is for an MCP server: a tool node with `mcp.call` and without `tool` in `with`."
            found.append(Problem("unknown_key", "/as_tool/tools", message, "Remove it."))
        return found

    def chooses_host(self, config: Mapping[str, Any], as_tool: Mapping[str, Any]) -> bool:
        """A tool that calls a URL which is left open, or whose host an expression gives."""
        tool, arguments = config.get("tool"), config.get("with", {})
        if not isinstance(tool, str) or tool not in catalogue() or not isinstance(arguments, Mapping):
            return False
        key = catalogue()[tool].url_argument
        if not key or (key not in arguments and arguments.get("server") is not None):
            return False
        auth = arguments.get("auth")
        auth = auth if isinstance(auth, Mapping) else {}
        # A key file says where tokens come from.
        is_foreign = has_parts_beside(auth.get("key_file") or "", {"vars", "secret"})
        return has_open_host(arguments.get(key)) or has_open_host(auth.get("token_url") or "") or is_foreign

    def with_given(self, config: dict[str, Any], as_tool: AsTool | None, given: Mapping[str, Any]) -> dict[str, Any]:
        """Without a schema of the author's own, what the model gave are arguments of the tool."""
        if as_tool is not None and as_tool.parameters is not None:
            return config
        arguments = config.get("with", {})
        return {**config, "with": catalogue()[config["tool"]].with_given(arguments, given)}

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


def _is_for_the_model(problem: Problem, tool: str) -> bool:
    """Return whether what is missing is an argument that a model may give."""
    key = problem.path.rpartition("/")[2]
    is_argument = problem.code == "missing_key" and problem.path.count("/") == 3
    return is_argument and key not in catalogue()[tool].authors_alone


def _of_servers(key: str) -> Problem:
    message = f"A server of tools says the {key} of each of them itself."
    return Problem(
        "unknown_key", f"/as_tool/{key}", message, "Remove it, or write `tool` in `with` to attach a single one."
    )
