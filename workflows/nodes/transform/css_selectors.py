"""CSS selectors, as a field of a config."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_SELECTOR_CHARS = 300


def _followed(selector: str) -> str:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError  # With the first selector: few workflows have one.

    try:
        LexborHTMLParser("").css(selector)
    except SelectolaxError as error:
        raise PydanticCustomError(
            "invalid_value",
            "This is no CSS selector that can be used: it cannot be read, or has what only a browser knows.",
        ) from error
    return selector


# One that can be followed.
Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARS), AfterValidator(_followed)]
