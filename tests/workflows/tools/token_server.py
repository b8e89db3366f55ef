"""A token endpoint that checks what it is sent, as Google's does: RFC 6749, 6, and RFC 7523, 2.1."""

from __future__ import annotations

import json
import time
from functools import cache
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.workflows.http.servers import Answering
from tests.workflows.tools.calling import answer_json

ACCOUNT = "robot@project.iam.gserviceaccount.example"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@cache
def private_key() -> rsa.RSAPrivateKey:
    """Return the account's key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    """Return it as it stands in a key file."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return private_key().private_bytes(encoding, form, serialization.NoEncryption()).decode()


def key_file(token_uri: str, **other: object) -> str:
    """Return a service account's key file."""
    written = {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": "0123abcd",
        "private_key": pem(),
        "client_email": ACCOUNT,
        "token_uri": token_uri,
        "universe_domain": "googleapis.com",
    }
    return json.dumps({key: value for key, value in {**written, **other}.items() if value is not None}, indent=2)


class TokenServer(Answering):
    """Gives a token for a good assertion, or for the refresh token that is valid.

    :param rotates: whether a refresh token is good for one use, and the answer brings the next one.
    """

    def __init__(self, *, refresh_token: str = "refresh-1", rotates: bool = False) -> None:
        super().__init__(self._issue)
        self.refresh_token = refresh_token
        self.rotates = rotates
        self.issued: list[str] = []
        self.claims: list[dict[str, object]] = []

    def _issue(self, request):
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        refusal = self._refused(form)
        if refusal:
            return answer_json({"error": "invalid_grant", "error_description": refusal}, 400)
        self.issued.append(f"token-number-{len(self.issued) + 1}")
        more = {}
        if form["grant_type"] == "refresh_token" and self.rotates:
            self.refresh_token = f"refresh-{len(self.issued) + 1}"
            more = {"refresh_token": self.refresh_token}
        return answer_json({"access_token": self.issued[-1], "token_type": "Bearer", "expires_in": 3599, **more})

    def _refused(self, form):
        if form["grant_type"] == "refresh_token":
            return "" if form["refresh_token"] == self.refresh_token else "Token has been expired or revoked."
        assert form["grant_type"] == JWT_BEARER
        try:
            claims = jwt.decode(
                form["assertion"],
                private_key().public_key(),
                algorithms=["RS256"],
                audience=self.url("/token"),
                issuer=ACCOUNT,
                options={"require": ["iss", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError as error:
            return f"Invalid JWT: {error}"
        self.claims.append(claims)
        if claims["exp"] - claims["iat"] > 3600 or claims["iat"] > time.time():
            return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
        return ""
