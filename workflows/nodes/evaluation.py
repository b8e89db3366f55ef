"""How a node's config becomes what its type runs with.

A config is JSON with templates in it. First it is :func:`wrapped`: every template becomes a ``Template``, ``$literal`` is taken
off. Then the engine evaluates :func:`templates_of` in one round trip, and :func:`configured` puts the results in and
validates the whole strictly. What is data by then is never looked at as a template again.

A deferred template that mentions ``item`` or ``index`` stays a ``Template``: the node evaluates it for each of its
items. One that mentions neither has the same value for all of them, and is evaluated with the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from workflows.definition.problems import Problem, pointer
from workflows.definition.pydantic_problems import problems_in
from workflows.expressions import is_template, references_of
from workflows.nodes.base import NodeError, NodeType
from workflows.nodes.fields import Template

LITERAL = "$literal"

C = TypeVar("C", bound=BaseModel)


def wrapped(value: Any) -> Any:
    """Return JSON with its templates wrapped and ``{"$literal": …}`` replaced by what it holds, untouched."""
    match value:
        case str():
            return Template(value) if is_template(value) else value
        case Mapping():
            if len(value) == 1 and LITERAL in value:
                return value[LITERAL]
            return {key: wrapped(item) for key, item in value.items()}
        case list():
            return [wrapped(item) for item in value]
        case _:
            return value


def all_templates_of(node_type: NodeType[Any], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return every template of a raw config, with the JSON Pointer to it."""
    return [(pointer(*parts), template.text) for parts, template in _templates(wrapped(config))]


def templates_of(node_type: NodeType[Any], config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the templates of a raw config that are evaluated before the node runs, with the JSON Pointer to each."""
    return [
        (pointer(*parts), template.text)
        for parts, template in _templates(wrapped(config))
        if not (is_deferred(node_type, parts) and is_per_item(template.text))
    ]


def is_deferred(node_type: NodeType[Any], parts: Sequence[str | int]) -> bool:
    """Return whether expressions at this place of the config may be evaluated for each item."""
    return any(_matches(pattern.split("."), parts) for pattern in node_type.deferred)


def is_per_item(text: str) -> bool:
    """Return whether a template's value depends on the item."""
    return not references_of([text]).roots.isdisjoint({"item", "index"})


def fill(config: Any, results: Mapping[str, Any]) -> Any:
    """Return a raw config with its templates replaced by their results, by JSON Pointer; the others stay wrapped."""
    return _filled(wrapped(config), results, "")


def configured(node_type: NodeType[Any], config: Mapping[str, Any], results: Mapping[str, Any]) -> BaseModel:
    """Return what a node type runs with: its config, evaluated and validated.

    :param results: the value of every template that ``templates_of`` returns, by JSON Pointer.
    :raises NodeError: ``invalid_config``, if a value is not what its field needs.
    """
    return validated(node_type.Config, fill(config, results))


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


def _templates(value: Any, parts: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Template]]:
    match value:
        case Template():
            yield parts, value
        case dict():
            for key, item in value.items():
                yield from _templates(item, (*parts, key))
        case list():
            for index, item in enumerate(value):
                yield from _templates(item, (*parts, index))


def _filled(value: Any, results: Mapping[str, Any], path: str) -> Any:
    match value:
        case Template():
            return results.get(path, value)
        case dict():
            return {key: _filled(item, results, pointer(key, below=path)) for key, item in value.items()}
        case list():
            return [_filled(item, results, pointer(index, below=path)) for index, item in enumerate(value)]
        case _:
            return value


def _matches(pattern: Sequence[str], parts: Sequence[str | int]) -> bool:
    """Return whether a place lies at or below a dotted pattern, in which ``*`` is any key or index."""
    return len(parts) >= len(pattern) and all(step in ("*", part) for step, part in zip(pattern, parts, strict=False))
