"""Text of a given form, with a sentence that says which."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True)
class Form:
    """Annotates text that must match a pattern as a whole. ``sentence`` says it to people."""

    pattern: str
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^(?:{self.pattern})$"}

    def _checked(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            given = repr(text if len(text) <= 60 else f"{text[:59]}…")
            raise PydanticCustomError(
                "invalid_format", "{given} has not the right form.", {"given": given, "hint": self.sentence}
            )
        return text


def each_once(names: list[str]) -> list[str]:
    """Return names, if none is there twice; large and small letters are the same.

    :raises PydanticCustomError: if one is.
    """
    if len({name.lower() for name in names}) < len(names):
        raise PydanticCustomError("duplicate_value", "Each of these may be there only once.")
    return names


# Ids of nodes and names of ports. They are used in expressions: `nodes.check_stock.output`.
Slug = Annotated[
    str, Form("[a-z][a-z0-9_]{0,63}", "A small letter first, then small letters, digits and `_`; at most 64 of them.")
]
