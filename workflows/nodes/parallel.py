"""Several passes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from workflows.definition.problems import Problem
from workflows.nodes.base import Config, register
from workflows.nodes.fields import Dynamic, Template
from workflows.nodes.scopes import MAX_PASSES, OnItemError, Passes, Rules, ScopeType, counted

MAX_AT_ONCE = 1_000


def _all_any_or_a_number(value: Any) -> Any:
    # Of a choice between types pydantic says no more than that nothing fits.
    if isinstance(value, Template) or value in ("all", "any") or (type(value) is int and 1 <= value <= MAX_PASSES):
        return value
    raise PydanticCustomError("invalid_choice", f'`done_when` is "all", "any" or a number from 1 to {MAX_PASSES:,}.')


class ParallelConfig(Config):
    """What runs at once, how much of it, and when it is done."""

    items: Dynamic[list[Any]] | None = Field(
        default=None, description="One pass for each of these. Left out, each branch of the body is one."
    )
    max_concurrent: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)] = Field(
        default=20, description="Passes that are under way at the same time."
    )
    on_item_error: OnItemError = Field(
        default="fail",
        description="What a pass that fails does: `fail` the whole, or be noted in `errors` while the others go on (`collect`).",
    )
    done_when: Annotated[
        Literal["all", "any"] | Annotated[int, Field(ge=1, le=MAX_PASSES)], BeforeValidator(_all_any_or_a_number)
    ] = Field(default="all", description="How many passes must succeed; then the others are cancelled.")
    results: Literal["all", "none"] = Field(default="all", description="Whether the passes' results are in the output.")

    def enough(self) -> int | None:
        """Return how many passes must succeed; None for all."""
        if self.done_when == "all":
            return None
        return 1 if self.done_when == "any" else self.done_when


@register("parallel")
class Parallel(ScopeType[ParallelConfig]):
    """Run the nodes in it at once: for many items, or the branches that they form."""

    Config = ParallelConfig
    icon = "columns"
    example = {"items": "{{ input.urls }}", "max_concurrent": 10, "on_item_error": "collect"}

    def check(self, config: ParallelConfig) -> list[Problem]:
        """Refuse what can never be reached."""
        return _never_enough(config, len(config.items), "items") if isinstance(config.items, list) else []

    def check_body(self, config: ParallelConfig, *, branches: int) -> list[Problem]:
        """Refuse what so many branches can never reach."""
        return _never_enough(config, branches, "branches") if config.items is None else []

    def is_over_branches(self, config: Mapping[str, Any]) -> bool:
        """Without items, it is."""
        return config.get("items") is None

    def passes(self, config: ParallelConfig, *, branches: int) -> Passes:
        """One pass for each item, or for each branch."""
        if config.items is None:
            return Passes([None] * branches, most=branches)
        return Passes(counted(config.items), most=len(config.items))

    def rules(self, config: ParallelConfig) -> Rules:
        """Many at a time."""
        return Rules(
            at_once=config.max_concurrent,
            collects=config.on_item_error == "collect",
            enough=config.enough(),
            keeps=config.results,
        )

    def pass_roots(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Their number, and the item if there are items."""
        return frozenset({"index"} if config.get("items") is None else {"index", "item"})


def _never_enough(config: ParallelConfig, count: int, of_what: str) -> list[Problem]:
    enough = config.enough()
    if enough is None or enough <= count:
        return []
    message = f"`done_when` asks for {enough} to succeed; there are {count} {of_what}."
    return [Problem("out_of_range", "/done_when", message, 'Write a smaller number, or "all".')]
