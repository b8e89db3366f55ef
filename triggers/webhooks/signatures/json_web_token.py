"""A JSON Web Token (RFC 7519) with issuer, audience and an end, signed with HS256 or RS256.

The algorithm is the webhook's setting, never the token's: so there is no ``none``, and no public key is taken for a
shared secret. What a token says of where its key is (``kid``, ``jku``, ``x5u``, ``jwk``) is not looked at (RFC 8725, 3).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from triggers.webhooks.signatures.base import LONGEST_SECRET, Request, Scheme, Verdict, refused, register
from triggers.webhooks.signatures.bearer import bearer_token
from triggers.webhooks.signatures.macs import hmac_sha256
from triggers.webhooks.signatures.made_here import new_secret
from triggers.webhooks.signatures.reading import ascii_header, base64url, short_id, strict_base64url

if TYPE_CHECKING:
    # What reads tokens and keys takes four megabytes, and workers, which load this, read none: it is imported where it is used.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from jwt.types import Options

# RFC 7518, 3.2 and 3.3.
SHORTEST_HS256_BYTES = 32
SHORTEST_RSA_BITS = 2048
LONGEST_RSA_BITS = 4096
LIFETIME_SECONDS = 60

# Times are compared here, with the moment at which the request came.
_OPTIONS: Options = {
    "require": ["exp", "iss", "aud"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "enforce_minimum_key_length": True,
}


@register("jwt")
@dataclass(frozen=True)
class JsonWebToken(Scheme):
    """``Authorization: Bearer <token>``, or the token alone in another header. ``jti`` names the delivery.

    A token covers neither the body nor the moment of sending: whoever reads it can use it until it ends, with a ``jti``
    only for the same delivery again.
    """

    algorithm: str
    issuer: str
    audience: str
    header: str = "Authorization"
    leeway_seconds: int = 60

    @property
    def secret_headers(self) -> tuple[str, ...]:
        return (self.header.lower(),)

    @property
    def made_by(self) -> str:
        return (
            ""
            if self.algorithm == "HS256"
            else "Whoever signs the tokens makes the pair of keys: set its public half, as PEM."
        )

    def problem_with(self, secret: str) -> str | None:
        if self.algorithm == "RS256":
            return _problem_with_public_key(secret)
        if "-----BEGIN" in secret:
            return "That is a key of a pair. HS256 takes a shared secret; for a public key choose RS256."
        if len(secret.encode(errors="replace")) < SHORTEST_HS256_BYTES or len(secret) > LONGEST_SECRET:
            return f"A secret for HS256 has at least {SHORTEST_HS256_BYTES} bytes, and at most {LONGEST_SECRET} characters."
        return None if secret.isprintable() else "A secret has printable characters only."

    def check(self, secrets: Sequence[str], request: Request, now: datetime) -> Verdict:
        keys = [self._key_of(secret) for secret in secrets]
        if not any(keys):
            return refused("secret_unusable", f"The secret is not one for {self.algorithm}. Set a new one.")
        token = self._token(request)
        if token is None:
            return refused("token_missing", f"The request has no token (JWT) in {self.header}.")
        verdicts = [self._read(token, key, place, now) for place, key in enumerate(keys) if key is not None]
        # Of several refusals, one that came after the signature says more.
        return min(verdicts, key=lambda verdict: (not verdict.is_genuine, verdict.code == "signature_wrong"))

    def sign(self, secret: str, request: Request, now: datetime) -> dict[str, str]:
        """Return the header with a fresh token. With RS256 the secret is the private key here, as PEM."""
        return self._header_with(self._claims(now), secret, self.algorithm)

    def forgeries(self, secret: str, request: Request, now: datetime) -> list[dict[str, str]]:
        claims = self._claims(now)
        forged = [{}, self._header_with(claims, new_secret(), "HS256"), self._header_with(claims, None, "none")]
        if self.algorithm == "RS256":
            # The public key, which everybody knows, in the place of a shared secret.
            forged.append(self._header_with_text(_hs256(secret.encode(), claims)))
        return forged

    def _read(self, token: str, key: str | RSAPublicKey, place: int, now: datetime) -> Verdict:
        import jwt

        try:
            claims = jwt.decode(
                token, key, algorithms=[self.algorithm], audience=self.audience, issuer=self.issuer, options=_OPTIONS
            )
        except jwt.InvalidSignatureError:
            return refused("signature_wrong", "The token's signature does not match: another secret was used.")
        except jwt.InvalidAlgorithmError:
            return refused("algorithm_wrong", f"The token is not signed with {self.algorithm}.")
        except (jwt.MissingRequiredClaimError, jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
            return refused("claims_wrong", f"The token's iss, aud or exp is not what is asked for: {error}.")
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return refused("token_malformed", "The token is no signed JWT.")
        return self._in_time(claims, place, now)

    def _in_time(self, claims: Mapping[str, Any], place: int, now: datetime) -> Verdict:
        ends, begins, made = (_moment(claims, name) for name in ("exp", "nbf", "iat"))
        if ends is None or math.isnan(ends + (begins or 0) + (made or 0)):
            return refused("claims_wrong", "The token's exp, nbf or iat is no number.")
        moment, leeway = now.timestamp(), self.leeway_seconds
        if ends <= moment - leeway:
            return refused("token_expired", "The token has ended.")
        if max(begins or 0, made or 0) > moment + leeway:
            return refused("token_not_yet", "The token begins later than now.")
        jti = claims.get("jti")
        return Verdict(is_genuine=True, delivery_id=short_id(jti) if jti else None, secret=place)

    def _token(self, request: Request) -> str | None:
        """Return the token if it has the form of one: three parts of canonical base64url, so that no bit is without meaning."""
        name = self.header.lower()
        token = bearer_token(request) if name == "authorization" else ascii_header(request.headers, name)
        parts = token.split(".") if token else []
        return token if len(parts) == 3 and all(strict_base64url(part) for part in parts) else None

    def _key_of(self, secret: str) -> str | RSAPublicKey | None:
        if self.problem_with(secret):
            return None
        return _public_key(secret) if self.algorithm == "RS256" else secret

    def _claims(self, now: datetime) -> dict[str, Any]:
        moment = int(now.timestamp())
        return {"iss": self.issuer, "aud": self.audience, "iat": moment, "exp": moment + LIFETIME_SECONDS}

    def _header_with(self, claims: dict[str, Any], key: str | None, algorithm: str) -> dict[str, str]:
        import jwt

        return self._header_with_text(jwt.encode(claims, key or "", algorithm=algorithm))

    def _header_with_text(self, token: str) -> dict[str, str]:
        name = self.header.lower()
        return {name: f"Bearer {token}" if name == "authorization" else token}


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519, 2), NaN if it is none, None if it is not there."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e12 or value != value:
        return math.nan
    return float(value)


def _hs256(key: bytes, claims: dict[str, Any]) -> str:
    """Return a token under HS256 with any key; PyJWT would not take a public one."""
    parts = [json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
    signed = b".".join(base64url(part) for part in parts)
    return b".".join([signed, base64url(hmac_sha256(key, signed))]).decode()


def _public_key(pem: str) -> RSAPublicKey | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, RSAPublicKey) else None


def _problem_with_public_key(pem: str) -> str | None:
    if "PRIVATE KEY" in pem:
        return "That is a private key, which belongs to whoever signs. Set the public one, and make a new pair: this one was sent about."
    key = _public_key(pem)
    if key is None:
        return "The secret for RS256 is an RSA public key as PEM: -----BEGIN PUBLIC KEY-----, base64, -----END PUBLIC KEY-----."
    if not SHORTEST_RSA_BITS <= key.key_size <= LONGEST_RSA_BITS:
        return f"The key has {key.key_size} bits; it must have {SHORTEST_RSA_BITS} to {LONGEST_RSA_BITS}."
    return None
