"""What a signature scheme is, and the one way to ask it.

A scheme never raises on what a caller sent: whatever is not exactly right is a verdict that says so. What the verdict
says is for the inbox; the caller learns only that it was refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from projects.exceptions import Invalid

MAX_HEADER_BYTES = 4096
# What one row of the inbox can hold as a key; longer ids are known by their hash.
MAX_DELIVERY_ID = 200
SHORTEST_SECRET = 16
LONGEST_SECRET = 1024

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")


class UnknownScheme(Invalid):
    """There is no signature scheme of this name, or it has not these settings."""

    code = "unknown_scheme"


@dataclass(frozen=True)
class Verdict:
    """Whether a request is genuine; if not, a stable code and a sentence for the operator.

    ``delivery_id`` is the sender's name for the delivery: the same for every attempt to deliver it.
    """

    is_genuine: bool
    code: str = ""
    message: str = ""
    delivery_id: str | None = None


def refused(code: str, message: str) -> Verdict:
    """Return the verdict on a request that is not genuine."""
    return Verdict(is_genuine=False, code=code, message=message)


@dataclass(frozen=True)
class Scheme:
    """One way to prove a request. A subclass is one file, registered with :func:`register`; its fields are settings."""

    key: ClassVar[str]
    needs_secret: ClassVar[bool] = True
    # The header that names the delivery.
    id_header: ClassVar[str] = "idempotency-key"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """The headers, lower-cased, whose values are neither stored nor handed to the workflow."""
        return ()

    def problem_with(self, secret: str) -> str | None:
        """Return what makes a text unfit as a secret of this scheme, in a sentence, or None."""
        if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
            return f"A secret has {SHORTEST_SECRET} to {LONGEST_SECRET} characters; this one has {len(secret)}."
        return None if secret.isprintable() else "A secret has printable characters only."

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        """Return the verdict on a request, given the secrets of which any may be used."""
        raise NotImplementedError(f"Scheme {self.key} checks nothing.")


@dataclass(frozen=True)
class Closed(Scheme):
    """What a webhook has whose scheme is not known: nobody gets in."""

    key = "closed"
    needs_secret = False

    def check(self, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
        return refused("scheme_unknown", "The webhook's signature scheme is not known, so nothing can prove itself.")


_registry: dict[str, type[Scheme]] = {}


def register(key: str) -> Callable[[type[Scheme]], type[Scheme]]:
    """Add a scheme under its key; a second one with the same key is refused."""

    def add(cls: type[Scheme]) -> type[Scheme]:
        if key in _registry:
            raise ValueError(f"Two signature schemes are called {key!r}.")
        cls.key = key
        _registry[key] = cls
        return cls

    return add


def known_schemes() -> tuple[str, ...]:
    """Return the names of all schemes."""
    return tuple(sorted(_registry))


def scheme_of(auth: Mapping[str, Any]) -> Scheme:
    """Return the scheme that ``{"scheme": <name>, …its settings}`` describes.

    :raises UnknownScheme: if there is none.
    """
    settings = dict(auth)
    name = settings.pop("scheme", None)
    try:
        return _registry[name](**settings)
    except (KeyError, TypeError):
        raise UnknownScheme(
            f"Signature scheme {name!r} with settings {sorted(settings)} is not known. "
            f"There are: {', '.join(known_schemes())}."
        ) from None


def scheme_or_closed(auth: Mapping[str, Any]) -> Scheme:
    """Return the scheme of a registration that is asked; if there is none, one that refuses everything (S-WH-2)."""
    try:
        return scheme_of(auth)
    except UnknownScheme:
        return Closed()


def verify(scheme: Scheme, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now: datetime) -> Verdict:
    """Return whether a request was made by somebody who knows one of the secrets.

    :param headers: by lower-cased name.
    :param body: exactly the bytes that were received.
    """
    if scheme.needs_secret and not secrets:
        return refused("secret_not_set", "The webhook has no secret, so nothing can prove itself. Set one.")
    verdict = scheme.check(secrets, headers, body, now)
    if not verdict.is_genuine or verdict.delivery_id is not None:
        return verdict
    return Verdict(is_genuine=True, delivery_id=delivery_id(headers, scheme.id_header))


def delivery_id(headers: Mapping[str, str], name: str) -> str | None:
    """Return the sender's name for a delivery, which stands in a header, or None if it gave none."""
    given = headers.get(name, "").strip()
    if not given:
        return None
    if len(given) <= MAX_DELIVERY_ID and _VISIBLE_ASCII.fullmatch(given):
        return given
    return f"sha256:{hashlib.sha256(given.encode(errors='surrogatepass')).hexdigest()}"


def ascii_header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value if it is there, is not too long, and is printable ASCII."""
    value = headers.get(name)
    if not value or len(value) > MAX_HEADER_BYTES or not value.isascii() or not value.isprintable():
        return None
    return value


def is_one_of(given: bytes, expected: Iterable[bytes]) -> bool:
    """Test in constant time whether a value is among several; all are looked at in any case."""
    found = False
    digest = hashlib.sha256(given).digest()
    for candidate in expected:
        found |= hmac.compare_digest(digest, hashlib.sha256(candidate).digest())
    return found


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return the HMAC-SHA256 (RFC 2104) of a message."""
    return hmac.digest(key, message, "sha256")


def strict_base64(text: str) -> bytes | None:
    """Return what canonical base64 (RFC 4648, with padding) says, or None if it is not exactly that."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return decoded if base64.b64encode(decoded).decode() == text else None
