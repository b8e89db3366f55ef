"""The operation ``extract_pdf``."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows.nodes.transform.encodings import ByteEncoding, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example
from workflows.nodes.transform.pdf_files import text_of

_PAGES = re.compile(r"(?P<first>[1-9][0-9]{0,5})(?P<to>-(?P<last>[1-9][0-9]{0,5})?)?")


def _pages(written: str) -> str:
    try:
        _bounds(written)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_value", "Pages are written as 3, 3-5 or 3- (to the end); the lower number comes first."
        ) from error
    return written


def _bounds(written: str) -> tuple[int, int | None]:
    """Return the first page and the last one, or none for that of the file.

    :raises ValueError: if a text says neither.
    """
    found = _PAGES.fullmatch(written)
    if found is None:
        raise ValueError(written)
    first = int(found["first"])
    last = int(found["last"]) if found["last"] else None if found["to"] else first
    if last is not None and last < first:
        raise ValueError(written)
    return first, last


class ExtractPdf(FieldOperation):
    """Read the text of a PDF file. What is only a picture of text, as in scans, is none."""

    operation: Literal["extract_pdf"]
    takes_long: ClassVar[bool] = True
    pages: Annotated[str, AfterValidator(_pages)] = Field(
        default="1-", description="Which pages count: `3`, `3-5`, or `3-` (to the end)."
    )
    split: bool = Field(default=False, description="A list with an object for each page, instead of one for the file.")
    encoded: ByteEncoding = Field(default="base64", description="How the file's bytes are written.")

    example: ClassVar[Example] = Example(
        value=base64.b64encode(Path(__file__).with_name("example.pdf").read_bytes()).decode(),
        output={"text": "Invoice 118\nTea 4.50", "page_count": 1, "title": "Invoice", "author": None},
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the text.

        :raises NodeError: ``invalid_encoding``, ``invalid_pdf``, ``pdf_too_large``.
        """
        first, last = _bounds(self.pages)
        found = text_of(read_bytes(text(value), self.encoded), first=first, last=last)
        if self.split:
            return [{"page": number, "text": page} for number, page in enumerate(found.pages, first)]
        return {
            "text": "\n\n".join(filter(None, found.pages)),
            "page_count": found.page_count,
            "title": found.title,
            "author": found.author,
        }
