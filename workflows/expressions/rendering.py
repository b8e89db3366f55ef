"""From values with templates in them to values without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from workflows.expressions.errors import ExpressionError
from workflows.expressions.evaluator import NOTHING_ABSENT, Evaluator, Expression
from workflows.expressions.templates import Interpolation, Template, find_templates, parse_template, substitute


class RenderError(Exception):
    """Templates of a value failed: ``errors`` holds, by JSON Pointer, the first error of each that did."""

    def __init__(self, errors: Mapping[str, ExpressionError]) -> None:
        super().__init__(" ".join(f"{pointer or 'value'}: {error.message}" for pointer, error in errors.items()))
        self.errors = dict(errors)


def render(
    value: Any,
    evaluator: Evaluator,
    roots: Mapping[str, Any],
    *,
    now: datetime,
    absent: Mapping[str, str] = NOTHING_ABSENT,
    secret_mark: str | None = None,
) -> Any:
    """Return a copy of a nested JSON value with every template in it evaluated, all in one round trip.

    The arguments are those of :meth:`Evaluator.evaluate`.

    :raises RenderError: if any template fails; it holds all that do.
    """
    errors: dict[str, ExpressionError] = {}
    templates: dict[str, Template] = {}
    for pointer, text in find_templates(value):
        try:
            templates[pointer] = parse_template(text)
        except ExpressionError as error:
            errors[pointer] = error
    expressions = [expression for template in templates.values() for expression in _expressions(template)]
    results = iter(evaluator.evaluate(expressions, roots, now=now, absent=absent, secret_mark=secret_mark))
    rendered: dict[str, Any] = {}
    for pointer, template in templates.items():
        own = [next(results) for _ in template.interpolations]
        failed = [result.error for result in own if result.error is not None]
        if failed:
            errors[pointer] = failed[0]
        else:
            rendered[pointer] = _assemble(template, [result.value for result in own])
    if errors:
        raise RenderError(errors)
    return substitute(value, rendered)


def render_each(
    text: str,
    items: Sequence[Any],
    evaluator: Evaluator,
    roots: Mapping[str, Any],
    *,
    now: datetime,
    absent: Mapping[str, str] = NOTHING_ABSENT,
    secret_mark: str | None = None,
) -> list[Any]:
    """Return what a template becomes for each item, as ``item`` and ``index``. One round trip for each ``{{ }}`` in it.

    :raises ExpressionError: for the first item that fails; its ``index`` says which.
    """
    template = parse_template(text)
    columns = [
        evaluator.evaluate_each(expression, items, roots, now=now, absent=absent, secret_mark=secret_mark)
        for expression in _expressions(template)
    ]
    rows = zip(*columns, strict=True) if columns else ((),) * len(items)
    return [_assemble(template, row) for row in rows]


def _expressions(template: Template) -> Iterator[Expression]:
    return (Expression(part.source, as_text=not template.is_single) for part in template.interpolations)


def _assemble(template: Template, values: Sequence[Any]) -> Any:
    if template.is_single:
        return values[0]
    remaining = iter(values)
    return "".join(next(remaining) if isinstance(part, Interpolation) else part for part in template.parts)
