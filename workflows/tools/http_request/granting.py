"""From ``auth`` to the grant that a token is asked for with: here its secrets are filled in."""

from __future__ import annotations

from typing import Any

from projects.exceptions import Invalid
from projects.payloads import parse_json
from workflows.http.grants import ClientCredentials, Grant, JwtBearer, RefreshToken, basic
from workflows.http.secrets import Secrets
from workflows.nodes.base import NodeError
from workflows.tools.http_request.arguments import (
    OAuth2Auth,
    OAuth2JwtBearerAuth,
    OAuth2RefreshTokenAuth,
    RequestArguments,
    TokenAuth,
)

MAX_KEY_FILE_BYTES = 64 * 1024


def granted(auth: TokenAuth, arguments: RequestArguments, secrets: Secrets) -> Grant:
    """Return the grant, and have its secrets masked wherever they come back.

    :raises NodeError: ``invalid_key_file``.
    """
    match auth:
        case OAuth2Auth():
            return ClientCredentials(**_client(auth, secrets), audience=secrets.fill(auth.audience))
        case OAuth2RefreshTokenAuth():
            return RefreshToken(
                **_client(auth, secrets),
                refresh_token=secrets.fill(auth.refresh_token),
                is_replaceable=auth.if_replaced == "ignore",
            )
        case OAuth2JwtBearerAuth():
            return _signed(auth, arguments, secrets)


def _client(auth: OAuth2Auth | OAuth2RefreshTokenAuth, secrets: Secrets) -> dict[str, Any]:
    """Return what both grants of a client have in common."""
    client_id, client_secret = secrets.fill(auth.client_id), secrets.fill(auth.client_secret)
    if client_secret:
        secrets.remember(client_secret)
        secrets.remember(basic(client_id, client_secret))
    return {
        "token_url": secrets.fill(auth.token_url),
        "client_id": client_id,
        "client_secret": client_secret,
        "client_auth": auth.client_auth,
        "scope": secrets.fill(auth.scope),
    }


def _signed(auth: OAuth2JwtBearerAuth, arguments: RequestArguments, secrets: Secrets) -> JwtBearer:
    if auth.key_file is not None:
        file = _key_file(secrets.fill(auth.key_file), arguments)
        token_url, issuer, key, key_id = (
            file[name] for name in ("token_uri", "client_email", "private_key", "private_key_id")
        )
    else:
        token_url, issuer, key = (secrets.fill(text or "") for text in (auth.token_url, auth.issuer, auth.private_key))
        key_id = secrets.fill(auth.key_id)
    # It is part of a secret, and not the whole of it.
    secrets.remember(key)
    return JwtBearer(
        token_url=token_url,
        issuer=issuer,
        private_key=key,
        key_id=key_id,
        scope=secrets.fill(auth.scope),
        subject=secrets.fill(auth.subject),
        audience=secrets.fill(auth.audience),
    )


def _key_file(text: str, arguments: RequestArguments) -> dict[str, str]:
    """Return what a service account's key file says. Its words are not repeated: it is a secret."""
    try:
        said: Any = parse_json(text.encode(errors="replace"), max_bytes=MAX_KEY_FILE_BYTES)
    except Invalid:
        said = None
    if not isinstance(said, dict):
        raise _unusable(arguments, "is no JSON object; it should be the whole file, from { to }")
    found = {"private_key_id": "", **{name: value for name, value in said.items() if isinstance(value, str)}}
    for name in ("token_uri", "client_email", "private_key"):
        if not found.get(name):
            raise _unusable(arguments, f"has no `{name}`; it should be the key file of a service account")
    return found


def _unusable(arguments: RequestArguments, why: str) -> NodeError:
    return NodeError("invalid_key_file", f"{arguments.described}: `auth.key_file` {why}.")
