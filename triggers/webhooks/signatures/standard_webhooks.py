"""Standard Webhooks, version 1 (standardwebhooks.com): signed id, time and body."""

from __future__ import annotations

import base64
import re
import secrets as random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from triggers.webhooks.signatures.base import (
    MAX_DELIVERY_ID,
    Scheme,
    Verdict,
    ascii_header,
    hmac_sha256,
    is_one_of,
    refused,
    register,
    strict_base64,
)

PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
TOLERANCE_SECONDS = 5 * 60
MAX_SIGNATURES = 8
SIGNATURE_BYTES = 32

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
# A dot would let id and time be read in two ways.
_ID = re.compile(rf"[\x21-\x2d\x2f-\x7e]{{1,{MAX_DELIVERY_ID}}}")


def new_secret() -> str:
    """Return a fresh secret in the form of the specification; it serves every scheme."""
    return PREFIX + base64.b64encode(random.token_bytes(32)).decode()


@register("standard_webhooks")
@dataclass(frozen=True)
class StandardWebhooks(Scheme):
    """``webhook-id``, ``webhook-timestamp``, ``webhook-signature``: HMAC-SHA256 of ``id.timestamp.body``."""

    id_header = "webhook-id"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return ("webhook-signature",)

    def problem_with(self, secret: str) -> str | None:
        if _key_of(secret) is None:
            return "A secret of this scheme is whsec_ and the base64 of 24 to 64 bytes."
        return None

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        keys = [key for key in map(_key_of, secrets) if key is not None]
        if not keys:
            return refused("secret_unusable", "The secret is not one for Standard Webhooks. Set a new one.")
        delivery_id, timestamp = ascii_header(headers, "webhook-id"), ascii_header(headers, "webhook-timestamp")
        if not delivery_id or not timestamp or not _ID.fullmatch(delivery_id) or not _TIMESTAMP.fullmatch(timestamp):
            return refused("signature_malformed", "webhook-id or webhook-timestamp is missing or malformed.")
        given = _signatures(ascii_header(headers, "webhook-signature"))
        if given is None:
            return refused("signature_malformed", "webhook-signature is missing or malformed.")
        signed = f"{delivery_id}.{timestamp}.".encode() + body
        expected = [hmac_sha256(key, signed) for key in keys]
        # No generator: every signature is compared.
        if not any([is_one_of(signature, expected) for signature in given]):  # noqa: C419
            return refused("signature_wrong", "No signature matches: another secret, or another body, was signed.")
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE_SECONDS:
            return refused("timestamp_off", "The request was signed more than five minutes before or after now.")
        return Verdict(is_genuine=True, delivery_id=delivery_id)


def _key_of(secret: str) -> bytes | None:
    key = strict_base64(secret.removeprefix(PREFIX))
    return key if key is not None and len(key) in KEY_BYTES else None


def _signatures(header: str | None) -> list[bytes] | None:
    """Return the ``v1`` signatures of a header, or None if it is not exactly as specified."""
    entries = header.split(" ") if header else []
    if not 1 <= len(entries) <= MAX_SIGNATURES:
        return None
    signatures: list[bytes] = []
    for entry in entries:
        match entry.split(","):
            case ["v1", text]:
                signature = strict_base64(text)
                if signature is None or len(signature) != SIGNATURE_BYTES:
                    return None
                signatures.append(signature)
            case [version, text] if version and text:
                continue  # Another version of the scheme, such as v1a with its public keys.
            case _:
                return None
    return signatures
