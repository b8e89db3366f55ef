"""How callers of a webhook prove who they are: for each scheme its own keys, and no others.

The secret itself is never here: it is kept, encrypted, with the webhook's registration. The keys are those of the
classes in ``triggers.webhooks.signatures``, which do the verifying.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.forms import Form
from workflows.nodes.headers import HeaderName

MAX_TOLERANCE_SECONDS = 3600
MAX_LEEWAY_SECONDS = 300

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
PLACEHOLDERS = ("timestamp", "id", "method", "path", "query", "body")


def parts_of(template: str) -> list[tuple[str, str]]:
    """Return what a template of signed text is put together from: ``("text", …)`` and ``("value", <name>)`` by turns."""
    pieces = _PLACEHOLDER.split(template)
    kinds = ("text", "value")
    return [(kinds[index % 2], piece) for index, piece in enumerate(pieces) if piece]


class NoAuth(Config):
    """Nothing at all: whoever knows the address may call. Only for addresses that nobody can guess."""

    scheme: Literal["none"]


class StandardWebhooksAuth(Config):
    """A signature of id, time and body, as standardwebhooks.com specifies it; five minutes old at most."""

    scheme: Literal["standard_webhooks"]


class GitHubAuth(Config):
    """GitHub's signature of the body, `X-Hub-Signature-256`. Meta's products sign in the same way."""

    scheme: Literal["github"]


class StripeAuth(Config):
    """Stripe's signature of time and body, `Stripe-Signature`; five minutes old at most."""

    scheme: Literal["stripe"]


class SlackAuth(Config):
    """Slack's signature of time and body, `X-Slack-Signature`; five minutes old at most."""

    scheme: Literal["slack"]


class ShopifyAuth(Config):
    """Shopify's signature of the body, `X-Shopify-Hmac-Sha256`."""

    scheme: Literal["shopify"]


class HmacAuth(Config):
    """An HMAC of your own description: which header, how it is written, what is signed."""

    scheme: Literal["hmac"]
    header: HeaderName = Field(description="The header that holds the signature.")
    prefix: Annotated[
        str,
        Form("[\x21-\x7e]{0,40}", "What stands before the signature is ASCII without spaces, at most 40 characters."),
    ] = Field(default="", description="What stands before the signature in its header, such as `sha256=`.")
    algorithm: Literal["sha1", "sha256", "sha512"] = Field(default="sha256", description="The hash inside the HMAC.")
    encoding: Literal["hex", "base64"] = Field(
        default="hex", description="How the signature is written: hex digits in small letters, or base64 with padding."
    )
    signed: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="{body}",
        description="What is signed: `{body}`, and `{timestamp}`, `{id}`, `{method}`, `{path}`, `{query}` where they are.",
    )
    timestamp_header: HeaderName | None = Field(
        default=None, description="The header with the time of `{timestamp}`: seconds since 1970."
    )
    id_header: HeaderName | None = Field(
        default=None, description="The header with the `{id}`; the same id twice starts one execution."
    )
    tolerance_seconds: Annotated[int, Field(ge=1, le=MAX_TOLERANCE_SECONDS)] = Field(
        default=300, description="With `{timestamp}`: how far it may lie from now, to either side."
    )

    @model_validator(mode="after")
    def _signs_what_it_reads(self) -> HmacAuth:
        parts = parts_of(self.signed)
        _check_template(parts)
        names = [piece for kind, piece in parts if kind == "value"]
        for name, key, header in (
            ("timestamp", "timestamp_header", self.timestamp_header),
            ("id", "id_header", self.id_header),
        ):
            if name in names and header is None:
                raise PydanticCustomError(
                    "missing_key", f"`signed` has {{{name}}}, so `{key}` must say which header holds it.", {"key": key}
                )
            if header is not None and name not in names:
                # What is not signed, anybody on the way can change.
                raise PydanticCustomError(
                    "not_signed",
                    f"`{key}` is set, but `signed` has no {{{name}}}: it would prove nothing.",
                    {"key": key},
                )
        return self


def _check_template(parts: list[tuple[str, str]]) -> None:
    names = [piece for kind, piece in parts if kind == "value"]
    unknown = [name for name in names if name not in PLACEHOLDERS]
    if unknown or any("{" in piece or "}" in piece for kind, piece in parts if kind == "text"):
        what = f"{{{unknown[0]}}} stands for nothing" if unknown else "a brace has no partner"
        raise _wrong_template(
            f"`signed` can't be read: {what}.", f"There are {', '.join(f'{{{n}}}' for n in PLACEHOLDERS)}."
        )
    if "body" not in names:
        raise _wrong_template("`signed` has no {body}, so the body could be anything.", "Add {body}.")
    if len(set(names)) < len(names):
        raise _wrong_template("`signed` has a value twice.", "Write each once.")
    # Two texts without anything between them can be cut in two ways, and mean two things under one signature. A time
    # can't: a digit more or less puts it outside of any tolerance.
    for (kind, name), (next_kind, next_name) in pairwise(parts):
        if kind == next_kind == "value" and "timestamp" not in (name, next_name):
            raise _wrong_template(
                f"Between {{{name}}} and {{{next_name}}} nothing shows where one ends.", "Put a character between them."
            )


def _wrong_template(message: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("invalid_template", "{message}", {"message": message, "key": "signed", "hint": hint})


class BearerAuth(Config):
    """The secret as it is, in `Authorization: Bearer`."""

    scheme: Literal["bearer"]


class HeaderAuth(Config):
    """The secret as it is, in a header of your choice."""

    scheme: Literal["header"]
    header: HeaderName = Field(description="The header that holds the secret.")


class BasicAuth(Config):
    """A user and a password, in `Authorization: Basic`. The secret is `user:password`."""

    scheme: Literal["basic"]


class JwtAuth(Config):
    """A signed token (JWT) with issuer, audience and an end."""

    scheme: Literal["jwt"]
    algorithm: Literal["HS256", "RS256"] = Field(
        description="How tokens are signed: with a shared secret, or with a private key whose public half is the secret here."
    )
    issuer: Annotated[str, Field(min_length=1, max_length=500)] = Field(description="What `iss` must be, exactly.")
    audience: Annotated[str, Field(min_length=1, max_length=500)] = Field(
        description="What `aud` must be, or have in its list."
    )
    header: HeaderName = Field(
        default="Authorization",
        description="The header that holds the token: after `Bearer` in `Authorization`, alone in any other.",
    )
    leeway_seconds: Annotated[int, Field(ge=0, le=MAX_LEEWAY_SECONDS)] = Field(
        default=60, description="How far the sender's clock may be off from ours."
    )


def _without_empty_header(auth: Any) -> Any:
    # Every scheme once had the key `header`, null where it meant nothing. What was published so stays valid.
    if isinstance(auth, dict) and "header" in auth and auth["header"] is None and auth.get("scheme") != "header":
        return {key: value for key, value in auth.items() if key != "header"}
    return auth


WebhookAuth = Annotated[
    NoAuth
    | StandardWebhooksAuth
    | GitHubAuth
    | StripeAuth
    | SlackAuth
    | ShopifyAuth
    | HmacAuth
    | BearerAuth
    | HeaderAuth
    | BasicAuth
    | JwtAuth,
    Field(discriminator="scheme"),
    BeforeValidator(_without_empty_header),
]
