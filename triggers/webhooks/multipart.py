"""Uploads: ``multipart/form-data`` (RFC 7578), read strictly from bytes that are all there.

What is told of a file is worked out here from its bytes. Of what the sender says only the name of the field, the name of the file
and the content type are taken over, as text that means nothing to this server (S-WH-7); no file is ever written.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from triggers.webhooks.refusal import Refused

MAX_PARTS = 1000
MAX_FILES = 100
MAX_PART_HEADER_BYTES = 4096
MAX_NAME = 200
MAX_FILENAME = 255

# RFC 2046: at most 70 of these, and no space at the end.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
# A parameter of a header, and what it may be quoted with. Possessive, so that no header is gone through twice.
_PARAMETER = re.compile(r";[ \t]*+([A-Za-z0-9*-]++)=(?:\"([^\"\\]*+(?:\\.[^\"\\]*+)*+)\"|([^\s;\"]++))[ \t]*+")
_QUOTED = re.compile(r"\\([\"\\])")
_PLAIN_ENCODINGS = ("", "7bit", "8bit", "binary")


@dataclass(frozen=True)
class Part:
    """One part: a field's text or a file, which is what has a file name."""

    name: str
    content: bytes
    content_type: str = ""
    filename: str | None = None


def parts(body: bytes, content_type: str) -> Iterator[Part]:
    """Yield the parts of an upload, in order.

    :raises Refused: with 400 if it is none, or has too many parts.
    """
    delimiter = b"\r\n--" + _boundary(content_type)
    # The delimiter before the first part needs no line before it.
    pieces = (b"\r\n" + body).split(delimiter, MAX_PARTS + 2)
    if len(pieces) > MAX_PARTS + 2:
        raise Refused(HTTPStatus.BAD_REQUEST, "too_many_fields", f"The upload has more than {MAX_PARTS} parts.")
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _malformed("it does not end with its boundary")
    files = 0
    for piece in pieces[1:-1]:  # What stands before the first delimiter means nothing.
        part = _part(piece)
        files += part.filename is not None
        if files > MAX_FILES:
            raise Refused(HTTPStatus.BAD_REQUEST, "too_many_files", f"The upload has more than {MAX_FILES} files.")
        yield part


def described(content: bytes, content_type: str) -> dict[str, Any]:
    """Return bytes as expressions see them: content type, size, SHA-256 (hex) and base64."""
    return {
        "content_type": content_type[:MAX_FILENAME],
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "base64": base64.b64encode(content).decode(),
    }


def file(part: Part) -> dict[str, Any]:
    """Return a file as expressions see it."""
    return {"name": part.name, "filename": part.filename, **described(part.content, part.content_type)}


def _boundary(content_type: str) -> bytes:
    boundary = _parameters(content_type).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed("its content type names no boundary")
    return boundary.encode()


def _part(piece: bytes) -> Part:
    padding, line_end, rest = piece.partition(b"\r\n")
    if padding.strip(b" \t") or not line_end:
        raise _malformed("a boundary is followed by something else")
    # A part without headers would begin with the empty line itself.
    head, empty_line, content = (b"\r\n" + rest).partition(b"\r\n\r\n")
    if not empty_line or len(head) > MAX_PART_HEADER_BYTES:
        raise _malformed("the headers of a part do not end, or are too long")
    headers = _headers(head)
    disposition = headers.get("content-disposition", "")
    stated = _parameters(disposition)
    name = stated.get("name")
    if disposition.partition(";")[0].strip().lower() != "form-data" or not name or len(name) > MAX_NAME:
        raise _malformed(f"a part has no name, or one of more than {MAX_NAME} characters")
    if headers.get("content-transfer-encoding", "").strip().lower() not in _PLAIN_ENCODINGS:
        raise _malformed("a part has a Content-Transfer-Encoding")
    filename = stated.get("filename")
    return Part(
        name,
        content,
        content_type=headers.get("content-type", "").strip(),
        filename=None if filename is None else filename[:MAX_FILENAME],
    )


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        try:
            name, colon, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise _malformed("the headers of a part are not UTF-8") from None
        if not colon or name.strip().lower() in found:
            raise _malformed("a header of a part is none, or comes twice")
        found[name.strip().lower()] = value.strip()
    return found


def _parameters(header: str) -> dict[str, str]:
    """Return what a header says after its value; each parameter once, and nothing else."""
    found: dict[str, str] = {}
    at = len(header.partition(";")[0])
    while at < len(header):
        parameter = _PARAMETER.match(header, at)
        name = parameter[1].lower() if parameter else ""
        if parameter is None or name in found:
            raise _malformed("a header has parameters that are none, or one twice")
        found[name] = _QUOTED.sub(r"\1", parameter[2]) if parameter[2] is not None else parameter[3]
        at = parameter.end()
    return found


def _malformed(why: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, "multipart_malformed", f"The body is no multipart/form-data: {why}.")
