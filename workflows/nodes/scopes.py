"""What loops and parallels have in common: a body of nodes that runs in passes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from workflows.definition.problems import Problem
from workflows.nodes.base import C, NodeError, NodeType, lies_at

# Passes of one scope; items of one loop, and of one parallel.
MAX_PASSES = 10_000

OnItemError = Literal["fail", "collect"]


@dataclass(frozen=True)
class Passes:
    """What a scope goes over. Fixed when it begins.

    :param items: what each pass is given; None for passes that go on until something stops them.
    :param most: how many passes there may be at the most.
    :param accumulator: what the first pass finds as ``accumulator``.
    """

    items: Sequence[Any] | None
    most: int
    accumulator: Any = None


@dataclass(frozen=True)
class Rules:
    """How the passes of a scope go.

    :param at_once: passes that may be open at the same time.
    :param collects: a pass that fails is noted, and the others go on; else it fails the scope.
    :param enough: so many passes must succeed, then the rest is cancelled; None for all that there are.
    :param keeps: which passes' results are part of the output.
    """

    at_once: int = 1
    collects: bool = False
    enough: int | None = None
    keeps: Literal["all", "last", "none"] = "all"


class ScopeType(NodeType[C]):
    """A node type whose nodes hold others: those whose ``parent`` they are.

    The engine runs the body once for each pass. ``run`` is never called.
    """

    is_scope = True
    # Config paths (dotted) of templates that are evaluated before, and after, each pass, with what the pass sees.
    before_pass: ClassVar[tuple[str, ...]] = ()
    after_pass: ClassVar[tuple[str, ...]] = ()

    def is_over_branches(self, config: Mapping[str, Any]) -> bool:
        """Return whether a scope with this raw config has one pass for each branch of its body. Never raises."""
        return False

    @abstractmethod
    def passes(self, config: C, *, branches: int) -> Passes:
        """Return what a scope goes over. ``config`` is evaluated, but for the templates of the passes.

        :param branches: how many branches the body has.
        :raises NodeError: if there is too much.
        """

    @abstractmethod
    def rules(self, config: C) -> Rules:
        """Return how the passes go."""

    @abstractmethod
    def pass_roots(self, config: Mapping[str, Any]) -> frozenset[str]:
        """Return which of ``item``, ``index`` and ``accumulator`` the passes of a scope with this raw config have. Never raises."""

    def check_body(self, config: C, *, branches: int) -> list[Problem]:
        """Return what is wrong with a config for a body of so many branches; like :meth:`check`."""
        return []


def counted(items: Sequence[Any]) -> Sequence[Any]:
    """Return items, if there are not too many.

    :raises NodeError: if there are.
    """
    if len(items) > MAX_PASSES:
        raise NodeError(
            "too_many_items",
            f"There are {len(items):,} items; a scope takes at most {MAX_PASSES:,}. Give it batches, or fewer items.",
        )
    return items


def is_template_of_passes(node_type: NodeType[Any], path: Sequence[str]) -> bool:
    """Return whether a place of a config, as the keys that lead to it, belongs to the passes and not to the scope's begin."""
    return isinstance(node_type, ScopeType) and lies_at(path, (*node_type.before_pass, *node_type.after_pass))
