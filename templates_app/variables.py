"""What a template asks to be told before it runs, and whether it was told. Pure Python."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from templates_app.exceptions import InvalidVariables
from workflows.definition.json_schema import schema_problems, value_problems
from workflows.definition.problems import Problem, did_you_mean, pointer


class RequiredVariable(BaseModel):
    """One variable of the workflow that a template becomes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str = Field(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")
    description: str = Field(min_length=1, max_length=1_000)
    is_secret: bool = False
    # A JSON Schema: what the value must be. ``schema`` itself is a name of pydantic's.
    value_schema: dict[str, Any] = Field(default={}, alias="schema")
    # Without one, whoever installs the template has to give a value.
    default: Any = None

    @field_validator("value_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        if problems := schema_problems(schema, below=""):
            raise ValueError(problems[0].message)
        return schema

    @model_validator(mode="after")
    def _default_fits(self) -> RequiredVariable:
        if self.has_default and self.is_secret:
            raise ValueError("a secret that everybody can read is none: it has no default")
        if self.has_default and (problems := value_problems(self.value_schema, self.default)):
            raise ValueError(f"the default does not fit the schema: {problems[0].message}")
        return self

    @property
    def has_default(self) -> bool:
        """Whether a default is given; it may be null."""
        return "default" in self.model_fields_set

    def to_json(self) -> dict[str, Any]:
        """Return it as templates keep and show it."""
        default = {"default": self.default} if self.has_default else {}
        return {
            "name": self.name,
            "description": self.description,
            "is_secret": self.is_secret,
            "schema": self.value_schema,
            **default,
        }


def filled(required: Sequence[RequiredVariable], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each variable: the given one, else its default.

    :raises InvalidVariables: with everything that is unknown, missing or wrong; paths begin with ``/variables``.
    """
    problems = [*_unknown(required, given), *_missing(required, given), *_wrong(required, given)]
    if problems:
        raise invalid_variables(problems)
    return {variable.name: given.get(variable.name, variable.default) for variable in required}


def invalid_variables(problems: Sequence[Problem]) -> InvalidVariables:
    """Return the error that says all of it."""
    if len(problems) == 1:
        message, path = problems[0].message, problems[0].path
    else:
        message, path = f"The variables have {len(problems)} problems.", None
    return InvalidVariables(message, path=path, problems=[problem.to_json() for problem in problems])


def place_of(name: str) -> str:
    """Return the JSON Pointer to a variable in a request to install."""
    return pointer("variables", name)


def _unknown(required: Sequence[RequiredVariable], given: Mapping[str, Any]) -> Iterator[Problem]:
    names = [variable.name for variable in required]
    asked = f"It asks for {', '.join(names)}." if names else "It asks for none."
    for name in given:
        if name not in names:
            message = f"The template asks for no variable {name[:64]!r}."
            yield Problem("unknown_variable", place_of(name), message, did_you_mean(name, names) or asked)


def _missing(required: Sequence[RequiredVariable], given: Mapping[str, Any]) -> Iterator[Problem]:
    for variable in required:
        if variable.name not in given and not variable.has_default:
            message = f"The template needs the variable {variable.name}."
            yield Problem("missing_variable", place_of(variable.name), message, variable.description)


def _wrong(required: Sequence[RequiredVariable], given: Mapping[str, Any]) -> Iterator[Problem]:
    for variable in required:
        if variable.name not in given:
            continue
        problems = value_problems(variable.value_schema, given[variable.name], below=place_of(variable.name))
        if problems and variable.is_secret:
            # What is wrong with a value is said by quoting it; what it has to be is no secret.
            message = f"This cannot be the value of {variable.name}: it has to fit {json.dumps(variable.value_schema)}."
            problems = [Problem("invalid_input", place_of(variable.name), message, variable.description)]
        yield from problems
