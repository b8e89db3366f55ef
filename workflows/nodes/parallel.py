"""Several passes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from workflows.definition.problems import Problem
from workflows.nodes.base import Config, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.scopes import MAX_PASSES, OnItemError, Passes, Rules, ScopeType, counted

MAX_AT_ONCE = 1_000


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
    done_when: Literal["all", "any"] | Annotated[int, Field(ge=1, le=MAX_PASSES)] = Field(
        default="all", description="How many passes must succeed; then the others are cancelled."
    )
    results: Literal["all", "none"] = Field(default="all", description="Whether the passes' results are in the output.")


@register("parallel")
class Parallel(ScopeType[ParallelConfig]):
    """Run the nodes in it at once: for many items, or the branches that they form."""

    Config = ParallelConfig
    icon = "columns"
    example = {"items": "{{ input.urls }}", "max_concurrent": 10, "on_item_error": "collect"}

    def check(self, config: ParallelConfig) -> list[Problem]:
        """Refuse what can never be reached."""
        if (
            isinstance(config.items, list)
            and isinstance(config.done_when, int)
            and config.done_when > len(config.items)
        ):
            return [_never_enough(config.done_when, f"{len(config.items)} items")]
        return []

    def check_body(self, config: ParallelConfig, *, branches: int) -> list[Problem]:
        """Refuse what so many branches can never reach."""
        if config.items is None and isinstance(config.done_when, int) and config.done_when > branches:
            return [_never_enough(config.done_when, f"{branches} branches")]
        return []

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
        enough = (
            {"all": None, "any": 1}.get(config.done_when) if isinstance(config.done_when, str) else config.done_when
        )
        return Rules(
            at_once=config.max_concurrent,
            collects=config.on_item_error == "collect",
            enough=enough,
            keeps=config.results,
        )

    def pass_roots(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Their number, and the item if there are items."""
        return frozenset({"index"} if config.get("items") is None else {"index", "item"})


def _never_enough(asked: int, there_are: str) -> Problem:
    message = f"`done_when` asks for {asked} passes that succeed; there are {there_are}."
    return Problem("out_of_range", "/done_when", message, 'Write a smaller number, or "all".')
