"""Say what came out."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, Context, Done, NodeError, NodeType, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.headers import ANSWER_TYPES, HeaderName, HeaderValue
from workflows.nodes.transform.encodings import read_bytes, written_bytes

# Belong to the connection, or to whoever owns the site that answers.
_NOT_OURS = frozenset(
    {"connection", "content-length", "content-security-policy", "date", "host", "keep-alive", "server", "set-cookie"}
    | {"strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade"}
)

_REFUSED_TYPE = "A webhook does not answer with this content type: a browser could run it."
_TYPES_HINT = (
    "It may be text/plain, text/csv, text/xml, application/xml, application/json, or one that ends with +json. Bytes, with "
    "`encoded: base64`, are a download of any type."
)


def _allowed(name: str) -> str:
    if name.lower() in _NOT_OURS:
        raise PydanticCustomError("reserved_header", "Header {name} cannot be set by a workflow.", {"name": name})
    return name


class AnswerConfig(Config):
    """The answer to a webhook that waits for it."""

    value: Dynamic[Any] = Field(default=None, description="The result. Left out, it is the node's input.")
    status: Dynamic[Annotated[int, Field(ge=200, le=599)]] = Field(
        default=200, description="The HTTP status of a webhook's answer."
    )
    headers: Dynamic[
        Annotated[dict[Annotated[HeaderName, AfterValidator(_allowed)], HeaderValue], Field(max_length=50)]
    ] = Field(default={}, description="HTTP headers of a webhook's answer.")
    content_type: Dynamic[HeaderValue] | None = Field(
        default=None,
        description="What a text in `value` is: `text/csv; charset=utf-8`. The same as a header `Content-Type`.",
    )
    encoded: Literal["base64"] | None = Field(
        default=None,
        description="With base64, `value` is bytes written so, and a webhook's answer is these bytes, for download.",
    )

    @model_validator(mode="after")
    def _says_the_content_type_once(self) -> Self:
        given = _content_types_in(self.headers)
        if self.content_type is not None and given:
            raise PydanticCustomError(
                "duplicate_value", "The content type stands in `headers` already.", {"key": "content_type"}
            )
        for key, value in [("content_type", self.content_type), *(("headers", value) for value in given)]:
            if self.encoded is None and isinstance(value, str) and not ANSWER_TYPES.fullmatch(value):
                raise PydanticCustomError("content_type_refused", _REFUSED_TYPE, {"key": key, "hint": _TYPES_HINT})
        return self

    def answer_value(self, context: Context) -> Any:
        """Return the value; bytes in the one spelling of base64.

        :raises NodeError: ``invalid_encoding``, if it should be bytes and is not.
        """
        value = self.value if "value" in self.model_fields_set else context.input
        if self.encoded is None:
            return value
        if not isinstance(value, str):
            raise NodeError("invalid_encoding", "With `encoded: base64`, `value` must be the bytes as text in base64.")
        return written_bytes(read_bytes(value, self.encoded), self.encoded)

    def answer_headers(self) -> dict[str, str]:
        """Return the headers, the content type among them."""
        return self.headers if self.content_type is None else {**self.headers, "Content-Type": self.content_type}


def _content_types_in(headers: Any) -> list[Any]:
    # Headers may be one expression as a whole.
    pairs = headers.items() if isinstance(headers, dict) else []
    return [value for name, value in pairs if name.lower() == "content-type"]


class OutputConfig(AnswerConfig):
    """The result, and how a webhook that waits for it answers."""


@register("output")
class OutputNode(NodeType[OutputConfig]):
    """Set the result of the execution, and the answer to a webhook that waits for it."""

    Config = OutputConfig
    icon = "flag"
    instead_of_in_scopes = "A pass results in the output of the node at the end of the body. Take `parent` away, and connect the scope with it."
    example = {"value": {"total": "{{ input.total }}"}, "status": 201}

    def run(self, config: OutputConfig, context: Context) -> Done:
        """Put value, status and headers together.

        :raises NodeError: ``invalid_encoding``.
        """
        return Done(
            {
                "value": config.answer_value(context),
                "status": config.status,
                "headers": config.answer_headers(),
                **({} if config.encoded is None else {"encoded": config.encoded}),
            }
        )
