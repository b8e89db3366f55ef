"""From values with templates in them to values without."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from workflows.expressions.errors import ExpressionError
from workflows.expressions.evaluator import NOTHING_ABSENT, Evaluator, Expression
from workflows.expressions.templates import Interpolation, Template, find_templates, parse_template, substitute


class RenderError(Exception):
    """Templates of a value failed: ``errors`` holds, by JSON Pointer, the first error of each that did."""

    def __init__(self, errors: Mapping[str, ExpressionError]) -> None:
        super().__init__(" ".join(f"{pointer or 'value'}: {error.message}" for pointer, error in errors.items()))
        self.errors = dict(errors)


@dataclass(frozen=True)
class Prepared:
    """Templates taken apart once, to be evaluated again and again, all in one round trip."""

    templates: Mapping[str, Template]
    errors: Mapping[str, ExpressionError]
    expressions: tuple[Expression, ...]

    def results(
        self,
        evaluator: Evaluator,
        roots: Mapping[str, Any],
        *,
        now: datetime,
        absent: Mapping[str, str] = NOTHING_ABSENT,
        secret_mark: str | None = None,
    ) -> dict[str, Any]:
        """Return the value of each template, by JSON Pointer. The arguments are those of :meth:`Evaluator.evaluate`.

        :raises RenderError: if any template fails; it holds all that do.
        """
        results = iter(evaluator.evaluate(self.expressions, roots, now=now, absent=absent, secret_mark=secret_mark))
        errors, values = dict(self.errors), {}
        for pointer, template in self.templates.items():
            own = [next(results) for _ in template.interpolations]
            failed = [result.error for result in own if result.error is not None]
            if failed:
                errors[pointer] = failed[0]
            else:
                values[pointer] = _assemble(template, [result.value for result in own])
        if errors:
            raise RenderError(errors)
        return values


@lru_cache(maxsize=1024)
def prepared(templates: tuple[tuple[str, str], ...]) -> Prepared:
    """Take templates apart, which are given with the JSON Pointer to each. One that is none is an error of its results."""
    parsed: dict[str, Template] = {}
    errors: dict[str, ExpressionError] = {}
    for pointer, text in templates:
        try:
            parsed[pointer] = parse_template(text)
        except ExpressionError as error:
            errors[pointer] = error
    expressions = tuple(expression for template in parsed.values() for expression in _expressions(template))
    return Prepared(parsed, errors, expressions)


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
    templates = prepared(tuple(find_templates(value)))
    return substitute(value, templates.results(evaluator, roots, now=now, absent=absent, secret_mark=secret_mark))


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
