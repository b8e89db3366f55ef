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
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.html_tree import BadSelector, Page, html_of, parsed, text_of
from workflows.nodes.transform.operation import Each, Example

MAX_FIELDS = 50
MAX_SELECTOR_CHARS = 300
# What comes out altogether: an element's text is also that of each one around it.
MAX_FOUND_CHARS = 20 * 1024 * 1024
MAX_FOUND = 100_000


def _selector(selector: str) -> str:
    try:
        parsed(selector)
    except BadSelector as error:
        raise PydanticCustomError(
            "invalid_value", "This is no CSS selector that can be used: {why}", {"why": error.message}
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

    def converted(self, value: Any, each: Each) -> Any:
        """Return what was found.

        :raises NodeError: ``html_too_large``.
        """
        written = text(value)
        if self.encoded is None:
            page = Page.of(written.encode(errors="replace"), encoding="utf-8")
        else:
            page = Page.of(read_bytes(written, self.encoded), encoding=None)
        taking = _Taking(page, self.fields)
        if self.each is None:
            return taking.of(None)
        return gathered(taking.of(place) for place in page.places(self.each))


class _Taking:
    """Takes the fields out of one element after another."""

    def __init__(self, page: Page, fields: dict[str, Wanted]) -> None:
        self._page = page
        self._fields = fields
        selectors = {wanted.selector for wanted in fields.values() if wanted.selector is not None}
        self._found = {selector: page.places(selector) for selector in selectors}
        self._count = self._chars = 0

    def of(self, outer: int | None) -> dict[str, Any]:
        """Return the fields of an element, or of the page."""
        return {name: self._field(wanted, self._places(wanted, outer)) for name, wanted in self._fields.items()}

    def _places(self, wanted: Wanted, outer: int | None) -> Sequence[int]:
        if wanted.selector is None:
            return [outer if outer is not None else 0] if self._page.elements else []
        found = self._found[wanted.selector]
        return found if outer is None else self._page.within(found, outer)

    def _field(self, wanted: Wanted, places: Sequence[int]) -> Any:
        if wanted.all:
            values = (self._value(wanted.get, place) for place in places)
            return [value for value in values if value is not None]
        return self._value(wanted.get, places[0]) if places else None

    def _value(self, get: str, place: int) -> str | None:
        element = self._page.elements[place]
        match get:
            case "text":
                value = text_of(element)
            case "html":
                value = html_of(element)
            case attribute:
                value = element.get(attribute[1:].lower())
        self._count += 1
        self._chars += len(value or "")
        if self._count > MAX_FOUND or self._chars > MAX_FOUND_CHARS:
            raise NodeError(
                "html_too_large",
                f"More than {MAX_FOUND:,} values, or {MAX_FOUND_CHARS:,} characters, would come out. Make the selectors narrower.",
            )
        return value
