"""Message authentication codes, and how they are compared."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence


def index_of(given: Sequence[bytes], expected: Iterable[bytes | None]) -> int | None:
    """Return the place of the first expected value that is among those given, or None.

    In constant time: every pair is compared, whatever was found before. None is what a secret that the scheme can't use
    expects.
    """
    digests = [hashlib.sha256(value).digest() for value in given]
    found: int | None = None
    for place, value in enumerate(expected):
        wanted = hashlib.sha256(value or b"").digest()
        # A list and no generator: none is left out.
        is_given = any([hmac.compare_digest(digest, wanted) for digest in digests])  # noqa: C419
        if is_given and value is not None and found is None:
            found = place
    return found


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the HMAC-SHA256 (RFC 2104) of a message."""
    return hmac_of("sha256", key, message)


def hmac_of(algorithm: str, key: bytes, message: bytes) -> bytes:
    """Return the HMAC (RFC 2104) of a message with a hash of :mod:`hashlib`."""
    return hmac.digest(key, message, algorithm)
