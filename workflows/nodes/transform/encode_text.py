"""The operation ``encode``."""

from __future__ import annotations

import html
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field

from workflows.nodes.transform.encodings import Charset, encoded, written_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example


class EncodeText(FieldOperation):
    """Write text as base64, base64url or hex of its bytes, or escape it for an address (`url`) or a page (`html`)."""

    operation: Literal["encode"]
    encoding: Literal["base64", "base64url", "hex", "url", "html"] = Field(description="How it is written.")
    charset: Charset = Field(default="utf-8", description="The bytes that the text means.")

    example: ClassVar[Example] = Example(value="Grüße?", settings={"encoding": "base64"}, output="R3LDvMOfZT8=")

    def converted(self, value: Any, each: Each) -> Any:
        """Return the encoded text.

        :raises NodeError: ``wrong_type`` or ``invalid_encoding``.
        """
        written = text(value)
        match self.encoding:
            case "html":
                return html.escape(written)
            case "url":
                return quote(encoded(written, self.charset), safe="")
            case bytes_encoding:
                return written_bytes(encoded(written, self.charset), bytes_encoding)
