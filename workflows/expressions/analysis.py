"""What is wrong with an expression, and what it mentions, before it is ever evaluated."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from workflows.expressions.references import References, references
from workflows.expressions.shared import shared_evaluator


@lru_cache(maxsize=4096)
def analyse(source: str) -> References:
    """Return the names that an expression mentions, and everything that is wrong with it. It is not run.

    The engine that will evaluate it is asked to compile it: what has no ``syntax`` finding here compiles there. Its word
    counts, because it also knows mistakes that are no matter of grammar, such as ``1 = 2``.

    :raises ExpressionError: if the engine broke down (``crashed``).
    """
    found = references(source)
    (fault,) = shared_evaluator().check([source])
    if fault is None:
        return found
    others = (finding for finding in found.findings if finding is not found.fault)
    return replace(found, findings=(fault, *others))
