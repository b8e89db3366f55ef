"""The keys of ``SEGUE_ENCRYPTION_KEYS``: what they look like, and how one is made. Needs no settings."""

from __future__ import annotations

import base64
import binascii
import secrets
from dataclasses import dataclass, field

from projects.exceptions import SegueError

KEY_BYTES = 32


class BadEncryptionKeys(SegueError):
    """``SEGUE_ENCRYPTION_KEYS`` is missing or malformed."""

    code = "bad_encryption_keys"


@dataclass(frozen=True, slots=True)
class Key:
    """A 256-bit key and its public name."""

    id: str
    secret: bytes = field(repr=False)


def read_keys(lines: list[str]) -> list[Key]:
    """Return the wrapping keys that ``SEGUE_ENCRYPTION_KEYS`` names, the one to wrap with first.

    :raises BadEncryptionKeys: if there is none, or one is malformed. The message shows no key.
    """
    keys = [_read_key(line, number) for number, line in enumerate(lines, start=1)]
    if not keys:
        raise _bad_keys("SEGUE_ENCRYPTION_KEYS is not set.")
    if len({key.id for key in keys}) != len(keys):
        raise _bad_keys("Two keys of SEGUE_ENCRYPTION_KEYS have the same id.")
    if len({key.secret for key in keys}) != len(keys):
        raise _bad_keys(
            "Two keys of SEGUE_ENCRYPTION_KEYS are the same under two ids: changing one for the other changes nothing."
        )
    return keys


def new_key_line(key_id: str) -> str:
    """Return a fresh key as ``SEGUE_ENCRYPTION_KEYS`` wants it."""
    return f"{key_id}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def is_key_id(text: str) -> bool:
    """Test whether a key may be called like this: ASCII letters, digits and underscores."""
    return text.isidentifier() and text.isascii()


def _read_key(line: str, number: int) -> Key:
    key_id, _, encoded = line.strip().partition(":")
    if not is_key_id(key_id):
        raise _bad_keys(f"Key {number} of SEGUE_ENCRYPTION_KEYS has no id of letters, digits and underscores.")
    try:
        secret = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise _bad_keys(f"Key {key_id} of SEGUE_ENCRYPTION_KEYS is not base64.") from None
    if len(secret) != KEY_BYTES:
        raise _bad_keys(f"Key {key_id} of SEGUE_ENCRYPTION_KEYS has {len(secret)} bytes; {KEY_BYTES} are needed.")
    return Key(key_id, secret)


def _bad_keys(message: str) -> BadEncryptionKeys:
    return BadEncryptionKeys(message, hint="Make one, id:base64 of 32 bytes: python manage.py make_encryption_key")
