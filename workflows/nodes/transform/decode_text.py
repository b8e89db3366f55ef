"""The operation ``decode``."""

from __future__ import annotations

import html
from typing import Any, ClassVar, Literal
from urllib.parse import unquote_to_bytes

from pydantic import Field

from workflows.nodes.transform.encodings import Charset, decoded, read_bytes
from workflows.nodes.transform.field_operation import FieldOperation, text
from workflows.nodes.transform.operation import Each, Example


class DecodeText(FieldOperation):
    """Read text that is written as base64, base64url or hex, or escaped for an address (`url`) or a page (`html`)."""

    operation: Literal["decode"]
    encoding: Literal["base64", "base64url", "hex", "url", "html"] = Field(description="How it is written.")
    charset: Charset = Field(default="utf-8", description="How the bytes mean text.")

    example: ClassVar[Example] = Example(
        value={"data": "R3LDvMOfZT8="}, settings={"field": "data", "encoding": "base64"}, output={"data": "Grüße?"}
    )

    def converted(self, value: Any, each: Each) -> Any:
        """Return the text.

        :raises NodeError: ``wrong_type`` or ``invalid_encoding``.
        """
        written = text(value)
        match self.encoding:
            case "html":
                return html.unescape(written)
            case "url":
                return decoded(unquote_to_bytes(written), self.charset)
            case bytes_encoding:
                return decoded(read_bytes(written, bytes_encoding), self.charset)
