"""One pass after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.scopes import MAX_PASSES, OnItemError, Passes, Rules, ScopeType, counted

USUAL_PASSES = 1_000


class Accumulator(Config):
    """A value that goes from pass to pass."""

    initial: Dynamic[Any] = Field(default=None, description="What the first pass finds as `accumulator`.")
    next: Dynamic[Any] = Field(description="What the next pass finds; evaluated after each pass that succeeded.")


class LoopConfig(Config):
    """What to go over, and until when."""

    items: Dynamic[list[Any]] | None = Field(default=None, description="One pass for each of these.")
    batch_size: Dynamic[Annotated[int, Field(ge=1, le=MAX_PASSES)]] | None = Field(
        default=None, description="Give each pass a list of so many items instead of one."
    )
    while_: Dynamic[bool] | None = Field(
        default=None,
        alias="while",
        description="Evaluated before each pass: as long as it is true, there is another one.",
    )
    max_passes: Dynamic[Annotated[int, Field(ge=1, le=MAX_PASSES)]] = Field(
        default=USUAL_PASSES, description="With `while`: the loop fails when it would need more."
    )
    accumulator: Accumulator | None = Field(default=None, description="A value that goes from pass to pass.")
    break_when: Dynamic[bool] = Field(
        default=False, description="Evaluated after each pass that succeeded: true ends the loop."
    )
    on_item_error: OnItemError = Field(
        default="fail", description="What a pass that fails does: `fail` the loop, or be noted in `errors` (`collect`)."
    )
    results: Literal["all", "last", "none"] = Field(
        default="all", description="Which passes' results are in the output; `none` for very many."
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> LoopConfig:
        if (self.items is None) == (self.while_ is None):
            raise PydanticCustomError("exactly_one", "Give exactly one of `items` and `while`.")
        if self.batch_size is not None and self.items is None:
            raise _without("batch_size", "items")
        if self.max_passes != USUAL_PASSES and self.while_ is None:
            raise _without("max_passes", "while")
        return self


def _without(key: str, other: str) -> PydanticCustomError:
    return PydanticCustomError(
        "unknown_key", f"`{key}` means something only with `{other}`.", {"key": key, "hint": "Remove it."}
    )


@register("loop")
class Loop(ScopeType[LoopConfig]):
    """Run the nodes in it again and again, one pass after another: for each item, or while something holds."""

    Config = LoopConfig
    icon = "repeat"
    before_pass = ("while",)
    after_pass = ("break_when", "accumulator.next")
    example = {"items": "{{ input.orders }}", "accumulator": {"initial": 0, "next": "{{ accumulator + item.total }}"}}

    def passes(self, config: LoopConfig, *, branches: int) -> Passes:
        """One pass for each item or batch; or as many as `while` allows."""
        start = config.accumulator.initial if config.accumulator else None
        if config.items is None:
            return Passes(None, most=config.max_passes, accumulator=start)
        items, size = config.items, config.batch_size
        if size is not None:
            items = [items[at : at + size] for at in range(0, len(items), size)]
        return Passes(counted(items), most=len(items), accumulator=start)

    def rules(self, config: LoopConfig) -> Rules:
        """One at a time."""
        return Rules(collects=config.on_item_error == "collect", keeps=config.results)

    def pass_roots(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Their number, and what they go over or hand on."""
        own = {"item": config.get("items"), "accumulator": config.get("accumulator")}
        return frozenset({"index"} | {root for root, source in own.items() if source is not None})
