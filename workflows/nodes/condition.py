"""Choose a way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem
from workflows.nodes.base import ERROR_PORT, Config, Context, Done, NodeError, NodeType, register
from workflows.nodes.comparisons import Comparison
from workflows.nodes.fields import Dynamic, Unevaluated
from workflows.nodes.forms import Slug

Comparisons = Annotated[list[Comparison], Field(max_length=20)]


class Case(Config):
    """A port, and when it is taken: by an expression, or by comparisons of which all or any must hold."""

    port: Slug = Field(description="The port that is taken.")
    when: Dynamic[bool] = Field(
        default=False, description="An expression that is true or false: `{{ input.total > 100 }}`."
    )
    all: Comparisons = Field(default=[], description="Instead of `when`: comparisons that must all hold.")
    any: Comparisons = Field(default=[], description="Instead of `when`: comparisons of which one must hold.")

    @model_validator(mode="after")
    def _in_one_way(self) -> Case:
        given = [way for way in (self.when, self.all, self.any) if way not in (False, [])]
        if not given and "when" not in self.model_fields_set:
            raise PydanticCustomError("missing_key", "Say when: by `when`, `all` or `any`.", {"key": "when"})
        if len(given) > 1:
            raise PydanticCustomError("exactly_one", "Give exactly one of `when`, `all` and `any`.")
        return self


class ConditionConfig(Config):
    """The cases in order, and the port for when none holds."""

    cases: Annotated[list[Case], Field(min_length=1, max_length=50)] = Field(description="What is asked, in order.")
    match: Literal["first", "all"] = Field(
        default="first",
        description="Leave through the port of the first case that holds, or through those of all that do.",
    )
    otherwise: Slug = Field(default="else", alias="else", description="The port that is taken when no case holds.")


@register("condition")
class Condition(NodeType[ConditionConfig]):
    """Leave through the port of the first case that holds, or of all that do, or through `else`; hand the input on."""

    Config = ConditionConfig
    icon = "split"
    lazy = ("cases.*.when", "cases.*.all", "cases.*.any")
    example = {
        "cases": [
            {"port": "large", "when": "{{ input.total > 100 }}"},
            {
                "port": "rush",
                "all": [
                    {
                        "left": "{{ input.tag }}",
                        "type": "text",
                        "operator": "equals",
                        "right": "rush",
                        "case_sensitive": False,
                    },
                    {"left": "{{ input.due_at }}", "operator": "exists"},
                ],
            },
        ],
        "else": "small",
    }

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
        """Take the first case that holds, or all."""
        holding = _holding(config, context)
        ports = tuple(holding) if config.match == "all" else tuple(port for port in [next(holding, None)] if port)
        return Done(context.input, ports=ports or (config.otherwise,))


def _holding(config: ConditionConfig, context: Context) -> Iterator[str]:
    # One at a time: a case need not make sense where an earlier one holds, such as `input.refund.amount` of an order
    # that has no refund. Nor need a comparison where those before it have decided.
    return (case.port for index, case in enumerate(config.cases) if _holds(case, index, context))


def _holds(case: Case, index: int, context: Context) -> bool:
    if isinstance(case.when, Unevaluated):
        raise case.when.error
    if not (case.all or case.any):
        return case.when
    name, comparisons = ("all", case.all) if case.all else ("any", case.any)
    results = (
        _compared(comparison, f"/cases/{index}/{name}/{number}", context)
        for number, comparison in enumerate(comparisons)
    )
    return all(results) if name == "all" else any(results)


def _compared(comparison: Comparison, path: str, context: Context) -> bool:
    try:
        return comparison.holds(default_timezone=context.default_timezone)
    except NodeError as error:
        if isinstance(comparison.left, Unevaluated) or isinstance(comparison.right, Unevaluated):
            raise
        raise NodeError(error.code, f"Config at {path}: {error.message}", details={"path": path}) from error
