"""JSON Schemas that users write: for the input of a manual start, for the body of a webhook.

They come from strangers and are applied to strangers' data, so that neither may cost more than it is worth: no schema is
fetched from anywhere, patterns run in linear time, and references may not unfold without end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from workflows.definition.problems import Problem, pointer

MAX_PROBLEMS = 100
# Sub-schemas after every reference has been replaced by what it refers to. GitHub's largest webhook has about 1,500.
MAX_UNFOLDED = 5_000
# How deep they may lie in each other then.
MAX_UNFOLDED_DEPTH = 150

_DIALECTS = (
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
)

REFERENCE_HINT = 'Put what is needed into "$defs" and refer to it as "#/$defs/…".'
LINEAR_HINT = "Patterns run in linear time: no look-around, no back references, no huge repetitions."


class _Refused(Exception):
    """The schema may not be used: ``(code, message, hint)``."""


def schema_problems(schema: Mapping[str, Any], *, below: str) -> list[Problem]:
    """Return what is wrong with a JSON Schema that somebody wrote.

    :param below: JSON Pointer to the schema.
    """
    try:
        _refuse_costly(schema)
        _validator(_text(schema))
    except _Refused as refused:
        code, message, hint = refused.args
        return [Problem(code, below, message, hint)]
    except jsonschema_rs.ValidationError as error:
        path = pointer(*error.instance_path, below=below)
        hint = LINEAR_HINT if "pattern" in str(path).lower() else ""
        return [Problem("invalid_schema", path, f"This is no valid JSON Schema: {_sentence(error)}", hint)]
    except (jsonschema_rs.ReferencingError, ValueError) as error:
        return [Problem("invalid_schema", below, f"This is no valid JSON Schema: {error}.")]
    return []


def value_problems(schema: Mapping[str, Any], value: Any, *, below: str = "") -> list[Problem]:
    """Return where a value is not what a valid schema (see :func:`schema_problems`) asks for; at most 100 places.

    :param below: JSON Pointer to the value.
    """
    errors = islice(_validator(_text(schema)).iter_errors(value), MAX_PROBLEMS)
    return [Problem("invalid_input", pointer(*error.instance_path, below=below), _sentence(error)) for error in errors]


def _sentence(error: jsonschema_rs.ValidationError) -> str:
    message = error.message if len(error.message) <= 300 else error.message[:299] + "…"
    return message[:1].upper() + message[1:].rstrip(".") + "."


def _text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, sort_keys=True)


@lru_cache(maxsize=256)
def _validator(text: str) -> Any:
    return jsonschema_rs.validator_for(
        json.loads(text),
        validate_formats=True,
        pattern_options=jsonschema_rs.RegexOptions(),  # Linear time; look-around and back references are refused.
        retriever=_fetch_nothing,
    )


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} lies outside")


def _refuse_costly(schema: Mapping[str, Any]) -> None:
    """Refuse a schema that lies elsewhere, or that unfolds into very many parts: twenty levels of two are a million.

    :raises _Refused: if it is one.
    """
    dialect = schema.get("$schema")
    if dialect is not None and (not isinstance(dialect, str) or dialect.rstrip("#") not in _DIALECTS):
        raise _Refused("invalid_schema", f"`$schema` must be one of {', '.join(_DIALECTS)}.", "Or leave it out.")
    _Unfolding(schema).of({key: value for key, value in schema.items() if key != "$id"})


class _Unfolding:
    """Counts how many parts a schema has when every reference is followed."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._known: dict[str, int] = {}

    def of(self, part: Any, inside: frozenset[str] = frozenset(), depth: int = 0) -> int:
        """Return the count of a part. ``inside`` are the references that were followed to come here.

        :raises _Refused: if a reference leads nowhere, elsewhere or round in a circle, or if there are too many parts.
        """
        total = 1
        for child in _children(part):
            total += self.of(child, inside, depth + 1)
        if isinstance(part, Mapping):
            for key in ("$id", "$dynamicRef", "$recursiveRef"):
                if isinstance(part.get(key), str):
                    raise _Refused("schema_reference", f"`{key}` is not allowed inside a schema.", REFERENCE_HINT)
            if isinstance(reference := part.get("$ref"), str):
                total += self._behind(reference, inside, depth + 1)
        if total > MAX_UNFOLDED or depth > MAX_UNFOLDED_DEPTH:
            raise _Refused(
                "schema_too_large",
                f"With its references followed, this schema has more than {MAX_UNFOLDED:,} parts, or lies more than "
                f"{MAX_UNFOLDED_DEPTH} deep.",
                "Make it smaller, or refer less often.",
            )
        return total

    def _behind(self, reference: str, inside: frozenset[str], depth: int) -> int:
        if not reference.startswith("#/"):
            message = f"The schema refers to {reference[:200]!r}; it may only refer to parts of itself."
            raise _Refused("schema_reference", message, REFERENCE_HINT)
        if reference in inside:
            message = f"The schema part {reference[:200]!r} refers back to itself."
            raise _Refused("schema_reference", message, "Write out as many levels as you need.")
        if reference not in self._known:
            self._known[reference] = self.of(self._resolved(reference), inside | {reference}, depth)
        return self._known[reference]

    def _resolved(self, reference: str) -> Any:
        part: Any = self._schema
        for key in unquote(reference[2:]).split("/"):
            name = key.replace("~1", "/").replace("~0", "~")
            if isinstance(part, Mapping) and name in part:
                part = part[name]
            elif isinstance(part, list) and re.fullmatch("[0-9]{1,6}", name) and int(name) < len(part):
                part = part[int(name)]
            else:
                raise _Refused("schema_reference", f"The schema has no part {reference[:200]!r}.", REFERENCE_HINT)
        return part


def _children(part: Any) -> Iterator[Any]:
    match part:
        case Mapping():
            yield from part.values()
        case list():
            yield from part
