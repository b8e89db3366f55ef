"""Started by an HTTP request."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config
from workflows.nodes.fields import Fixed
from workflows.nodes.forms import Form, each_once
from workflows.nodes.headers import HeaderName, HeaderValue

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Scheme = Literal["none", "standard_webhooks", "github", "bearer", "header"]

Path = Annotated[
    str,
    Field(max_length=200),
    Form(
        "[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", "Letters, digits, `-` and `_`, in parts with single slashes between them."
    ),
]

# The header that names a delivery, in the schemes that have one.
DELIVERY_HEADERS = {"standard_webhooks": "webhook-id", "github": "x-github-delivery"}


def _each_name_once(headers: dict[str, str]) -> dict[str, str]:
    each_once(list(headers))
    return headers


class WebhookAuth(Config):
    """How callers prove who they are. The secret itself is kept with the webhook registration, not here."""

    scheme: Scheme = Field(description="What a request must carry to be accepted.")
    header: HeaderName | None = Field(default=None, description="With the scheme `header`: the one that holds it.")

    @model_validator(mode="after")
    def _header_goes_with_its_scheme(self) -> WebhookAuth:
        if self.scheme == "header" and self.header is None:
            raise PydanticCustomError(
                "missing_key", "The scheme `header` needs to know which `header`.", {"key": "header"}
            )
        if self.scheme != "header" and self.header is not None:
            raise PydanticCustomError("unknown_key", "`header` goes only with the scheme `header`.", {"key": "header"})
        return self


class WebhookTrigger(Config):
    """An HTTP request to the workflow's own address starts it."""

    kind: Literal["webhook"]
    path: Path | None = Field(
        default=None, description="The address after /webhooks/. Left out, it is made up and cannot be guessed."
    )
    methods: Annotated[list[Method], Field(min_length=1), AfterValidator(each_once)] = Field(
        default=["POST"], description="The HTTP methods that are answered."
    )
    auth: WebhookAuth = Field(default=WebhookAuth(scheme="none"), description="How callers prove who they are.")
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

    @property
    def delivery_header(self) -> str | None:
        """The header that names a delivery, in lower case, if there is one."""
        return self.dedupe_header.lower() if self.dedupe_header else DELIVERY_HEADERS.get(self.auth.scheme)
