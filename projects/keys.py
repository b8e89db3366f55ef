"""What API keys look like: ``segue_<prefix>_<secret>_<checksum>``.

The prefix finds the row, the secret has 256 random bits, and the checksum tells a mistyped key from a wrong one
without asking the database (and lets scanners recognise leaked keys). As in GitHub's token format.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_letters
PREFIX_LENGTH = 12
SECRET_LENGTH = 43  # 62**43 > 2**256
CHECKSUM_LENGTH = 6  # 62**6 > 2**32


def new_key() -> tuple[str, str]:
    """Return a fresh key and its prefix."""
    prefix = _random(PREFIX_LENGTH)
    body = f"segue_{prefix}_{_random(SECRET_LENGTH)}"
    return f"{body}_{_checksum(body)}", prefix


def prefix_of(key: str) -> str | None:
    """Return the part that may be stored and shown, or None if this is no key at all."""
    parts = key.split("_")
    if len(parts) != 4 or parts[0] != "segue" or not key.isascii():
        return None
    body, _, checksum = key.rpartition("_")
    if len(parts[1]) != PREFIX_LENGTH or len(parts[2]) != SECRET_LENGTH or checksum != _checksum(body):
        return None
    return parts[1]


def digest_of(key: str) -> str:
    """Return what is stored of a key. A fast hash is right for a secret that nobody can guess."""
    return hashlib.sha256(key.encode()).hexdigest()


def is_key_of(key: str, digest: str) -> bool:
    """Test in constant time whether a key has this digest."""
    return hmac.compare_digest(digest_of(key), digest)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), ""
    for _ in range(CHECKSUM_LENGTH):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
