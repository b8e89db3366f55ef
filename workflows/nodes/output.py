"""Say what came out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, Context, Done, NodeError, NodeType, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.headers import HeaderName, HeaderValue
from workflows.nodes.transform.encodings import read_bytes, written_bytes

# Belong to the connection, or to whoever owns the site that answers.
_NOT_OURS = frozenset(
    {"connection", "content-length", "content-security-policy", "date", "host", "keep-alive", "server", "set-cookie"}
    | {"strict-transport-security", "te", "trailer", "transfer-encoding", "upgrade"}
)


def _allowed(name: str) -> str:
    if name.lower() in _NOT_OURS:
        raise PydanticCustomError("reserved_header", "Header {name} cannot be set by a workflow.", {"name": name})
    return name


AnswerStatus = Dynamic[Annotated[int, Field(ge=200, le=599)]]
AnswerHeaders = Dynamic[
    Annotated[dict[Annotated[HeaderName, AfterValidator(_allowed)], HeaderValue], Field(max_length=50)]
]


# What a value is, if not what it is shown as.
AnswerEncoding = Annotated[
    Literal["base64"] | None,
    Field(description="With base64, `value` is bytes written so, and a webhook's answer is these bytes, for download."),
]


def encoded_answer(value: Any, encoded: Literal["base64"] | None) -> Any:
    """Return a value that is an answer's bytes in one spelling, any other as it is.

    :raises NodeError: ``invalid_encoding``, if it should be bytes and is not.
    """
    if encoded is None:
        return value
    if not isinstance(value, str):
        raise NodeError("invalid_encoding", "With `encoded: base64`, `value` must be the bytes as text in base64.")
    return written_bytes(read_bytes(value, encoded), encoded)


class OutputConfig(Config):
    """The result, and how a webhook that waits for it answers."""

    value: Dynamic[Any] = Field(default=None, description="The result. Left out, it is the node's input.")
    status: AnswerStatus = Field(default=200, description="The HTTP status of a webhook's answer.")
    headers: AnswerHeaders = Field(default={}, description="HTTP headers of a webhook's answer.")
    content_type: Dynamic[HeaderValue] | None = Field(
        default=None,
        description="What a text in `value` is: `text/csv; charset=utf-8`. The same as a header `Content-Type`.",
    )
    encoded: AnswerEncoding = None

    @model_validator(mode="after")
    def _says_the_content_type_once(self) -> OutputConfig:
        # Headers may be one expression as a whole.
        names = [name.lower() for name in self.headers] if isinstance(self.headers, dict) else []
        if self.content_type is not None and "content-type" in names:
            raise PydanticCustomError(
                "duplicate_value", "The content type stands in `headers` already.", {"key": "content_type"}
            )
        return self


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
        value = config.value if "value" in config.model_fields_set else context.input
        content_type = {} if config.content_type is None else {"Content-Type": config.content_type}
        return Done(
            {
                "value": encoded_answer(value, config.encoded),
                "status": config.status,
                "headers": {**config.headers, **content_type},
                **({} if config.encoded is None else {"encoded": config.encoded}),
            }
        )
