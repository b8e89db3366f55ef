"""The operation ``extract_html``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, NodeError
from workflows.nodes.forms import Form
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.encodings import ByteEncoding, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, Found, at, text
from workflows.nodes.transform.html_pages import BadSelector, PageTooLarge, check_selector, taken
from workflows.nodes.transform.operation import Each, Example

MAX_FIELDS = 50
MAX_SELECTOR_CHARS = 300


def _selector(selector: str) -> str:
    try:
        check_selector(selector)
    except BadSelector as error:
        raise PydanticCustomError(
            "invalid_value", "This is no CSS selector that can be used: {why}.", {"why": error.message}
        ) from error
    return selector


Selector = Annotated[str, Field(min_length=1, max_length=MAX_SELECTOR_CHARS), AfterValidator(_selector)]


class Wanted(Config):
    """What a field gets."""

    selector: Selector | None = Field(
        default=None, description="Which elements, by a CSS selector; left out, the one of `each`."
    )
    get: Annotated[
        str, Form(r"text|html|@[A-Za-z_:][A-Za-z0-9_:.-]{0,99}", "It is text, html or an attribute: @href.")
    ] = Field(
        default="text",
        description="What of it: its `text` on one line, the `html` within it, or an attribute, `@href`.",
    )
    all: bool = Field(
        default=False, description="A list of all, instead of the first one, or null where there is none."
    )


class ExtractHtml(FieldOperation):
    """Take texts, links and other things out of an HTML page, by CSS selectors."""

    operation: Literal["extract_html"]
    takes_long: ClassVar[bool] = True
    each: Selector | None = Field(
        default=None,
        description="An object for each of these elements, with what is in it; left out, one for the page.",
    )
    fields: Annotated[dict[str, Wanted], Field(min_length=1, max_length=MAX_FIELDS)] = Field(
        description="What to take: name to `selector`, `get` (`text`, `html` or `@attribute`) and `all`."
    )
    encoded: ByteEncoding | None = Field(
        default=None, description="How bytes are written, if it is not text already. The page says their encoding."
    )

    example: ClassVar[Example] = Example(
        value='<ul><li><a href="/tea">Tea <b>pot</b></a> <i>new</i> <i>hot</i></li><li><a href="/cup">Cup</a></li></ul>',
        settings={
            "each": "ul > li",
            "fields": {
                "name": {"selector": "a"},
                "link": {"selector": "a", "get": "@href"},
                "tags": {"selector": "i", "all": True},
            },
        },
        output=[
            {"name": "Tea pot", "link": "/tea", "tags": ["new", "hot"]},
            {"name": "Cup", "link": "/cup", "tags": []},
        ],
    )

    def converted_all(self, found: Sequence[Found], each: Each) -> list[Any]:
        """Return what was found in each page.

        :raises NodeError: ``html_too_large``, ``too_many_items``.
        """
        if not found:
            return []
        pages = []
        for there in found:
            with at(there.index):
                pages.append(self._page(text(there.value)))
        encoding = "utf-8" if self.encoded is None else None
        fields = {name: wanted.model_dump() for name, wanted in self.fields.items()}
        try:
            results = taken(pages, encoding=encoding, each=self.each, fields=fields)
        except PageTooLarge as error:
            with at(found[error.index].index):
                raise NodeError("html_too_large", f"{error.reason}. Make the selectors narrower.") from error
        return results if self.each is None else [gathered(result) for result in results]

    def _page(self, written: str) -> bytes:
        return written.encode(errors="replace") if self.encoded is None else read_bytes(written, self.encoded)
