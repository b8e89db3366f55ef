"""What callers send, read strictly: a text that is not exactly what it should be is none."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from projects.exceptions import Invalid, TooLarge
from projects.payloads import parse_json

MAX_HEADER_BYTES = 4096
# What one row of the inbox can hold as a key; longer ids are known by their hash.
MAX_DELIVERY_ID = 200
TOLERANCE_SECONDS = 5 * 60

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


def ascii_header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value if it is there, is not too long, and is printable ASCII."""
    value = headers.get(name)
    if not value or len(value) > MAX_HEADER_BYTES or not value.isascii() or not value.isprintable():
        return None
    return value


def delivery_id(headers: Mapping[str, str], name: str) -> str | None:
    """Return the sender's name for a delivery, which stands in a header, or None if it gave none."""
    given = headers.get(name, "").strip()
    return short_id(given) if given else None


def short_id(given: str) -> str:
    """Return an id as the inbox can keep it: itself, or its hash if it is long or no plain text."""
    return given if len(given) <= MAX_DELIVERY_ID and _VISIBLE_ASCII.fullmatch(given) else hashed_id(given)


def hashed_id(given: str) -> str:
    """Return an id for what is too long for one, or must not be stored."""
    return f"sha256:{hashlib.sha256(given.encode(errors='surrogatepass')).hexdigest()}"


def text_at(body: bytes, key: str) -> str | None:
    """Return the text that a JSON object has under a key, or None if there is no such text. Only for proven bodies."""
    if not body.lstrip(b" \t\r\n").startswith(b"{"):
        return None
    try:
        value = parse_json(body, max_bytes=len(body))
    except (Invalid, TooLarge):
        return None
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def unix_time(text: str | None) -> int | None:
    """Return the seconds since 1970 that a text says in plain digits, or None if it is not exactly that."""
    return int(text) if text and _TIMESTAMP.fullmatch(text) else None


def is_off(seconds: int, now: datetime, *, tolerance: int) -> bool:
    """Test whether a moment lies further from now than is tolerated, to either side (S-WH-4)."""
    return abs(now.timestamp() - seconds) > tolerance


def strict_base64(text: str) -> bytes | None:
    """Return what canonical base64 (RFC 4648, with padding) says, or None if it is not exactly that."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None


def strict_base64url(text: str) -> bytes | None:
    """Return what canonical base64url (RFC 7515, without padding) says, or None if it is not exactly that."""
    if not _BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        return None
    decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return decoded if base64url(decoded).decode() == text else None


def base64url(data: bytes) -> bytes:
    """Return bytes as base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")
