"""One case for each scheme: a webhook's settings and secrets, and the sender's side, as others have written it."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from slack_sdk.signature import SignatureVerifier
from standardwebhooks.webhooks import Webhook
from stripe import WebhookSignature

from tests.clock import NOON
from triggers.webhooks.signatures import Request, Verdict, scheme_of, verify

BODY = b'{"id": "evt_1", "event_id": "Ev1", "amount": 12}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another key of 32 bytes, exactly").decode()

Sign = Callable[[str, bytes, datetime], dict[str, str]]


@dataclass(frozen=True)
class Case:
    """A scheme as a webhook uses it. ``sign`` is the sender; ``proof`` the header that holds the proof."""

    name: str
    auth: dict[str, Any]
    proof: str
    sign: Sign
    secret: str = SECRET
    other: str = OTHER
    body: bytes = BODY
    # How far off the time may be; None where no time is signed.
    tolerance: int | None = None
    # What stands before the proof in its header, and how it is written.
    prefix: str = ""
    encoding: str = ""
    signs_body: bool = True
    delivery_id: str | None = None
    more: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name

    def headers(self, *, secret: str | None = None, body: bytes | None = None, at: datetime = NOON) -> dict[str, str]:
        """Return what a sender with a secret sends, in front of a body, at a moment."""
        return self.more | self.sign(secret or self.secret, self.body if body is None else body, at)

    def request(self, headers: dict[str, str] | None = None, body: bytes | None = None) -> Request:
        return Request(
            headers=self.headers() if headers is None else headers,
            body=self.body if body is None else body,
            method="POST",
            path="/webhooks/orders",
            query="a=1",
        )

    def check(
        self,
        headers: dict[str, str] | None = None,
        *,
        body: bytes | None = None,
        secrets: tuple[str, ...] | None = None,
        now: datetime = NOON,
    ) -> Verdict:
        """Return what the verifier says of a request: of a right one, unless said otherwise."""
        known = (self.secret,) if secrets is None else secrets
        return verify(scheme_of(self.auth), known, self.request(headers, body), now)


def seconds(at: datetime) -> str:
    return str(int(at.timestamp()))


def digest(algorithm: str, secret: str, signed: bytes) -> bytes:
    return hmac.digest(secret.encode(), signed, algorithm)


def standard_webhooks(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds(at),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }


def github(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={digest('sha256', secret, body).hex()}", "x-github-delivery": "72d3162e"}


def stripe(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {
        "stripe-signature": WebhookSignature.generate_signature_header(
            body.decode(), secret, timestamp=int(at.timestamp())
        )
    }


def slack(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    signature = SignatureVerifier(secret).generate_signature(timestamp=seconds(at), body=body)
    return {"x-slack-request-timestamp": seconds(at), "x-slack-signature": signature}


def shopify(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {
        "x-shopify-hmac-sha256": base64.b64encode(digest("sha256", secret, body)).decode(),
        "x-shopify-webhook-id": "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
    }


def hmac_of_body(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-signature": digest("sha512", secret, body).hex()}


def hmac_of_all(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    signed = f"POST\n/webhooks/orders\na=1\n{seconds(at)}\nmsg-1\n".encode() + body
    return {
        "x-signature": "v1=" + base64.b64encode(digest("sha1", secret, signed)).decode(),
        "x-time": seconds(at),
        "x-id": "msg-1",
    }


def bearer(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def header(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-token": secret}


def basic(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}


ISSUER, AUDIENCE = "https://issuer.example.com", "segue"


def claims(at: datetime = NOON, **more: Any) -> dict[str, Any]:
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": int((at + timedelta(minutes=5)).timestamp()),
        "jti": "token-1",
        **more,
    }


def hs256(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"authorization": f"Bearer {jwt.encode(claims(at), secret, algorithm='HS256')}"}


@cache
def pair(name: str, bits: int = 2048) -> tuple[str, str]:
    """Return a private and a public key as PEM; the same ones for the same name."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE_OF = {pair(name)[1]: pair(name)[0] for name in ("ours", "another")}


def rs256(secret: str, body: bytes, at: datetime) -> dict[str, str]:
    return {"x-token": jwt.encode(claims(at), PRIVATE_OF[secret], algorithm="RS256")}


CASES = [
    Case(
        "standard_webhooks",
        {"scheme": "standard_webhooks"},
        "webhook-signature",
        standard_webhooks,
        tolerance=300,
        prefix="v1,",
        encoding="base64",
        delivery_id="msg_1",
    ),
    Case(
        "github",
        {"scheme": "github"},
        "x-hub-signature-256",
        github,
        prefix="sha256=",
        encoding="hex",
        delivery_id="72d3162e",
    ),
    Case(
        "stripe",
        {"scheme": "stripe"},
        "stripe-signature",
        stripe,
        tolerance=300,
        prefix=f"t={seconds(NOON)},v1=",
        encoding="hex",
        delivery_id="evt_1",
    ),
    Case(
        "slack",
        {"scheme": "slack"},
        "x-slack-signature",
        slack,
        tolerance=300,
        prefix="v0=",
        encoding="hex",
        delivery_id="Ev1",
    ),
    Case(
        "shopify",
        {"scheme": "shopify"},
        "x-shopify-hmac-sha256",
        shopify,
        encoding="base64",
        delivery_id="b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    ),
    Case(
        "hmac of the body",
        {"scheme": "hmac", "header": "X-Signature", "algorithm": "sha512"},
        "x-signature",
        hmac_of_body,
        encoding="hex",
    ),
    Case(
        "hmac of everything",
        {
            "scheme": "hmac",
            "header": "X-Signature",
            "prefix": "v1=",
            "algorithm": "sha1",
            "encoding": "base64",
            "signed": "{method}\n{path}\n{query}\n{timestamp}\n{id}\n{body}",
            "timestamp_header": "X-Time",
            "id_header": "X-Id",
            "tolerance_seconds": 60,
        },
        "x-signature",
        hmac_of_all,
        tolerance=60,
        prefix="v1=",
        encoding="base64",
        delivery_id="msg-1",
    ),
    Case("bearer", {"scheme": "bearer"}, "authorization", bearer, prefix="Bearer ", signs_body=False),
    Case("header", {"scheme": "header", "header": "X-Token"}, "x-token", header, signs_body=False),
    Case(
        "basic",
        {"scheme": "basic"},
        "authorization",
        basic,
        secret="shop:correct-horse-battery",
        other="shop:correct-horse-battery-staple",
        prefix="Basic ",
        encoding="base64",
        signs_body=False,
    ),
    Case(
        "jwt HS256",
        {"scheme": "jwt", "algorithm": "HS256", "issuer": ISSUER, "audience": AUDIENCE},
        "authorization",
        hs256,
        prefix="Bearer ",
        signs_body=False,
        delivery_id="token-1",
    ),
    Case(
        "jwt RS256",
        {"scheme": "jwt", "algorithm": "RS256", "issuer": ISSUER, "audience": AUDIENCE, "header": "X-Token"},
        "x-token",
        rs256,
        secret=pair("ours")[1],
        other=pair("another")[1],
        signs_body=False,
        delivery_id="token-1",
    ),
]
BY_NAME = {case.name: case for case in CASES}
TIMED = [case for case in CASES if case.tolerance is not None]
SIGNED = [case for case in CASES if case.signs_body]
