"""The text of PDF files, read in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

from workflows.isolated.process import Exhausted, Limits, ask
from workflows.nodes.base import NodeError
from workflows.nodes.transform.batch import MAX_ITEMS

MAX_BYTES = 20 * 1024 * 1024
MAX_CHARS = 20 * 1024 * 1024
LIMITS = Limits()


@dataclass(frozen=True)
class PdfText:
    """What was read of a file.

    :param page_count: how many pages the file has.
    :param pages: the text of those that were asked for, in order.
    """

    page_count: int
    title: str | None
    author: str | None
    pages: list[str]


def text_of(data: bytes, *, first: int, last: int | None) -> PdfText:
    """Return the text of some pages. Pages count from 1; those that are not there have none.

    :param last: the last one that counts; ``None`` for that of the file.
    :raises NodeError: ``invalid_pdf`` if it is none that can be read; ``pdf_too_large``.
    """
    if len(data) > MAX_BYTES:
        raise _too_large(f"it has {len(data):,} bytes, and {MAX_BYTES:,} are possible")
    question = {"first": first, "last": last, "most_pages": MAX_ITEMS, "most_chars": MAX_CHARS}
    try:
        answer = ask("pdf", question, [data], libraries=("pypdfium2",), limits=LIMITS)
    except Exhausted as error:
        raise _too_large("to read it takes too much memory or time") from error
    match answer.get("problem"):
        case None:
            return PdfText(**answer)
        case "too_much":
            raise _too_large(f"there are more than {MAX_ITEMS:,} pages, or {MAX_CHARS:,} characters")
        case "password":
            raise NodeError("invalid_pdf", "The PDF file has a password. Save it without one.")
        case "page":
            raise NodeError(
                "invalid_pdf", f"Page {answer['page']} of the PDF file cannot be read. Read others (`pages`)."
            )
        case _:
            raise NodeError("invalid_pdf", "This is no PDF file that can be read.")


def _too_large(why: str) -> NodeError:
    return NodeError("pdf_too_large", f"The PDF file is too large: {why}. Read a part (`pages`), or split it.")
