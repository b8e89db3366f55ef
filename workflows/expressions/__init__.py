"""The expression language: JavaScript expressions in ``{{ }}``, evaluated where they can do no harm."""

from workflows.expressions.analysis import analyse
from workflows.expressions.errors import ExpressionError
from workflows.expressions.evaluator import Evaluator, Expression, Result
from workflows.expressions.in_process import InProcessSandbox
from workflows.expressions.limits import Limits
from workflows.expressions.references import Finding, NodeReference, References
from workflows.expressions.rendering import RenderError, render, render_each
from workflows.expressions.sandbox import Sandbox
from workflows.expressions.shared import share, shared_evaluator
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
    "Template",
    "analyse",
    "escape",
    "find_templates",
    "is_template",
    "parse_template",
    "render",
    "render_each",
    "share",
    "shared_evaluator",
    "substitute",
]
