"""What CSS selectors find in HTML pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workflows.isolated.process import Exhausted, Limits, ask
from workflows.nodes.base import NodeError

MAX_PAGE_BYTES = 5 * 1024 * 1024
MAX_BYTES = 50 * 1024 * 1024
# What comes out altogether: an element's text is also that of each one around it.
MAX_CHARS = 20 * 1024 * 1024
MAX_VALUES = 100_000
LIMITS = Limits()


class BadSelector(Exception):
    """A selector that nobody can follow.

    :param message: why, in a sentence.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class PageTooLarge(Exception):
    """There is more in a page, or would come out of it, than may be.

    :param index: which page, from 0.
    :param reason: half a sentence.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


def check_selector(selector: str) -> None:
    """Do nothing if a CSS selector can be followed.

    :raises BadSelector: if not.
    """
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError  # With the first selector: few workflows have one.

    try:
        LexborHTMLParser("").css(selector)
    except SelectolaxError as error:
        raise BadSelector("it cannot be read, or has what only a browser knows") from error


def taken(
    pages: Sequence[bytes], *, encoding: str | None, each: str | None, fields: Mapping[str, dict[str, Any]]
) -> list[Any]:
    """Return what was found in each page.

    :param encoding: ``None`` if the pages say so themselves.
    :param each: a selector of elements that have the fields each; without one, the page has them.
    :param fields: for each name its ``selector``, ``get`` and ``all``.
    :raises PageTooLarge: for the first page in which there is too much.
    :raises NodeError: ``html_too_large`` if all of them together take too much memory or time.
    """
    for index, page in enumerate(pages):
        if len(page) > MAX_PAGE_BYTES:
            raise PageTooLarge(index, f"The page has more than {MAX_PAGE_BYTES:,} bytes")
    if sum(map(len, pages)) > MAX_BYTES:
        raise NodeError(
            "html_too_large", f"The pages have more than {MAX_BYTES:,} bytes together. Take fewer at a time."
        )
    question = {
        "sizes": [len(page) for page in pages],
        "encoding": encoding,
        "each": each,
        "fields": fields,
        "most_values": MAX_VALUES,
        "most_chars": MAX_CHARS,
    }
    try:
        answer = ask("html", question, b"".join(pages), libraries=("selectolax",), limits=LIMITS)
    except Exhausted as error:
        raise NodeError(
            "html_too_large", "To read the pages takes too much memory or time. Take fewer, or simpler selectors."
        ) from error
    if "problem" in answer:
        raise PageTooLarge(answer["index"], answer["problem"])
    results: list[Any] = answer["results"]
    return results
