"""Started by an HTTP request."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.fields import Fixed, OneExpression, TemplateText
from workflows.nodes.forms import Form, each_once
from workflows.nodes.headers import HeaderName, HeaderValue
from workflows.nodes.trigger.paths import MAX_PARAMETERS, MAX_PARTS, PATH_PATTERN, parameters_of
from workflows.nodes.trigger.webhook_auth import NoAuth, WebhookAuth
from workflows.nodes.trigger.webhook_handshake import HubHandshake

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

# The largest body that an operator can allow.
MAX_BODY_BYTES = 16 * 1024 * 1024
MAX_WINDOW_SECONDS = 366 * 24 * 3600


def _few_parameters(path: str) -> str:
    names = parameters_of(path)
    if names and (len(names) > MAX_PARAMETERS or path.count("/") >= MAX_PARTS):
        raise PydanticCustomError(
            "too_many_parameters",
            "A path with parameters has at most {parts} parts, and at most {most} of them are parameters.",
            {"parts": MAX_PARTS, "most": MAX_PARAMETERS, "hint": "Send the rest in the query or in the body."},
        )
    each_once(names)
    return path


Path = Annotated[
    str,
    Field(max_length=200),
    Form(
        PATH_PATTERN,
        "Letters, digits, `-` and `_`, in parts with single slashes between them. A part but the first may be a parameter: "
        "`orders/{id}`.",
    ),
    AfterValidator(_few_parameters),
]

Origin = Annotated[
    str,
    Field(max_length=300),
    Form(
        r"\*|https?://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:.]+\])(:[0-9]{1,5})?",
        "An origin has scheme, host in small letters, and perhaps a port: `https://shop.example`. `*` is any.",
    ),
]


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        raise PydanticCustomError(
            "invalid_network",
            "{text} is no address and no range of addresses: {reason}.",
            {
                "text": repr(text[:60]),
                "reason": str(error)[:120],
                "hint": "An address, or a range in CIDR notation: `192.0.2.0/24`, `2001:db8::/32`.",
            },
        ) from None
    return text


def _each_name_once(headers: dict[str, str]) -> dict[str, str]:
    each_once(list(headers))
    return headers


class Cors(Config):
    """Which web pages may call from a browser. Cookies and the like are never asked for."""

    origins: Annotated[list[Origin], Field(min_length=1, max_length=50), AfterValidator(each_once)] = Field(
        description="The sites whose pages may call, by origin; `*` is any."
    )
    headers: Annotated[list[HeaderName], Field(max_length=50), AfterValidator(each_once)] = Field(
        default=["Content-Type", "Authorization", "Idempotency-Key"],
        description="The headers that a page may send.",
    )


class RateLimit(Config):
    """How often the webhook may be called. The installation's own limit holds beside it."""

    per_minute: Annotated[int, Field(ge=1, le=100_000)] = Field(description="Calls a minute, in even flow.")
    burst: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None, description="How many may come at once after a silence; left out, a minute's worth."
    )


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
    filter: OneExpression | None = Field(
        default=None,
        description="Whether a delivery starts an execution: `{{ trigger.body.total > 100 }}`. Left out, each does.",
    )
    respond: Literal["accepted", "finished", "node"] = Field(
        default="accepted",
        description="Answer at once with the execution's id, with its result when it has ended, or as soon as a `webhook` node "
        "responds.",
    )
    response_timeout_seconds: Annotated[int, Field(ge=1, le=120)] = Field(
        default=30,
        description="With `finished` and `node`: how long the caller waits before it gets the execution's id instead.",
    )
    dedupe_header: HeaderName | None = Field(
        default=None, description="The header that names a delivery; the same name twice starts one execution."
    )
    dedupe_key: TemplateText | None = Field(
        default=None,
        description="What names a delivery instead: `{{ trigger.body.order.id }}`. Null: nothing is a duplicate of it.",
    )
    dedupe_window_seconds: Annotated[int, Field(ge=1, le=MAX_WINDOW_SECONDS)] | None = Field(
        default=None, description="How long a name counts; left out, as long as deliveries are kept."
    )
    ip_allow: Annotated[list[Annotated[str, AfterValidator(_network)]], Field(min_length=1, max_length=100)] | None = (
        Field(default=None, description="The addresses that may call, as ranges (CIDR); left out, any.")
    )
    cors: Cors | None = Field(default=None, description="Which web pages may call; left out, none.")
    rate_limit: RateLimit | None = Field(default=None, description="How often it may be called.")
    max_body_bytes: Annotated[int, Field(ge=1, le=MAX_BODY_BYTES)] | None = Field(
        default=None, description="Bytes of a body, where that is less than the installation allows."
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

    @model_validator(mode="after")
    def _one_name(self) -> WebhookTrigger:
        if self.dedupe_header is not None and self.dedupe_key is not None:
            raise PydanticCustomError(
                "exactly_one", "Give `dedupe_header` or `dedupe_key`, not both.", {"key": "dedupe_key"}
            )
        return self
