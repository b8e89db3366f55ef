"""Turns what pydantic found into problems of our own: stable codes, sentences, JSON Pointers.

Pydantic's own texts change between its versions and speak of Python; nobody outside sees them.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, RootModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, core_schema

from workflows.definition.problems import Problem, did_you_mean, listed, pointer
from workflows.nodes.fields import FORBIDDEN, FORBIDDEN_HINT, Template

_PYDANTICS_OWN = frozenset(get_args(core_schema.ErrorType))

# What was expected, by pydantic's error type.
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
}

# A bound that was passed: our sentence, and the name under which pydantic tells the bound.
_BOUNDS = {
    "greater_than": ("must be above {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be below {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
}


def problems_in(error: ValidationError, model: type[BaseModel], *, below: str) -> list[Problem]:
    """Return a model's errors as problems, one for each place.

    :param below: JSON Pointer to the value that was validated.
    """
    found: dict[str, Problem] = {}
    for details in error.errors(include_url=False):
        parts, names = _place(model, details["loc"])
        problem = _problem(details, parts, names, below)
        found.setdefault(problem.path, problem)
    return list(found.values())


def _problem(details: ErrorDetails, parts: Sequence[str | int], names: Sequence[str], below: str) -> Problem:
    kind, ctx, given = details["type"], details.get("ctx", {}), details["input"]
    path, name = pointer(*parts, below=below), _spoken(parts)
    if kind == "missing":
        return Problem("missing_key", path, f"{name} is missing.")
    if kind == "extra_forbidden":
        return Problem("unknown_key", path, f"There is no key {name} here.", _known_keys(str(parts[-1]), names))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(kind, ctx, given, parts, below)
    if isinstance(given, Template):
        return Problem(FORBIDDEN, path, f"{name} may not be an expression.", FORBIDDEN_HINT)
    if kind in _EXPECTED:
        return Problem("wrong_type", path, f"{name} must be {_EXPECTED[kind]}, not {type_of(given)}.")
    if kind in _BOUNDS:
        sentence, bound = _BOUNDS[kind]
        return Problem("out_of_range", path, f"{name} {sentence.format(ctx[bound])}; it is {shown(given)}.")
    if kind not in _PYDANTICS_OWN:
        return Problem(kind, path, details["msg"], str(ctx.get("hint", "")))
    return _rarer(kind, ctx, given, path, name)


def _rarer(kind: str, ctx: Mapping[str, Any], given: Any, path: str, name: str) -> Problem:
    match kind:
        case "literal_error":
            choices = _quoted(ctx["expected"])
            hint = did_you_mean(given, choices) if isinstance(given, str) else ""
            return Problem("invalid_choice", path, f"{name} must be {listed(choices)}, not {shown(given)}.", hint)
        case "string_too_long":
            return Problem("too_long", path, f"{name} may have at most {ctx['max_length']} characters.")
        case "string_too_short":
            return Problem("too_short", path, f"{name} may not be empty.")
        case "too_long":
            message = f"{name} may have at most {ctx['max_length']} items; it has {ctx['actual_length']}."
            return Problem("too_long", path, message)
        case "too_short":
            return Problem("too_short", path, f"{name} must have at least {ctx['min_length']} items.")
        case "string_pattern_mismatch":
            return Problem("invalid_format", path, f"{name} has not the right form: {shown(given)}.", _form(ctx))
        case _:
            return Problem("invalid_value", path, f"{name} is not valid here: {shown(given)}.")


def _wrong_tag(kind: str, ctx: Mapping[str, Any], given: Any, parts: Sequence[str | int], below: str) -> Problem:
    key = ctx["discriminator"].strip("'")
    path, name = pointer(*parts, key, below=below), _spoken([*parts, key])
    value = given.get(key) if isinstance(given, Mapping) else None
    if kind == "union_tag_not_found":
        return Problem("missing_key", path, f"{name} is missing.")
    if isinstance(value, Template):
        return Problem(FORBIDDEN, path, f"{name} may not be an expression.", FORBIDDEN_HINT)
    tags = _quoted(ctx["expected_tags"])
    hint = did_you_mean(value, tags) if isinstance(value, str) else ""
    return Problem("invalid_choice", path, f"{name} must be {listed(tags)}, not {shown(value)}.", hint)


def _quoted(text: str) -> list[str]:
    """Return the words of pydantic's lists: ``'a', 'b' or 'c'``."""
    return re.findall(r"'([^']*)'", text) or [text]


def _form(ctx: Mapping[str, Any]) -> str:
    return f"It must match {ctx['pattern']}"


def _known_keys(key: str, names: Sequence[str]) -> str:
    if suggestion := did_you_mean(key, names):
        return suggestion
    return f"The keys here are {', '.join(f'`{name}`' for name in names)}." if names else "No keys are expected here."


def _spoken(parts: Sequence[str | int]) -> str:
    """Return a place as people write it: `cases[0].when`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"`{text.lstrip('.')}`" if text else "This"


def shown(value: Any) -> str:
    """Return a value for a sentence, short enough for one."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= 60 else value[:57] + "…")
        case int() | float():
            return f"{value:.6g}" if abs(value) < 10**15 and isinstance(value, float) else _digits(value)
        case _:
            return type_of(value)


def _digits(value: int | float) -> str:
    return str(value) if not isinstance(value, int) or value.bit_length() <= 100 else "a very large number"


def type_of(value: Any) -> str:
    """Return the JSON type of a value in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case Template():
            return "an expression"
        case _:
            return "an object"


def _place(model: type[BaseModel], loc: Sequence[str | int]) -> tuple[list[str | int], list[str]]:
    """Return the keys and indexes of the place that pydantic means, and the keys that are known beside the last.

    Pydantic's ``loc`` also names the member of a union that it tried; JSON has no such step.
    """
    parts: list[str | int] = []
    annotation: Any = model
    names: list[str] = []
    for step in loc:
        annotation, is_key, names = _step(_bare(annotation), step)
        if is_key:
            parts.append(step)
    return parts, names


def _step(annotation: Any, step: str | int) -> tuple[Any, bool, list[str]]:
    """Return what the step leads to, whether it is a step of the JSON too, and the keys known beside it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _member(arguments, step), False, []
    if origin is list:
        return arguments[0], True, []
    if origin is dict:
        return arguments[1], True, []
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field for name, field in annotation.model_fields.items()}
        return (fields[step].annotation if step in fields else Any), True, list(fields)
    return Any, True, []


def _bare(annotation: Any) -> Any:
    """Return an annotation without what does not show in ``loc``: Annotated, ``| None``, root models."""
    while True:
        members = [member for member in get_args(annotation) if member is not type(None)]
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, types.UnionType) and len(members) == 1:
            annotation = members[0]
        elif isinstance(annotation, type) and issubclass(annotation, RootModel):
            annotation = annotation.model_fields["root"].annotation
        else:
            return annotation


def _member(members: Sequence[Any], tag: str | int) -> Any:
    """Return the member of a tagged union that has this tag."""
    return next((member for member in map(_bare, members) if tag in _tags(member)), Any)


def _tags(member: Any) -> Iterator[Any]:
    if isinstance(member, type) and issubclass(member, BaseModel):
        for field in member.model_fields.values():
            yield from _literals(field)


def _literals(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
