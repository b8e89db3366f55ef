"""How a node's config becomes what its type runs with.

A config is JSON with templates in it. The engine evaluates :func:`templates_of` in one round trip, puts the results in with
what :func:`filler_of` returned, and has the whole :func:`validated` strictly. What is data by then is never looked at as a template again.

A deferred template that mentions ``item`` or ``index`` stays a ``Template``: the node evaluates it for each of its
items. One that mentions neither has the same value for all of them, and is evaluated with the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from workflows.definition.problems import Problem
from workflows.definition.pydantic_problems import problems_in
from workflows.expressions.errors import ExpressionError
from workflows.expressions.references import references
from workflows.expressions.templates import Filler, filler, find_templates, parse_template
from workflows.expressions.vocabulary import ITEM_ROOTS
from workflows.nodes.base import NodeError, NodeType, lies_at
from workflows.nodes.fields import Template
from workflows.nodes.scopes import is_template_of_passes

C = TypeVar("C", bound=BaseModel)


def all_templates_of(node_type: NodeType[Any], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every template of a raw config, with the JSON Pointer to it. What a script holds is none."""
    scripts = {script.path for script in node_type.scripts(config)}
    return [(pointer, text) for pointer, text in find_templates(config) if pointer not in scripts]


def templates_of(node_type: NodeType[Any], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the templates of a raw config that are evaluated before the node runs, with the JSON Pointer to each."""
    deferred = node_type.deferred_in(config)
    return [
        (pointer, text)
        for pointer, text in all_templates_of(node_type, config)
        if not (is_deferred(deferred, pointer) and is_per_item(text))
        and not is_template_of_passes(node_type, _keys(pointer))
        and roots_beforehand(node_type, pointer) is None
    ]


def templates_at(config: Mapping[str, Any], paths: Sequence[str]) -> list[tuple[str, str]]:
    """Return the templates of a raw config at some dotted paths and below them, with the JSON Pointer to each."""
    return [(pointer, text) for pointer, text in find_templates(config) if lies_at(_keys(pointer), paths)]


def is_deferred(deferred: Sequence[str], pointer: str) -> bool:
    """Return whether expressions at this place of a config may be evaluated for each item.

    :param deferred: what :meth:`NodeType.deferred_in` says of the config.
    """
    return lies_at(_keys(pointer), deferred)


def roots_beforehand(node_type: NodeType[Any], pointer: str) -> frozenset[str] | None:
    """Return what an expression at this place of the config may mention, if it is evaluated before there is an execution."""
    keys = _keys(pointer)
    return next((roots for path, roots in node_type.beforehand.items() if lies_at(keys, [path])), None)


def is_lazy(node_type: NodeType[Any], pointer: str) -> bool:
    """Return whether an expression at this place of the config may fail without harm, until the node gets to it."""
    return lies_at(_keys(pointer), node_type.lazy)


def is_per_item(text: str) -> bool:
    """Return whether a template's value depends on the item."""
    try:
        interpolations = parse_template(text).interpolations
    except ExpressionError:
        return False  # Whoever evaluates it will say what is wrong.
    return any(not ITEM_ROOTS.isdisjoint(references(each.source).roots) for each in interpolations)


def filler_of(config: Mapping[str, Any]) -> Filler:
    """Return what puts the results of a raw config's templates, by JSON Pointer, in their places.

    A template that has no result is wrapped as :class:`~workflows.nodes.fields.Template`, and ``{"$literal": …}`` replaced by
    what it holds, untouched.
    """
    return filler(config, Template)


def fill(config: Mapping[str, Any], results: Mapping[str, Any]) -> Any:
    """Return a raw config with the results of its templates in their places; see :func:`filler_of`."""
    return filler_of(config)(results)


def validated(model: type[C], value: Any, *, below: str = "") -> C:
    """Return evaluated data as a model, strictly: text that looks like a number is no number.

    :param below: JSON Pointer from the config to the value.
    :raises NodeError: ``invalid_config``, naming every field that is wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = problems_in(error, model, below=below)
    raise NodeError(
        "invalid_config",
        " ".join(_sentence(problem) for problem in problems[:5]),
        details={"problems": [problem.to_json() for problem in problems[:20]]},
    )


def _sentence(problem: Problem) -> str:
    return f"Config at {problem.path or 'the top'}: {problem.message} {problem.hint}".strip()


def _keys(pointer: str) -> list[str]:
    return pointer.split("/")[1:]
