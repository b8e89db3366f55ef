"""What a signature scheme is, and the one way to ask it.

A scheme never raises on what a caller sent: whatever is not exactly right is a verdict that says so. What the verdict
says is for the inbox; the caller learns only that it was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from projects.exceptions import Invalid
from triggers.webhooks.signatures.made_here import new_secret
from triggers.webhooks.signatures.reading import delivery_id

SHORTEST_SECRET = 16
LONGEST_SECRET = 1024


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


def proven_by(secret: int | None, *, otherwise: Verdict) -> Verdict:
    """Return the verdict on a request that the secret at a place has proven, or the other one if none has."""
    return otherwise if secret is None else Verdict(is_genuine=True, secret=secret)


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
