"""Turns what pydantic found into problems of our own: stable codes, sentences, JSON Pointers.

Pydantic's own texts change between its versions and speak of Python; nobody outside sees them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, core_schema

from workflows.definition.problems import Problem, did_you_mean, listed, pointer
from workflows.definition.pydantic_places import Place, place_of
from workflows.nodes.fields import FORBIDDEN, FORBIDDEN_HINT, Template

MAX_PROBLEMS = 100

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
    """Return a model's errors as problems, one for each place; of very many only the first hundred or so.

    :param below: JSON Pointer to the value that was validated.
    """
    found: dict[str, Problem] = {}
    choices: dict[str, tuple[Place, list[ErrorDetails]]] = {}
    for details in islice(error.errors(include_url=False), MAX_PROBLEMS):
        place = place_of(model, details["loc"])
        if place.is_choice:
            choices.setdefault(pointer(*place.parts, below=below), (place, []))[1].append(details)
        else:
            problem = _problem(details, place, below)
            found.setdefault(problem.path, problem)
    for path, (place, all_details) in choices.items():
        # What is wrong further inside, with the one type that fits the outside, says it better.
        if not any(other.startswith(f"{path}/") for other in (*found, *choices)):
            found.setdefault(path, _no_choice_fits(place, all_details, below))
    return list(found.values())


def _no_choice_fits(place: Place, all_details: Sequence[ErrorDetails], below: str) -> Problem:
    """Return the problem of a value that may be of several types and is of none."""
    path, name, given = pointer(*place.parts, below=below), _spoken(place.parts), all_details[0]["input"]
    if isinstance(given, Template):
        return Problem(FORBIDDEN, path, f"{name} may not be an expression.", FORBIDDEN_HINT)
    expected = dict.fromkeys(_EXPECTED[each["type"]] for each in all_details if each["type"] in _EXPECTED)
    closer = [each for each in all_details if each["type"] not in _EXPECTED]
    if len(closer) == 1:
        return _problem(closer[0], place, below)  # It is of this type, and something else is wrong with it.
    if len(expected) < len(all_details):
        return Problem("invalid_value", path, f"{name} is not valid here: {shown(given)}.")
    return Problem("wrong_type", path, f"{name} must be {', '.join(expected)}; it is {type_of(given)}.")


def _problem(details: ErrorDetails, place: Place, below: str) -> Problem:
    kind, ctx, given, parts = details["type"], details.get("ctx", {}), details["input"], place.parts
    path, name = pointer(*parts, below=below), _spoken(parts)
    if kind == "missing":
        return Problem("missing_key", path, f"{name} is missing.")
    if kind == "extra_forbidden":
        return Problem("unknown_key", path, f"There is no key {name} here.", _known_keys(str(parts[-1]), place.names))
    # A field for expressions says itself what is wrong with one.
    if isinstance(given, Template) and kind != "expression_needed":
        return Problem(FORBIDDEN, path, f"{name} may not be an expression.", FORBIDDEN_HINT)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(kind, ctx, given, parts, below)
    if kind in _EXPECTED:
        return Problem("wrong_type", path, f"{name} must be {_EXPECTED[kind]}, not {type_of(given)}.")
    if kind in _BOUNDS:
        sentence, bound = _BOUNDS[kind]
        return Problem("out_of_range", path, f"{name} {sentence.format(ctx[bound])}; it is {shown(given)}.")
    if kind not in _PYDANTICS_OWN:
        return _ours(kind, ctx, details["msg"], path)
    return _rarer(kind, ctx, given, path, name)


def _ours(code: str, ctx: Mapping[str, Any], message: str, path: str) -> Problem:
    """Return the problem that a validator of our own raised. It may name a key below its place, and a hint."""
    key = (ctx["key"],) if "key" in ctx else ()
    return Problem(code, pointer(*key, below=path), message, ctx.get("hint", ""))


def _rarer(kind: str, ctx: Mapping[str, Any], given: Any, path: str, name: str) -> Problem:
    match kind:
        case "value_error":  # A validator's own sentence.
            return Problem("invalid_value", path, str(ctx["error"]))
        case "literal_error":
            choices = _quoted(ctx["expected"])
            hint = did_you_mean(given, choices) if isinstance(given, str) else ""
            return Problem("invalid_choice", path, f"{name} must be {listed(choices)}, not {shown(given)}.", hint)
        case "string_too_long":
            return Problem("too_long", path, f"{name} may have at most {ctx['max_length']} characters.")
        case "string_too_short":
            return Problem("too_short", path, f"{name} may not be empty.")
        case "too_long":
            count = ctx["actual_length"]  # Not known of objects.
            has = "" if count is None else f"; it has {count}"
            message = f"{name} may have at most {ctx['max_length']} items{has}."
            return Problem("too_long", path, message)
        case "too_short":
            return Problem("too_short", path, f"{name} may not be empty.")
        case "string_pattern_mismatch":
            hint = f"It must match {ctx['pattern']}"
            return Problem("invalid_format", path, f"{name} has not the right form: {shown(given)}.", hint)
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
            return str(value) if abs(value) < 10**30 else "a very large number"
        case _:
            return type_of(value)


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
        case list():
            return "a list"
        case Template():
            return "an expression"
        case _:
            return "an object"
