"""Started by an HTTP request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.fields import Fixed
from workflows.nodes.forms import Form, each_once
from workflows.nodes.headers import HeaderName, HeaderValue
from workflows.nodes.trigger.webhook_auth import NoAuth, WebhookAuth
from workflows.nodes.trigger.webhook_handshake import HubHandshake

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

Path = Annotated[
    str,
    Field(max_length=200),
    Form(
        "[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", "Letters, digits, `-` and `_`, in parts with single slashes between them."
    ),
]


def _each_name_once(headers: dict[str, str]) -> dict[str, str]:
    each_once(list(headers))
    return headers


class WebhookTrigger(Config):
    """An HTTP request to the workflow's own address starts it."""

    kind: Literal["webhook"]
    path: Path | None = Field(
        default=None, description="The address after /webhooks/. Left out, it is made up and cannot be guessed."
    )
    methods: Annotated[list[Method], Field(min_length=1), AfterValidator(each_once)] = Field(
        default=["POST"], description="The HTTP methods that are answered."
    )
    auth: WebhookAuth = Field(default=NoAuth(scheme="none"), description="How callers prove who they are.")
    handshake: HubHandshake | None = Field(
        default=None, description="How the address is confirmed to a hub that asks. Slack's needs no setting."
    )
    headers_validation: Annotated[
        dict[HeaderName, HeaderValue], Field(max_length=20), AfterValidator(_each_name_once)
    ] = Field(default={}, description="Headers that a request must have, with exactly these values.")
    body_schema: Fixed[dict[str, Any]] | None = Field(default=None, description="A JSON Schema that the body must fit.")
    respond: Literal["accepted", "finished"] = Field(
        default="accepted", description="Answer at once with the execution's id, or with its result when it has ended."
    )
    response_timeout_seconds: Annotated[int, Field(ge=1, le=120)] = Field(
        default=30, description="With `finished`: how long the caller waits before it gets the execution's id instead."
    )
    dedupe_header: HeaderName | None = Field(
        default=None, description="The header that names a delivery; the same name twice starts one execution."
    )

    @model_validator(mode="after")
    def _chosen_path_needs_auth(self) -> WebhookTrigger:
        # A path that can be guessed is no secret (S-WH-1).
        if self.path is not None and self.auth.scheme == "none":
            raise PydanticCustomError(
                "auth_required",
                "A webhook with a path of its own choice must ask callers to prove who they are.",
                {"key": "auth", "hint": "Set `auth`, or leave `path` out and get one that nobody can guess."},
            )
        return self

    @model_validator(mode="after")
    def _handshake_knows_its_hub(self) -> WebhookTrigger:
        hub = self.handshake
        if hub is not None and self.auth.scheme == "none" and hub.verify_token is None and hub.topic is None:
            raise PydanticCustomError(
                "missing_key",
                "Nothing says which hub may ask: the webhook has no secret, and the handshake neither token nor topic.",
                {"key": "handshake", "hint": "Set `verify_token` or `topic` in `handshake`, or a scheme in `auth`."},
            )
        return self
