"""Fields that a person fills in with a decision: a JSON Schema of the simplest kind, as an HTML form can show it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.definition.json_schema import schema_problems, value_problems
from workflows.definition.problems import Problem, pointer

MOST_FIELDS = 30
KINDS = ("string", "integer", "number", "boolean")
_SIMPLE = frozenset(
    {"type", "title", "description", "default", "enum", "minLength", "maxLength", "pattern", "format"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "const", "examples"}
)
_LONG = 200


@dataclass(frozen=True)
class Field:
    """One field as a page shows it."""

    name: str
    label: str
    help: str
    kind: str
    choices: tuple[str, ...]
    is_required: bool
    is_long: bool
    default: Any = None


def form_problems(schema: Mapping[str, Any], *, below: str = "/form") -> list[Problem]:
    """Return why a schema can't be shown as a form."""
    if found := schema_problems(schema, below=below):
        return found
    return list(_shape_problems(schema, below))


def _shape_problems(schema: Mapping[str, Any], below: str) -> Iterator[Problem]:
    hint = "A form is an object whose properties are texts, numbers or booleans."
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping) or not properties:
        yield Problem("form_shape", below, "This is no form.", hint)
        return
    if len(properties) > MOST_FIELDS:
        yield Problem("form_shape", f"{below}/properties", f"A form has at most {MOST_FIELDS} fields.")
    for name, field in properties.items():
        place = pointer("properties", name, below=below)
        if not isinstance(field, Mapping) or field.get("type") not in KINDS:
            yield Problem("form_shape", place, "This can't be a field of a form.", hint)
        elif strange := sorted(field.keys() - _SIMPLE):
            yield Problem("form_shape", pointer(strange[0], below=place), f"A field has no `{strange[0][:60]}`.", hint)
        elif "enum" in field and field["type"] != "string":
            yield Problem("form_shape", f"{place}/enum", "Only a text has `enum`.", hint)


def fields_of(schema: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields of a form: those that are required in their order there, then the others by name.

    The order in which they were written is lost: a database that keeps JSON as ``jsonb`` keeps none of keys.
    """
    if not schema:
        return []
    required = [name for name in schema.get("required", []) if name in schema["properties"]]
    names = [*required, *sorted(schema["properties"].keys() - set(required))]
    return [
        Field(
            name=name,
            label=str(field.get("title") or name),
            help=str(field.get("description") or ""),
            kind=field["type"],
            choices=tuple(str(choice) for choice in field.get("enum", [])),
            is_required=name in required,
            is_long=field["type"] == "string" and "enum" not in field and field.get("maxLength", 0) > _LONG,
            default=field.get("default"),
        )
        for name in names
        for field in [schema["properties"][name]]
    ]


def read_form(schema: Mapping[str, Any] | None, posted: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of an HTML form's texts by the types of its fields. What is no number stays text, for the check to refuse.

    :param posted: by field name; a checkbox that is not ticked is not there. An empty text is no value.
    """
    values: dict[str, Any] = {}
    for field in fields_of(schema):
        text = posted.get(field.name, "")
        if field.kind == "boolean":
            values[field.name] = bool(text)
        elif text != "":
            # Browsers send line ends as two characters.
            values[field.name] = _value(text.replace("\r\n", "\n"), field.kind)
    return values


def _value(text: str, kind: str) -> Any:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                number = float(text)
                return number if math.isfinite(number) else text
    except ValueError:
        pass
    return text


def answer_problems(schema: Mapping[str, Any] | None, values: Any) -> list[Problem]:
    """Return where values are not what a form asks for. Without a form there are none to give."""
    if schema:
        return [*_unknown(schema, values), *value_problems(schema, values, below="/form")]
    return [Problem("unknown_key", "/form", "This approval has no form.", "Leave it out.")] if values else []


def _unknown(schema: Mapping[str, Any], values: Any) -> list[Problem]:
    """Return the fields that a form does not have: who misspells one has not changed what they meant to."""
    known = schema.get("properties") or {}
    given = values if isinstance(values, Mapping) else {}
    hint = f"There are: {', '.join(known)}."
    unknown = [name for name in given if name not in known][:MOST_FIELDS]
    return [Problem("unknown_key", pointer("form", name), "The form has no such field.", hint) for name in unknown]
