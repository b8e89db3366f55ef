"""Standard Webhooks, version 1 (standardwebhooks.com): what is signed, and with what. Pure."""

from __future__ import annotations

import base64
import binascii
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - how every secret begins
KEY_BYTES = range(24, 65)


def key_of(secret: str) -> bytes | None:
    """Return the key in a secret, which is the base64 of 24 to 64 bytes; None if it is none."""
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return None
    is_canonical = base64.b64encode(key).decode() == secret.removeprefix(SECRET_PREFIX)
    return key if is_canonical and len(key) in KEY_BYTES else None


def signature(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return a signature as ``webhook-signature`` holds it: HMAC-SHA256 (RFC 2104) of ``id.timestamp.body``.

    :param message_id: without a dot, or it could be read in two ways.
    :param timestamp: seconds since 1970.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
