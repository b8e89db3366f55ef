"""The evaluators that a process uses for everything that has none of its own."""

from __future__ import annotations

from workflows.expressions.evaluator import Evaluator
from workflows.expressions.sandbox import Sandbox
from workflows.expressions.sandboxes import Sandboxes
from workflows.expressions.scripts import SCRIPT_LIMITS

_shared: Evaluator = Sandbox()
# Of their own: a script that computes for seconds must not keep expressions waiting, nor every other script.
_for_scripts: Evaluator = Sandboxes(SCRIPT_LIMITS)


def shared_evaluator() -> Evaluator:
    """Return it: a :class:`Sandbox`, unless :func:`share` was called."""
    return _shared


def script_evaluator() -> Evaluator:
    """Return what runs scripts: :class:`Sandboxes`, unless :func:`share_for_scripts` was called."""
    return _for_scripts


def share(evaluator: Evaluator) -> None:
    """Make an evaluator the shared one. Meant for the start of a process, once."""
    global _shared
    _shared = evaluator


def share_for_scripts(evaluator: Evaluator) -> None:
    """Make an evaluator the one that runs scripts. Meant for the start of a process, once."""
    global _for_scripts
    _for_scripts = evaluator
