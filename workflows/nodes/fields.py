"""Config fields that may hold expressions.

A draft's templates are wrapped in :class:`Template` before the config model sees them. A field typed ``Dynamic[T]`` lets
them pass; every other field refuses them, so what a field does not allow is refused by the server, not only by a form.
When a node runs, its templates have been evaluated, and ``Dynamic[T]`` is simply ``T``, strictly.

``Any`` takes whatever it gets, templates too; where it stands and none are meant, the field is ``Fixed[T]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

T = TypeVar("T")


@dataclass(frozen=True)
class Template:
    """A string of a draft that holds ``{{ … }}``: its value is known only when the node runs."""

    text: str


@dataclass(frozen=True)
class Unevaluated(Template):
    """A template whose evaluation failed, in a field that the node may never get to. Getting there, it raises ``error``."""

    error: Exception


FORBIDDEN = "expression_forbidden"
FORBIDDEN_HINT = 'Write the value itself. Text that only looks like an expression goes into {"$literal": "…"}.'


def holds_template(value: Any) -> bool:
    """Return whether a value is a template or has one anywhere inside."""
    match value:
        case Template():
            return True
        case dict():
            return any(holds_template(item) for item in value.values())
        case list():
            return any(holds_template(item) for item in value)
        case _:
            return False


def _let_templates_pass(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    if not holds_template(value):
        return validate(value)
    try:
        return validate(value)
    except ValidationError as error:
        # What is wrong with the templates themselves is known only when they have values; the rest is known now.
        others = [details for details in error.errors() if not isinstance(details["input"], Template)]
        if not others:
            return value
        raise ValidationError.from_exception_data(error.title, [_again(details) for details in others]) from None


def _again(details: ErrorDetails) -> InitErrorDetails:
    kind = details["type"]
    if kind not in get_args(core_schema.ErrorType):
        return InitErrorDetails(
            type=PydanticCustomError(kind, details["msg"], details.get("ctx")),
            loc=details["loc"],
            input=details["input"],
        )
    return InitErrorDetails(type=kind, loc=details["loc"], input=details["input"], ctx=details.get("ctx", {}))


class _LetsTemplatesPass:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(_let_templates_pass, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        described["x-expression"] = True  # A form may offer an expression here.
        return described


Dynamic = Annotated[T, _LetsTemplatesPass()]


def _refuse_templates(value: Any) -> Any:
    if holds_template(value):
        raise PydanticCustomError(FORBIDDEN, "Expressions are not allowed here.", {"hint": FORBIDDEN_HINT})
    return value


Fixed = Annotated[T, BeforeValidator(_refuse_templates)]
