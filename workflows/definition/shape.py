"""The shape of a definition's JSON: which keys there are, of which type, within which limits.

What needs a second look at the whole (ids that are used twice, edges to nowhere, cycles) is not here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from workflows.nodes.forms import Form, Slug, each_once
from workflows.nodes.moments import TimeZoneName

MAX_NODES = 500
MAX_EDGES = 2_000
MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_ATTEMPTS = 10
DAY_SECONDS = 86_400
MAX_NODE_SECONDS = 3_600
MAX_CONCURRENCY = 10_000
# Scopes in scopes: nobody can read more.
MAX_SCOPES_DEEP = 5
# A delay may last 90 days; its execution needs some room around it.
MAX_EXECUTION_SECONDS = 100 * DAY_SECONDS

OnError = Literal["fail", "continue", "port"]
Join = Literal["all", "any"]
EdgeType = Literal["data", "tool", "processed_data", "action", "condition"]
Backoff = Literal["exponential", "fixed"]
WhenLost = Literal["again", "fail"]
OnLimit = Literal["queue", "skip", "cancel_oldest"]
Ending = Literal["failed", "timeout", "cancelled"]
ErrorCode = Annotated[str, Form("[a-z][a-z0-9_]{0,63}", "The code of an error, such as `timeout` or `http_status`.")]

# What providers of models take as the name of a function.
TOOL_NAME_SENTENCE = "A letter first, then letters, digits, `_` and `-`; at most 64 of them."
ForeignToolName = Annotated[str, Field(min_length=1, max_length=200)]

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Shape(BaseModel):
    """Strict, frozen, unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RetryShape(Shape):
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] | None = None
    backoff: Backoff = "exponential"
    base_seconds: Annotated[Seconds, Field(le=DAY_SECONDS)] = 1.0
    max_seconds: Annotated[Seconds, Field(le=DAY_SECONDS)] = 300.0
    jitter: bool = True
    on: Annotated[list[ErrorCode], Field(min_length=1, max_length=20), AfterValidator(each_once)] | None = None
    when_lost: WhenLost = "again"


class PinShape(Shape):
    output: Any
    port: Slug | None = None


class AsToolShape(Shape):
    name: Annotated[str, Form("[a-zA-Z][a-zA-Z0-9_-]{0,63}", TOOL_NAME_SENTENCE)] | None = None
    description: Annotated[str, Field(min_length=1, max_length=4_000)] | None = None
    parameters: dict[str, Any] | None = None
    approval: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None
    tools: Annotated[list[ForeignToolName], Field(min_length=1, max_length=50), AfterValidator(each_once)] | None = None


class NodeShape(Shape):
    id: Slug
    type: str
    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    config: dict[str, Any] = {}
    retry: RetryShape | None = None
    timeout_seconds: Annotated[Seconds, Field(le=MAX_NODE_SECONDS)] | None = None
    on_error: OnError = "fail"
    join: Join = "all"
    parent: str | None = None
    disabled: bool = False
    pin: PinShape | None = None
    as_tool: AsToolShape | None = None
    notes: Annotated[str, Field(max_length=10_000)] = ""


class EdgeShape(Shape):
    source: str
    target: str
    source_port: Slug = "main"
    type: EdgeType = "data"
    transform: str | None = None


class ConcurrencyShape(Shape):
    max: Annotated[int, Field(ge=1, le=MAX_CONCURRENCY)]
    key: Annotated[str, Field(max_length=4096)] | None = None
    on_limit: OnLimit = "queue"


class OnFailureShape(Shape):
    workflow: Annotated[
        str,
        Field(min_length=1, max_length=200),
        Form(r"\S(?:.*\S)?", "The id or the name of a workflow of this project, without space around it."),
    ]
    on: Annotated[list[Ending], Field(min_length=1, max_length=3), AfterValidator(each_once)] = ["failed", "timeout"]


class SettingsShape(Shape):
    timezone: TimeZoneName = "UTC"
    timeout_seconds: Annotated[int, Field(ge=1, le=MAX_EXECUTION_SECONDS)] | None = None
    concurrency: ConcurrencyShape | None = None
    on_failure: OnFailureShape | None = None


class OutlineShape(Shape):
    """The definition's own keys; its nodes and edges are looked at one by one."""

    schema_: Literal[1] = Field(alias="schema")
    nodes: Annotated[list[Any], Field(max_length=MAX_NODES)]
    edges: Annotated[list[Any], Field(max_length=MAX_EDGES)] = []
    inputs: dict[str, Any] | None = None
    settings: SettingsShape = SettingsShape()
    ui: dict[str, Any] = {}
