"""What ``http.request`` takes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from workflows.http import MAX_TIMEOUT_SECONDS, TIMEOUT_SECONDS
from workflows.http.grants import ClientAuth
from workflows.http.media import ReadAs
from workflows.nodes.base import Config
from workflows.nodes.fields import Dynamic
from workflows.nodes.forms import Form
from workflows.nodes.headers import HeaderName
from workflows.tools.http_request.pagination import Pagination

READING_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

Method = Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]
Scalar = str | int | float | bool
Values = Scalar | list[Scalar] | None
Given = Annotated[str, Field(min_length=1)]
Status = Annotated[int, Field(ge=100, le=599)]
StatusRange = Annotated[str, Form(r"[1-5][0-9]{2}-[1-5][0-9]{2}", "A range of statuses is written as 200-299.")]


class BasicAuth(Config):
    """A user name and a password (``Authorization: Basic``)."""

    type: Literal["basic"]
    username: Dynamic[str] = Field(description="The user's name.")
    password: Dynamic[str] = Field(description="The password, for example {{ secret('PASSWORD') }}.")


class BearerAuth(Config):
    """A token (``Authorization: Bearer``)."""

    type: Literal["bearer"]
    token: Dynamic[str] = Field(description="The token, for example {{ secret('API_TOKEN') }}.")


class HeaderAuth(Config):
    """A key in a header of its own."""

    type: Literal["header"]
    name: HeaderName = Field(description="The header's name, for example X-Api-Key.")
    value: Dynamic[str] = Field(description="The key, for example {{ secret('API_KEY') }}.")


class QueryAuth(Config):
    """A key in the query. Servers write queries to their logs: prefer a header where there is a choice."""

    type: Literal["query"]
    name: str = Field(min_length=1, description="The parameter's name, for example api_key.")
    value: Dynamic[str] = Field(description="The key, for example {{ secret('API_KEY') }}.")


class OAuth2Auth(Config):
    """A token that is fetched with the client's own credentials (OAuth 2.0 client credentials), and kept until it expires."""

    type: Literal["oauth2"]
    token_url: Dynamic[str] = Field(min_length=1, description="The token endpoint: https://login.example.com/token.")
    client_id: Dynamic[str] = Field(description="The client's id.")
    client_secret: Dynamic[str] = Field(description="The client's secret, for example {{ secret('CLIENT_SECRET') }}.")
    client_auth: ClientAuth = Field(
        "client_secret_basic",
        description="How the client proves who it is: in `Authorization: Basic`, or in the form (client_secret_post).",
    )
    scope: Dynamic[str] = Field("", description="What the token is for, separated by spaces, where the service asks.")
    audience: Dynamic[str] = Field("", description="Whom the token is for, where the service asks.")


class OAuth2RefreshTokenAuth(Config):
    """A token that is fetched for somebody who has let the client act for them (OAuth 2.0, grant refresh_token)."""

    type: Literal["oauth2_refresh_token"]
    token_url: Dynamic[str] = Field(min_length=1, description="The token endpoint: https://login.example.com/token.")
    client_id: Dynamic[str] = Field(description="The client's id.")
    client_secret: Dynamic[str] = Field("", description="The client's secret, if it has one.")
    refresh_token: Dynamic[str] = Field(
        min_length=1, description="What came with their consent, for example {{ secret('REFRESH_TOKEN') }}."
    )
    client_auth: ClientAuth = Field(
        "client_secret_post",
        description="How the client proves who it is: in the form, or in `Authorization: Basic` (client_secret_basic).",
    )
    scope: Dynamic[str] = Field("", description="What the token is for, if it shall be for less than they agreed to.")
    if_replaced: Literal["fail", "ignore"] = Field(
        "fail",
        description="If the service answers with another refresh token, which is kept nowhere: fail, or go on with the old "
        "one, for a service that lets it stay valid.",
    )


class OAuth2JwtBearerAuth(Config):
    """A token that is fetched with a statement signed by a private key (RFC 7523), as Google's service accounts do."""

    type: Literal["oauth2_jwt_bearer"]
    key_file: Dynamic[Given] | None = Field(
        None,
        description="The JSON file that Google gives for a service account, for example {{ secret('SERVICE_ACCOUNT') }}: it "
        "has the token endpoint, the account and its key.",
    )
    token_url: Dynamic[Given] | None = Field(None, description="Without `key_file`: the token endpoint.")
    issuer: Dynamic[Given] | None = Field(None, description="Without `key_file`: who signs (`iss`).")
    private_key: Dynamic[Given] | None = Field(
        None,
        description="Without `key_file`: an RSA key in PEM, for example {{ secret('PRIVATE_KEY') }}.",
    )
    key_id: Dynamic[str] = Field("", description="Without `key_file`: the key's id (`kid`), where the service asks.")
    scope: Dynamic[str] = Field("", description="What the token is for, separated by spaces, where the service asks.")
    subject: Dynamic[str] = Field("", description="For whom the account acts (`sub`), if not for itself.")
    audience: Dynamic[str] = Field("", description="Whom the statement is for (`aud`), if not the token endpoint.")

    @model_validator(mode="after")
    def _has_one_key(self) -> Self:
        own = [self.token_url, self.issuer, self.private_key]
        if self.key_file is None and None in own:
            raise ValueError("It needs `key_file`, or else `token_url`, `issuer` and `private_key`.")
        if self.key_file is not None and (own != [None, None, None] or self.key_id):
            raise ValueError(
                "`key_file` has token endpoint, issuer and key in it; remove `token_url`, `issuer`, `private_key` and `key_id`."
            )
        return self


TokenAuth = OAuth2Auth | OAuth2RefreshTokenAuth | OAuth2JwtBearerAuth
Auth = Annotated[BasicAuth | BearerAuth | HeaderAuth | QueryAuth | TokenAuth, Field(discriminator="type")]


class Part(Config):
    """One part of a multipart body: a field, or a file when it has a file name."""

    name: str = Field(min_length=1, description="The field's name.")
    text: Dynamic[str] | None = Field(None, description="The content as text.")
    base64: Dynamic[str] | None = Field(None, description="The content as bytes, in base64, instead of text.")
    filename: Dynamic[str] | None = Field(None, description="Makes it a file with this name.")
    content_type: Dynamic[str] | None = Field(None, description="Its media type, for example image/png.")

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.text is None) == (self.base64 is None):
            raise ValueError("A part has either text or base64.")
        return self


class RequestArguments(Config):
    """What ``http.request`` takes. Secrets (``{{ secret('NAME') }}``) may stand in every text but base64."""

    method: Dynamic[Method] = Field("GET", description="GET, HEAD and OPTIONS read; the others may change something.")
    url: Dynamic[str] = Field(
        min_length=1,
        description=(
            "Where to call, http or https. Encode values that become part of the path: "
            "https://api.example.com/users/{{ encodeURIComponent(input.name) }}."
        ),
    )
    query: Dynamic[dict[str, Values]] = Field(
        {}, description="Parameters added to the URL, encoded. A list repeats its name; null leaves it out."
    )
    headers: Dynamic[dict[HeaderName, Scalar | None]] = Field({}, description="Headers to send. Null leaves one out.")
    json_: Dynamic[Any] = Field(None, alias="json", description="The body, sent as JSON.")
    form: Dynamic[dict[str, Values]] | None = Field(
        None, description="The body, sent as an HTML form sends it (application/x-www-form-urlencoded)."
    )
    text: Dynamic[str] | None = Field(None, description="The body, sent as text (UTF-8).")
    base64: Dynamic[str] | None = Field(None, description="The body, sent as the bytes that this base64 stands for.")
    multipart: Dynamic[Annotated[list[Part], Field(min_length=1)]] | None = Field(
        None, description="The body, sent as parts (multipart/form-data), for uploading files."
    )
    auth: Auth | None = Field(None, description="How the caller proves who it is.")
    timeout_seconds: Dynamic[Annotated[float, Field(gt=0, le=MAX_TIMEOUT_SECONDS)]] = Field(
        TIMEOUT_SECONDS, description="How long everything together may take, redirects included."
    )
    follow_redirects: Dynamic[bool] = Field(
        True, description="Follow up to 5 redirects; headers that may be credentials stay with the first origin."
    )
    ok_statuses: Dynamic[list[Status | StatusRange]] = Field(
        ["200-299"], description="The statuses that count as success, single or as ranges. Others fail the node."
    )
    response: ReadAs = Field(
        "auto", description="How to read the answer's body: auto goes by its content type; bytes gives base64."
    )

    pagination: Pagination | None = Field(
        None, description="How to get from one page of a list to the next; the body of the output is then all items."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        given = self.bodies_given()
        if len(given) > 1:
            raise ValueError(f"A request has one body; this one has {' and '.join(given)}.")
        headers = self.headers if isinstance(self.headers, dict) else {}
        names = [name.lower() for name in headers]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"A header is given twice: {', '.join(sorted(doubled))}.")
        if self.auth and (name := auth_header(self.auth)) and name.lower() in names:
            raise ValueError(f"`auth` sets the header {name}; remove it from `headers`.")
        if self.multipart is not None and "content-type" in names:
            raise ValueError("`multipart` sets the header Content-Type; remove it from `headers`.")
        if getattr(self.pagination, "send_in", "query") == "json" and given != ["json"]:
            raise ValueError("`pagination.send_in` is json, and so the request needs a `json` body to put it into.")
        return self

    def bodies_given(self) -> list[str]:
        """Return the names of the arguments that give a body. JSON may be null; a null elsewhere is no body."""
        given = [name for name in ("form", "text", "base64", "multipart") if getattr(self, name) is not None]
        return ["json", *given] if "json_" in self.model_fields_set else given

    @property
    def described(self) -> str:
        """What is called, for people. Holds no secret: those are not filled in here."""
        return f"{self.method} {self.shown_url}"

    @property
    def shown_url(self) -> str:
        """The URL as its author wrote it, without user, query and fragment."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "(no valid URL)"
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}" if host else parts.path


def auth_header(auth: Auth) -> str | None:
    """Return the name of the header that carries the credentials, if one does."""
    match auth:
        case HeaderAuth():
            return auth.name
        case BasicAuth() | BearerAuth() | OAuth2Auth() | OAuth2RefreshTokenAuth() | OAuth2JwtBearerAuth():
            return "Authorization"
    return None
