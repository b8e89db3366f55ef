"""With what a client asks a token endpoint for an access token (OAuth 2.0): its own credentials, a refresh token, or an assertion that it signs."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from urllib.parse import quote_plus

from workflows.http.oauth import Token, TokenRefused

ClientAuth = Literal["client_secret_basic", "client_secret_post"]
Pairs = list[tuple[str, str]]

# What of a form must not come back, whoever repeats it.
HIDDEN = frozenset({"client_secret", "refresh_token", "assertion"})
# Google takes no assertion that is good for longer than an hour; and clocks differ.
ASSERTION_SECONDS = 3600
CLOCK_SECONDS = 10


class Grant(Protocol):
    """Who asks for a token, where, and what for. Its secrets are filled in: never to be stored or shown."""

    @property
    def token_url(self) -> str:
        """Where to ask."""

    @property
    def advice(self) -> str:
        """What to look at if there is no token; a sentence."""

    def key(self, owner: str) -> str:
        """Return what tells its tokens from those of others; nothing can be read from it.

        :param owner: whose it is: projects do not share tokens, whatever they know.
        """

    def headers(self) -> dict[str, str]:
        """Return the headers of the request that say who asks."""

    def form(self, now: datetime) -> Pairs:
        """Return the body of the request.

        :raises TokenRefused: if it cannot be made.
        """

    def check(self, token: Token) -> None:
        """Do nothing if the answer can be used.

        :raises TokenRefused: if not.
        """


@dataclass(frozen=True)
class ClientCredentials:
    """The client's own (RFC 6749, 4.4)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    client_auth: ClientAuth = "client_secret_basic"
    scope: str = ""
    audience: str = ""

    advice = "Look at `auth`: the client, its secret, `scope` and `audience`."

    def key(self, owner: str) -> str:
        """Return the hash of all that it consists of."""
        parts = [owner, self.token_url, self.client_id, self.client_secret, self.client_auth, self.scope, self.audience]
        return _digest(parts)

    def headers(self) -> dict[str, str]:
        """Return the client's credentials, if they go there."""
        return _basic_header(self)

    def form(self, now: datetime) -> Pairs:
        """Return what 4.4.2 asks for."""
        return [
            ("grant_type", "client_credentials"),
            ("scope", self.scope),
            ("audience", self.audience),
            *_client_pairs(self),
        ]

    def check(self, token: Token) -> None:
        """A client that has credentials needs no refresh token."""


@dataclass(frozen=True)
class RefreshToken:
    """What somebody got when they let the client act for them (RFC 6749, 6)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    client_auth: ClientAuth = "client_secret_post"
    scope: str = ""
    is_replaceable: bool = False

    advice = "Look at `auth`: the client, its secret, `scope`, and whether the refresh token still holds; if not, it has to be got anew."

    def key(self, owner: str) -> str:
        """Return the hash of all that it consists of."""
        parts = [owner, "refresh_token", self.token_url, self.client_id, self.client_secret, self.refresh_token]
        return _digest([*parts, self.client_auth, self.scope])

    def headers(self) -> dict[str, str]:
        """Return the client's credentials, if they go there."""
        return _basic_header(self) if self.client_secret else {}

    def form(self, now: datetime) -> Pairs:
        """Return what 6 asks for. A client without a secret says who it is all the same (2.3.1, 3.2.1)."""
        client = _client_pairs(self) if self.client_secret else [("client_id", self.client_id)]
        return [
            ("grant_type", "refresh_token"),
            ("refresh_token", self.refresh_token),
            ("scope", self.scope),
            *client,
        ]

    def check(self, token: Token) -> None:
        """Refuse a new refresh token, unless the old one is known to stay good: the new one is kept nowhere.

        Used by several workers at once, or after a restart, the old one would be taken for stolen, and all end.
        """
        if token.refresh_token not in ("", self.refresh_token) and not self.is_replaceable:
            raise TokenRefused(
                "The service replaces the refresh token with each use, and the new one cannot be kept here: the next use of the "
                "old one would fail. If the service lets the old one stay valid, set `if_replaced: ignore`; else use another way "
                "in: client credentials, a service account, or an API key."
            )


@dataclass(frozen=True)
class JwtBearer:
    """A statement about the client that it signs itself (RFC 7523, 2.1), as a service account of Google's does."""

    token_url: str
    issuer: str
    private_key: str = field(repr=False)
    key_id: str = ""
    scope: str = ""
    subject: str = ""
    audience: str = ""

    advice = "Look at `auth`: the account, its key, `scope`, and whether it may act for `subject`."

    def key(self, owner: str) -> str:
        """Return the hash of all that it consists of."""
        parts = [owner, "jwt_bearer", self.token_url, self.issuer, self.private_key, self.key_id]
        return _digest([*parts, self.scope, self.subject, self.audience])

    def headers(self) -> dict[str, str]:
        """The assertion says who asks."""
        return {}

    def form(self, now: datetime) -> Pairs:
        """Return what RFC 7523, 2.1 asks for.

        :raises TokenRefused: if the key cannot sign.
        """
        return [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", self._assertion(now))]

    def check(self, token: Token) -> None:
        """Another assertion is easily made: there is nothing to keep."""

    def _assertion(self, now: datetime) -> str:
        import jwt  # With the first call: no workflow may ever need it.

        issued_at = int(now.timestamp()) - CLOCK_SECONDS
        claims = {
            "iss": self.issuer,
            "aud": self.audience or self.token_url,
            "iat": issued_at,
            "exp": issued_at + ASSERTION_SECONDS,
            # RFC 7523 wants a subject; Google takes one for whom the account acts, and none for itself.
            **({"sub": self.subject} if self.subject else {}),
            **({"scope": self.scope} if self.scope else {}),
        }
        try:
            # A key that was pasted from a JSON file has its line breaks written as \n.
            key = self.private_key.replace("\\n", "\n")
            return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self.key_id} if self.key_id else None)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            # Its own words might be about the key's.
            raise TokenRefused(
                "The private key cannot be used to sign: it must be an RSA key in PEM (-----BEGIN PRIVATE KEY-----), without a "
                "password."
            ) from error


def _digest(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def basic(client_id: str, client_secret: str) -> str:
    """Return the credentials for ``Authorization: Basic``: both encoded as in a form first (RFC 6749, 2.3.1)."""
    pair = f"{quote_plus(client_id, errors='replace')}:{quote_plus(client_secret, errors='replace')}"
    return base64.b64encode(pair.encode("ascii")).decode("ascii")


def _basic_header(client: ClientCredentials | RefreshToken) -> dict[str, str]:
    if client.client_auth != "client_secret_basic":
        return {}
    return {"Authorization": f"Basic {basic(client.client_id, client.client_secret)}"}


def _client_pairs(client: ClientCredentials | RefreshToken) -> Pairs:
    if client.client_auth != "client_secret_post":
        return []
    return [("client_id", client.client_id), ("client_secret", client.client_secret)]
