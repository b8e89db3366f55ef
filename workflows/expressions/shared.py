"""The evaluator that a process uses for everything that has none of its own."""

from __future__ import annotations

from workflows.expressions.evaluator import Evaluator
from workflows.expressions.sandbox import Sandbox

_shared: Evaluator = Sandbox()


def shared_evaluator() -> Evaluator:
    """Return it: a :class:`Sandbox`, unless :func:`share` was called."""
    return _shared


def share(evaluator: Evaluator) -> None:
    """Make an evaluator the shared one. Meant for the start of a process, once."""
    global _shared
    _shared = evaluator
