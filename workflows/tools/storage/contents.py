"""What a file holds, as arguments give it: text, bytes in base64, or JSON. The same for files and for attachments of e-mail."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from typing import Annotated, Any

import orjson

from workflows.nodes.base import Context, NodeError
from workflows.nodes.forms import Form

UNKNOWN = "application/octet-stream"
MediaType = Annotated[
    str,
    Form(
        r"[A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60}(; ?charset=[A-Za-z0-9_-]{1,30})?",
        "A media type is written as text/csv.",
    ),
]


def from_text(text: str, *, what: str) -> bytes:
    """Return text in UTF-8.

    :raises NodeError: ``invalid_content`` if it holds half a character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NodeError("invalid_content", f"{what} holds half a character (a lone surrogate).") from error


def from_base64(text: str, *, what: str) -> bytes:
    """Return the bytes that base64 stands for.

    :raises NodeError: ``invalid_content`` if it is none.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NodeError("invalid_content", f"{what} is no valid base64.") from error


def from_json(value: Any) -> bytes:
    """Return a value as JSON."""
    return orjson.dumps(value)


def guessed_type(name: str) -> str:
    """Return the media type that a name's ending stands for."""
    return mimetypes.guess_type(name)[0] or UNKNOWN


def refuse_secrets(value: Any, context: Context) -> None:
    """Refuse data with secrets in it, for a place where they could be read.

    :raises NodeError: ``secret_refused``.
    """
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    if context.fill_secrets(text) != text:
        raise NodeError(
            "secret_refused",
            "Secrets do not go into files and e-mails, nor links into files: whoever may read those could read them.",
        )
