"""The operation ``extract_html``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from workflows.nodes.base import Config
from workflows.nodes.forms import Form
from workflows.nodes.transform.batch import gathered
from workflows.nodes.transform.css_selectors import Selector
from workflows.nodes.transform.documents import answers
from workflows.nodes.transform.html_pages import PageOperation
from workflows.nodes.transform.operation import Example

MAX_FIELDS = 50
MAX_VALUES = 100_000


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


class ExtractHtml(PageOperation):
    """Take texts, links and other things out of an HTML page, by CSS selectors."""

    operation: Literal["extract_html"]
    each: Selector | None = Field(
        default=None,
        description="An object for each of these elements, with what is in it; left out, one for the page.",
    )
    fields: Annotated[dict[str, Wanted], Field(min_length=1, max_length=MAX_FIELDS)] = Field(
        description="What to take: name to `selector`, `get` (`text`, `html` or `@attribute`) and `all`."
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

    def read(self, documents: Sequence[bytes]) -> list[Any]:
        """Return what was found in each page.

        :raises TooLarge: if there is too much, or too much would come out.
        :raises NodeError: ``too_many_items``.
        """
        question = {
            "encoding": self.encoding,
            "each": self.each,
            "fields": {name: wanted.model_dump() for name, wanted in self.fields.items()},
            "most_values": MAX_VALUES,
        }
        results = answers("html", question, documents, libraries=("selectolax",))
        return results if self.each is None else [gathered(result) for result in results]
