"""Addresses of e-mail, as arguments give them: ``ann@example.com`` or ``Ann Lee <ann@example.com>``."""

from __future__ import annotations

import re
from email.utils import formataddr
from typing import Annotated

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.encoding import punycode
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_CHARS = 320
_MAX_ADDRESS_CHARS = 254  # RFC 5321, 4.5.3.1.3, less the brackets.
# A name holds no line end, which would begin another header, and nothing that would end the name.
_NAMED = re.compile(
    r"""(?:"(?P<quoted>[^"\\\x00-\x1f\x7f]*)"|(?P<plain>[^"\\<>@,;:\x00-\x1f\x7f]*?))\s?<(?P<address>[^<>]*)>"""
)


def _check(text: str) -> str:
    parse(text)
    return text


def parse(text: str) -> tuple[str, str]:
    """Return the name, which may be empty, and the address.

    :raises PydanticCustomError: if it is no address that is written without quotes and in ASCII before its ``@``.
    """
    found = _NAMED.fullmatch(text)
    name, address = ((found["quoted"] or found["plain"] or "").strip(), found["address"]) if found else ("", text)
    try:
        name.encode()
        validate_email(address)
        is_fine = len(address) <= _MAX_ADDRESS_CHARS and '"' not in address and address.rpartition("@")[0].isascii()
    except (ValidationError, UnicodeEncodeError):
        is_fine = False
    if not is_fine:
        given = repr(text if len(text) <= 60 else f"{text[:59]}…")
        hint = "Write ann@example.com, or Ann Lee <ann@example.com>; several as a list."
        raise PydanticCustomError("invalid_address", "{given} is no e-mail address.", {"given": given, "hint": hint})
    local, _, domain = address.rpartition("@")
    return name, f"{local}@{punycode(domain)}"


def as_header(text: str) -> str:
    """Return an address as it stands in a header."""
    return formataddr(parse(text))


def bare(text: str) -> str:
    """Return an address without its name."""
    return parse(text)[1]


MailAddress = Annotated[str, Field(max_length=MAX_CHARS), AfterValidator(_check)]
