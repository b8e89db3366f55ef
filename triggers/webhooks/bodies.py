"""What a body says: the sender's content type decides how it is read, and nothing else does (S-WH-7)."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from email.message import Message
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from projects.exceptions import Invalid, TooLarge
from projects.payloads import parse_json
from triggers.webhooks import multipart
from triggers.webhooks.refusal import Refused

MAX_FIELDS = 1000
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
UPLOAD = "multipart/form-data"

Fields = dict[str, Any]

# The encodings of the WHATWG, by Python's names. Others of Python's are no charsets, or slow on text made to be so.
_CHARSETS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|ascii|iso8859-\d+|cp125\d|koi8-[ru]|shift_jis|euc_(jp|kr)|iso2022_jp|gb(2312|k|18030)|big5"
)


def read(body: bytes, content_type: str) -> Any:
    """Return the value of a body, as expressions see it.

    JSON is its value, a form an object, text a string, nothing at all null. An upload is an object too, with its fields as text
    and its files described. Anything else is described: its content type, size, SHA-256 and base64.

    :raises Refused: with 400 if it is not what its content type says.
    """
    if not body:
        return None
    kind, charset = _kind_and_charset(content_type)
    if kind == JSON or kind.endswith("+json"):
        return _json(body)
    if kind == FORM:
        return form(_text(body, charset))
    if kind == UPLOAD:
        return _upload(body, content_type)
    if kind.startswith("text/"):
        return _text(body, charset)
    return multipart.described(body, content_type.strip())


def form(text: str) -> Fields:
    """Return the fields of a form or a query string; one that comes several times is a list.

    :raises Refused: with 400 if there are too many.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, "too_many_fields", f"There are more than {MAX_FIELDS} fields.") from None
    return _fields(pairs)


def _upload(body: bytes, content_type: str) -> Fields:
    return _fields((part.name, _field(part)) for part in multipart.parts(body, content_type))


def _field(part: multipart.Part) -> Any:
    if part.filename is not None:
        return multipart.file(part)
    _, charset = _kind_and_charset(part.content_type)
    return _text(part.content, charset)


def _fields(pairs: Iterable[tuple[str, Any]]) -> Fields:
    fields: dict[str, list[Any]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _json(body: bytes) -> Any:
    try:
        return parse_json(body, max_bytes=settings.WEBHOOK_MAX_BODY_BYTES)
    except (Invalid, TooLarge) as error:
        raise Refused(HTTPStatus.BAD_REQUEST, error.code, error.message) from None


def _text(body: bytes, charset: str) -> str:
    try:
        name = codecs.lookup(charset).name
        if _CHARSETS.fullmatch(name):
            return body.decode(name)
    except (LookupError, ValueError):
        pass
    raise Refused(HTTPStatus.BAD_REQUEST, "not_text", f"The body is not text in {charset[:40]!r}.")


def _kind_and_charset(content_type: str) -> tuple[str, str]:
    message = Message()
    message["content-type"] = content_type
    return content_type.partition(";")[0].strip().lower(), message.get_content_charset("utf-8")
