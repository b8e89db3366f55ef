"""Choose a way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from workflows.definition.problems import Problem
from workflows.nodes.base import ERROR_PORT, Config, Context, Done, NodeType, register
from workflows.nodes.fields import Dynamic, Unevaluated
from workflows.nodes.forms import Slug


class Case(Config):
    """A port, and when it is taken."""

    port: Slug = Field(description="The port that is taken.")
    when: Dynamic[bool] = Field(description="An expression that is true or false: `{{ input.total > 100 }}`.")


class ConditionConfig(Config):
    """The cases in order, and the port for when none holds."""

    cases: Annotated[list[Case], Field(min_length=1, max_length=50)] = Field(description="The first that holds wins.")
    otherwise: Slug = Field(default="else", alias="else", description="The port that is taken when no case holds.")


@register("condition")
class Condition(NodeType[ConditionConfig]):
    """Leave through the port of the first case that holds, or through `else`; hand the input on."""

    Config = ConditionConfig
    icon = "split"
    lazy = ("cases.*.when",)
    example = {"cases": [{"port": "large", "when": "{{ input.total > 100 }}"}], "else": "small"}

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the ports of the cases, each once, and the other one."""
        cases = config.get("cases")
        named = [case.get("port") for case in cases if isinstance(case, Mapping)] if isinstance(cases, list) else []
        named.append(config.get("else", "else"))
        return tuple(dict.fromkeys(port for port in named if isinstance(port, str)))

    def check(self, config: ConditionConfig) -> list[Problem]:
        """Refuse ports that stand for two things."""
        found = []
        taken = {ERROR_PORT: "failures", config.otherwise: "`else`"}
        if config.otherwise == ERROR_PORT:
            found.append(Problem("duplicate_port", "/else", "Port `error` is taken by failures already."))
        for index, case in enumerate(config.cases):
            if case.port in taken:
                message = f"Port `{case.port}` is taken by {taken[case.port]} already."
                found.append(Problem("duplicate_port", f"/cases/{index}/port", message))
            taken.setdefault(case.port, f"case {index + 1}")
        return found

    def run(self, config: ConditionConfig, context: Context) -> Done:
        """Take the first case that holds."""
        port = next((case.port for case in config.cases if _holds(case)), config.otherwise)
        return Done(context.input, ports=(port,))


def _holds(case: Case) -> bool:
    # A case need not make sense where an earlier one holds: `input.refund.amount` of an order that has no refund.
    if isinstance(case.when, Unevaluated):
        raise case.when.error
    return case.when
