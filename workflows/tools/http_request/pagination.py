"""How ``http.request`` gets from one page of a list to the next: the settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from workflows.http import MAX_BYTES
from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic
from workflows.nodes.forms import Form
from workflows.nodes.headers import HeaderName

MAX_PAGES = 1_000
MAX_ITEMS = 100_000
MAX_PAGES_BYTES = 5 * MAX_BYTES
MAX_SECONDS = 3600

Pointer = Annotated[
    str, Form("(/.*)?", "A JSON Pointer: empty for the whole body, else it begins with `/`, as `/data/orders`.")
]
Parameter = Annotated[str, Field(min_length=1, max_length=200)]
SendIn = Literal["query", "json"]


class _Pages(Config):
    """What every way to go through pages has."""

    items: Dynamic[Pointer] | None = Field(
        None,
        description="Where in a page's body its list is: `/data`; or an expression that gives it: "
        "`{{ item.body.data ?? [] }}`. Left out, the body is the list.",
    )
    until: Dynamic[bool] = Field(
        False,
        description="An expression that is true on the last page: `{{ !item.body.has_more }}`. `item` has the page's "
        "`number` (from 1), `status`, `headers`, `body` and `items`.",
    )
    max_pages: Dynamic[Annotated[int, Field(ge=1, le=MAX_PAGES)]] = Field(100, description="How many pages at most.")
    max_items: Dynamic[Annotated[int, Field(ge=1, le=MAX_ITEMS)]] = Field(
        10_000, description="How many items at most; what is more of the last page is left out."
    )
    max_bytes: Dynamic[Annotated[int, Field(ge=1, le=MAX_PAGES_BYTES)]] = Field(
        MAX_BYTES, description="After how many bytes of bodies no further page is asked for."
    )
    max_seconds: Dynamic[Annotated[float, Field(gt=0, le=MAX_SECONDS)]] = Field(
        240, description="After how many seconds of work no further page is asked for."
    )
    on_limit: Literal["stop", "fail"] = Field(
        "stop", description="What to do at one of the limits: stop and say so in the output, or fail the node."
    )


class LinkPages(_Pages):
    """The answer's ``Link`` header says where the next page is (RFC 8288), as GitHub does it."""

    type: Literal["link"]
    rel: str = Field("next", min_length=1, max_length=100, description="The relation of the link to follow.")


class NextUrlPages(_Pages):
    """The body says where the next page is."""

    type: Literal["next_url"]
    next: Dynamic[Pointer] = Field(
        description="Where in the body the next page's URL is: `/links/next`; or an expression that gives it. Null, "
        "empty or absent: this is the last page."
    )


class CursorPages(_Pages):
    """The answer holds a mark that the next request repeats."""

    type: Literal["cursor"]
    cursor: Dynamic[Pointer] | None = Field(
        None,
        description="Where in the body the mark is: `/meta/next_cursor`; or an expression that gives it: "
        "`{{ item.body.has_more ? item.items.at(-1).id : null }}`. Null, empty, false or absent: this is the last page.",
    )
    header: HeaderName | None = Field(None, description="The header that has the mark, instead of `cursor`.")
    parameter: Parameter = Field(
        description="The parameter that takes the mark; in a JSON body its key, or a JSON Pointer: `/variables/after`."
    )
    send_in: SendIn = Field("query", description="Whether the mark goes into the query or into the JSON body.")

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if (self.cursor is None) == (self.header is None):
            raise ValueError("The mark comes either from `cursor` or from `header`.")
        return self


class NumberedPages(_Pages):
    """Pages are numbered. The first one without items is the last."""

    type: Literal["page"]
    parameter: Parameter = Field("page", description="The parameter that takes the number.")
    first: Dynamic[Annotated[int, Field(ge=0, le=1_000_000)]] = Field(1, description="The first page's number.")
    size: Dynamic[Annotated[int, Field(ge=1, le=MAX_ITEMS)]] | None = Field(
        None, description="How many items a full page has. A page with fewer is then known to be the last."
    )
    send_in: SendIn = Field("query", description="Whether the number goes into the query or into the JSON body.")


class OffsetPages(_Pages):
    """Each request says how many items to pass over. The first page without items is the last."""

    type: Literal["offset"]
    parameter: Parameter = Field("offset", description="The parameter that takes the number of items before.")
    first: Dynamic[Annotated[int, Field(ge=0, le=1_000_000_000)]] = Field(0, description="The number to begin with.")
    size: Dynamic[Annotated[int, Field(ge=1, le=MAX_ITEMS)]] | None = Field(
        None, description="How many items a full page has. A page with fewer is then known to be the last."
    )
    send_in: SendIn = Field("query", description="Whether the number goes into the query or into the JSON body.")


Pagination = Annotated[
    LinkPages | NextUrlPages | CursorPages | NumberedPages | OffsetPages, Field(discriminator="type")
]
# Arguments of ``http.request`` whose expressions are evaluated for each page.
DEFERRED = ("pagination.items", "pagination.until", "pagination.next", "pagination.cursor")
