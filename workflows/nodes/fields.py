"""Config fields that may hold expressions.

A draft's templates are wrapped in :class:`Template` before the config model sees them. A field typed ``Dynamic[T]`` lets
them pass; every other field refuses them, so what a field does not allow is refused by the server, not only by a form.
When a node runs, its templates have been evaluated, and ``Dynamic[T]`` is simply ``T``, strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")


@dataclass(frozen=True)
class Template:
    """A string of a draft that holds ``{{ … }}``: its value is known only when the node runs."""

    text: str


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


class _LetsTemplatesPass:
    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, validate: value if holds_template(value) else validate(value), handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described = handler(schema)
        described["x-expression"] = True  # A form may offer an expression here.
        return described


Dynamic = Annotated[T, _LetsTemplatesPass()]
