"""Bytes that are written as text: base64, base64url, hexadecimal."""

from __future__ import annotations

import base64
import binascii
from typing import Literal

from workflows.nodes.base import NodeError

ByteEncoding = Literal["base64", "base64url", "hex"]
# How text is written in bytes.
Charset = Literal["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "iso-8859-15", "windows-1252", "us-ascii"]

_CODECS = {"windows-1252": "cp1252"}
# To be taken out one by one: the parts between them, as a list, take twenty times what the text takes.
_SPACES = {code: None for code in range(0x3001) if chr(code).isspace()}


def written_bytes(data: bytes, encoding: ByteEncoding) -> str:
    """Return bytes as text. Base64url has no padding, as in RFC 7515."""
    match encoding:
        case "hex":
            return data.hex()
        case "base64":
            return base64.b64encode(data).decode()
        case "base64url":
            return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read_bytes(text: str, encoding: ByteEncoding) -> bytes:
    """Return the bytes that a text means. Line breaks and missing padding are no mistakes; other characters are.

    :raises NodeError: ``invalid_encoding``.
    """
    joined = text.translate(_SPACES)
    try:
        if encoding == "hex":
            return bytes.fromhex(joined)
        padded = joined.rstrip("=") + "=" * (-len(joined.rstrip("=")) % 4)
        return base64.b64decode(padded, altchars=b"-_" if encoding == "base64url" else None, validate=True)
    except (ValueError, binascii.Error) as error:
        raise NodeError("invalid_encoding", f"This is no {encoding}: {error}.") from error


def decoded(data: bytes, charset: Charset) -> str:
    """Return the text that bytes mean, without the mark of byte order that some programs put first.

    :raises NodeError: ``invalid_encoding``.
    """
    try:
        return data.decode(_CODECS.get(charset, charset)).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise NodeError(
            "invalid_encoding", f"These bytes are no text in {charset}: byte {error.start} makes no sense there."
        ) from error


def encoded(text: str, charset: Charset) -> bytes:
    """Return a text as bytes. UTF-16 without an order of bytes gets a mark of it.

    :raises NodeError: ``invalid_encoding``, if the charset lacks a character.
    """
    try:
        return text.encode(_CODECS.get(charset, charset))
    except UnicodeEncodeError as error:
        character = text[error.start]
        raise NodeError("invalid_encoding", f"{charset} has no character {character!r}. Use utf-8.") from error
