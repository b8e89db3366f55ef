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
import secrets as random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from projects.exceptions import Invalid, TooLarge
from projects.payloads import parse_json

MAX_HEADER_BYTES = 4096
# What one row of the inbox can hold as a key; longer ids are known by their hash.
MAX_DELIVERY_ID = 200
SHORTEST_SECRET = 16
LONGEST_SECRET = 1024
# Secrets that are made here have the form of Standard Webhooks, which every scheme with a shared secret can use.
SECRET_PREFIX = "whsec_"  # noqa: S105 -- The form of a secret, none itself.
SECRET_BYTES = 32
TOLERANCE_SECONDS = 5 * 60

_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")


class UnknownScheme(Invalid):
    """There is no signature scheme of this name, or it has not these settings."""

    code = "unknown_scheme"


@dataclass(frozen=True)
class Request:
    """What a sender sent, as far as a proof can cover it.

    :param headers: by lower-cased name.
    :param body: exactly the bytes that were received.
    :param query: what stands after the question mark, as it was written.
    """

    headers: Mapping[str, str]
    body: bytes = b""
    method: str = "POST"
    path: str = "/"
    query: str = ""


@dataclass(frozen=True)
class Verdict:
    """Whether a request is genuine; if not, a stable code and a sentence for the operator.

    ``delivery_id`` is the sender's name for the delivery: the same for every attempt to deliver it. ``secret`` is the
    place of the secret that proved it among those that were given.
    """

    is_genuine: bool
    code: str = ""
    message: str = ""
    delivery_id: str | None = None
    secret: int | None = None


def refused(code: str, message: str) -> Verdict:
    """Return the verdict on a request that is not genuine."""
    return Verdict(is_genuine=False, code=code, message=message)


def proven_by(secret: int | None, *, otherwise: Verdict, delivery_id: str | None = None) -> Verdict:
    """Return the verdict on a request that the secret at a place has proven, or the other one if none has."""
    return otherwise if secret is None else Verdict(is_genuine=True, delivery_id=delivery_id, secret=secret)


def new_secret() -> str:
    """Return a fresh secret in the form of Standard Webhooks; it serves every scheme whose secret is shared."""
    return SECRET_PREFIX + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()


@dataclass(frozen=True)
class Scheme:
    """One way to prove a request. A subclass is one file, registered with :func:`register`; its fields are settings."""

    key: ClassVar[str]
    needs_secret: ClassVar[bool] = True
    # Whether a proof covers the body, and the moment at which it was made. Else it can be taken for other bodies, or later.
    signs_body: ClassVar[bool] = False
    signs_time: ClassVar[bool] = False
    # Whether the delivery's id names what happened, and a second try to tell it may differ in a detail.
    names_events: ClassVar[bool] = False
    # What a 401 says of how to prove oneself (RFC 9110, 11.6.1). The same for every webhook of a scheme.
    challenge: ClassVar[str] = ""

    @property
    def delivery_header(self) -> str:
        """The header, lower-cased, that names the delivery."""
        return "idempotency-key"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """The headers, lower-cased, whose values are neither stored nor handed to the workflow."""
        return ()

    def problem_with(self, secret: str) -> str | None:
        """Return what makes a text unfit as a secret of this scheme, in a sentence, or None."""
        if not SHORTEST_SECRET <= len(secret) <= LONGEST_SECRET:
            return f"A secret has {SHORTEST_SECRET} to {LONGEST_SECRET} characters; this one has {len(secret)}."
        return None if secret.isprintable() else "A secret has printable characters only."

    @property
    def made_by(self) -> str:
        """Where the secret comes from, a sentence, if it is not for us to make it."""
        return ""

    def new_secret(self) -> str:
        """Return a fresh secret of the form that this scheme has."""
        return new_secret()

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        """Return the verdict on a request, given the secrets of which any may be used."""
        raise NotImplementedError(f"Scheme {self.key} checks nothing.")

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        """Return the headers by which a sender that knows the secret proves a request, by lower-cased name."""
        raise NotImplementedError(f"Scheme {self.key} proves nothing.")

    def forgeries(self, secret: str, request: Request, now: datetime) -> list[dict[str, str]]:
        """Return headers of somebody who does not know the secret. None of them may prove anything."""
        return [{}, self.sign(self.new_secret(), request, now)]

    def handshake(self, body: bytes) -> str | None:
        """Return what to answer if a proven body is no delivery but asks whether the address is meant, else None."""
        return None


@dataclass(frozen=True)
class Closed(Scheme):
    """What a webhook has whose scheme is not known: nobody gets in."""

    key = "closed"
    needs_secret = False

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
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


def verify(scheme: Scheme, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
    """Return whether a request was made by somebody who knows one of the secrets.

    An empty one is none: everybody knows it, and with it nothing gets in.
    """
    if scheme.needs_secret and not (secrets and all(secrets)):
        return refused("secret_not_set", "The webhook has no secret, so nothing can prove itself. Set one.")
    verdict = scheme.check(secrets, request, now)
    if not verdict.is_genuine or verdict.delivery_id is not None:
        return verdict
    return replace(verdict, delivery_id=delivery_id(request.headers, scheme.delivery_header))


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


def ascii_header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value if it is there, is not too long, and is printable ASCII."""
    value = headers.get(name)
    if not value or len(value) > MAX_HEADER_BYTES or not value.isascii() or not value.isprintable():
        return None
    return value


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


def unix_time(text: str | None) -> int | None:
    """Return the seconds since 1970 that a text says in plain digits, or None if it is not exactly that."""
    return int(text) if text and _TIMESTAMP.fullmatch(text) else None


def is_off(seconds: int, now: datetime, *, tolerance: int) -> bool:
    """Test whether a moment lies further from now than is tolerated, to either side (S-WH-4)."""
    return abs(now.timestamp() - seconds) > tolerance


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
