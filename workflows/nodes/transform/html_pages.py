"""Pages of HTML, as they come: as text, or as bytes that say themselves how they are encoded."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from workflows.nodes.transform.document_operation import DocumentOperation
from workflows.nodes.transform.encodings import ByteEncoding, read_bytes


class PageOperation(DocumentOperation):
    """Makes something of HTML pages."""

    too_large: ClassVar[str] = "html_too_large"
    encoded: ByteEncoding | None = Field(
        default=None, description="How bytes are written, if it is not text already. The page says their encoding."
    )

    def document(self, written: str) -> bytes:
        """Return the bytes of a page.

        :raises NodeError: ``invalid_encoding``.
        """
        return super().document(written) if self.encoded is None else read_bytes(written, self.encoded)

    @property
    def encoding(self) -> str | None:
        """That of all pages, or ``None`` if they say it themselves."""
        return "utf-8" if self.encoded is None else None
