"""Say what came out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from workflows.nodes.base import Config, Context, Done, NodeType, register
from workflows.nodes.fields import Dynamic
from workflows.nodes.headers import HeaderName, HeaderValue

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


class OutputConfig(Config):
    """The result, and how a webhook that waits for it answers."""

    value: Dynamic[Any] = Field(default=None, description="The result. Left out, it is the node's input.")
    status: AnswerStatus = Field(default=200, description="The HTTP status of a webhook's answer.")
    headers: AnswerHeaders = Field(default={}, description="HTTP headers of a webhook's answer.")
    content_type: Dynamic[HeaderValue] | None = Field(
        default=None,
        description="What a text in `value` is: `text/csv; charset=utf-8`. The same as a header `Content-Type`.",
    )

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
        """Put value, status and headers together."""
        value = config.value if "value" in config.model_fields_set else context.input
        content_type = {} if config.content_type is None else {"Content-Type": config.content_type}
        return Done({"value": value, "status": config.status, "headers": {**config.headers, **content_type}})
