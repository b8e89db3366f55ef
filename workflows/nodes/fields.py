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
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from workflows.expressions.errors import ExpressionError
from workflows.expressions.templates import parse_template

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
        found = error.errors()
        templates = [details["input"] for details in found if isinstance(details["input"], Template)]
        others = [
            details
            for details in found
            if not isinstance(details["input"], Template) and not _is_of_another_type(details, templates)
        ]
        if not others:
            return value
        raise ValidationError.from_exception_data(error.title, [_again(details) for details in others]) from None


def _is_of_another_type(details: ErrorDetails, templates: list[Template]) -> bool:
    """Return whether a value is merely none of one type that it may have, while another one looked as far as the templates in it."""
    return details["type"].endswith("_type") and any(_has_inside(details["input"], template) for template in templates)


def _has_inside(value: Any, template: Template) -> bool:
    match value:
        case dict():
            return any(_has_inside(item, template) for item in value.values())
        case list():
            return any(_has_inside(item, template) for item in value)
    return value is template


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


def _as_written(value: Any) -> Any:
    if isinstance(value, Template):
        return value.text
    raise PydanticCustomError(
        "expression_needed",
        "This must be an expression.",
        {"hint": "Write it in double braces: `{{ item.id }}`."},
    )


def _one_expression(value: Any) -> Any:
    text = _as_written(value)
    try:
        is_single = parse_template(text).is_single
    except ExpressionError:
        return text  # Whoever looks at the expressions says what is wrong.
    if not is_single:
        raise PydanticCustomError(
            "expression_needed",
            "This must be one expression, and no text around it.",
            {"hint": "Write `{{ … }}` alone."},
        )
    return text


def _text_as_written(value: Any) -> Any:
    return value.text if isinstance(value, Template) else value


class _IsExpression:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler(source)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "x-expression": True}


# A template that the node's type keeps as it is written, because somebody else evaluates it (``NodeType.beforehand``): any
# text with expressions in it, and exactly one expression, which keeps its value's type.
TemplateText = Annotated[str, BeforeValidator(_as_written), _IsExpression()]
OneExpression = Annotated[str, BeforeValidator(_one_expression), _IsExpression()]
# The body of a JavaScript function: its braces are its own (``NodeType.scripts``).
ScriptText = Annotated[str, BeforeValidator(_text_as_written), Field(json_schema_extra={"x-input": "javascript"})]
