r"""The expression language: JavaScript expressions in ``{{ }}``, evaluated where they can do no harm.

- A text with ``{{ expression }}`` in it is a template. One that is exactly one ``{{ }}`` keeps the type of its value; in
  others, values are written into the text. ``\{{`` is a literal ``{{``; ``{"$literal": …}`` is never looked into.
- Roots: ``input``, ``trigger``, ``nodes.<id>.output``, ``vars.NAME``, ``item``, ``index``, ``execution``, ``workflow``. They are
  frozen. A node that did not run is not in ``nodes``: ``nodes.x?.output ?? 0``.
- ``now()`` is the recorded moment of the run, as text in UTC (``2026-11-23T14:33:00.000Z``); ``new Date(now())`` calculates with it.
  There is no other clock, and no chance. ``secret('NAME')`` is a placeholder, and only there where it is allowed.
- Integers beyond 2^53 are BigInt, and stay exact. Halves of surrogate pairs in a result become U+FFFD.
- A script is the body of a function (see :mod:`workflows.expressions.scripts`), with the same roots and wider limits.
- A missing value, in the result or in a text, is an error: ``?? …`` says what to take instead. So is all that is not JSON.
"""

from workflows.expressions.analysis import analyse
from workflows.expressions.errors import ExpressionError
from workflows.expressions.evaluator import Evaluator, Expression, Result
from workflows.expressions.in_process import InProcessSandbox
from workflows.expressions.limits import Limits
from workflows.expressions.references import Finding, NodeReference, References
from workflows.expressions.rendering import RenderError, prepared, render, render_each
from workflows.expressions.sandbox import Sandbox
from workflows.expressions.sandboxes import Sandboxes
from workflows.expressions.scripts import SCRIPT_LIMITS, script_references
from workflows.expressions.shared import script_evaluator, share, share_for_scripts, shared_evaluator
from workflows.expressions.templates import (
    Interpolation,
    Template,
    escape,
    find_templates,
    is_template,
    parse_template,
    substitute,
)

__all__ = [
    "SCRIPT_LIMITS",
    "Evaluator",
    "Expression",
    "ExpressionError",
    "Finding",
    "InProcessSandbox",
    "Interpolation",
    "Limits",
    "NodeReference",
    "References",
    "RenderError",
    "Result",
    "Sandbox",
    "Sandboxes",
    "Template",
    "analyse",
    "escape",
    "find_templates",
    "is_template",
    "parse_template",
    "prepared",
    "render",
    "render_each",
    "script_evaluator",
    "script_references",
    "share",
    "share_for_scripts",
    "shared_evaluator",
    "substitute",
]
