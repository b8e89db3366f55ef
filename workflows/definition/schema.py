"""A definition as frozen values: what the engine, the drawing and the triggers read.

A definition is JSON (docs/reference/definition.md). :func:`parse` turns JSON that ``validation.check`` has found no
problem with into these values, every default filled in; :func:`to_json` writes them down again, defaults left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from pydantic import BaseModel, ValidationError

from workflows.definition.shape import (
    Backoff,
    EdgeShape,
    EdgeType,
    Ending,
    Join,
    NodeShape,
    OnError,
    OnLimit,
    OutlineShape,
    SettingsShape,
    WhenLost,
)

SCHEMA = 1


@dataclass(frozen=True)
class RetryPolicy:
    """How often and when a failed node is tried again.

    ``max_attempts`` counts the first try; ``None`` means the installation's ``WORKFLOW_MAX_RETRIES``.

    :param on: codes of the errors that are worth another try; ``None`` leaves that to the error.
    :param when_lost: what becomes of an attempt whose worker was lost in the middle of it: it runs ``again``, or it has
        failed, with an outcome that nobody knows.
    """

    max_attempts: int | None = None
    backoff: Backoff = "exponential"
    base_seconds: float = 1.0
    max_seconds: float = 300.0
    jitter: bool = True
    on: tuple[str, ...] | None = None
    when_lost: WhenLost = "again"


@dataclass(frozen=True)
class Pin:
    """What a node puts out in tests, instead of running.

    :param port: where it goes out; ``None``: through the node's first port.
    """

    output: Any
    port: str | None = None


@dataclass(frozen=True)
class AsTool:
    """What an agent's model is told of a node that is attached to it.

    :param name: what the model calls it; ``None``: the node's id.
    :param description: what it is for; ``None``: what the catalogue says.
    :param parameters: a JSON Schema of an object, which the model fills in and the node finds as its ``input``. ``None``: what
        the node leaves open.
    :param approval: whether a person must approve a call: ``always``, or a template over ``input``. ``None``: never.
    :param tools: of a server of tools, those that the model may call.
    """

    name: str | None = None
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    approval: str | None = None
    tools: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Node:
    """One step: ``config`` is its type's own, everything beside it is the same for every type."""

    id: str
    type: str
    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    retry: RetryPolicy | None = None  # ``None``: every default of a retry policy.
    timeout_seconds: float | None = None
    on_error: OnError = "fail"
    join: Join = "all"
    parent: str | None = None  # The scope that it is part of.
    disabled: bool = False
    pin: Pin | None = None
    as_tool: AsTool | None = None
    notes: str = ""


@dataclass(frozen=True)
class Edge:
    """A connection from a port of one node to another node."""

    source: str
    target: str
    source_port: str = "main"
    type: EdgeType = "data"
    transform: str | None = None  # Of a ``processed_data`` edge: a template over ``input``, the source's output.

    @property
    def is_order(self) -> bool:
        """Whether the target comes after the source; a ``tool`` edge attaches, it does not order."""
        return self.type != "tool"

    @property
    def carries_value(self) -> bool:
        """Whether the source's output goes over this edge into the target's input."""
        return self.type not in ("tool", "action")


@dataclass(frozen=True)
class Concurrency:
    """How many executions may be under way at once, and what happens to one more.

    :param key: a template over ``trigger``: executions with the same value are counted together, others apart.
    """

    max: int
    key: str | None = None
    on_limit: OnLimit = "queue"


@dataclass(frozen=True)
class OnFailure:
    """Which workflow is started when an execution ends badly; by id or name, in the same project."""

    workflow: str
    on: tuple[Ending, ...] = ("failed", "timeout")


@dataclass(frozen=True)
class Settings:
    """What holds for the whole workflow. ``timeout_seconds`` ``None`` means ``WORKFLOW_EXECUTION_TIMEOUT``."""

    timezone: str = "UTC"
    timeout_seconds: int | None = None
    concurrency: Concurrency | None = None
    on_failure: OnFailure | None = None


@dataclass(frozen=True)
class Definition:
    """A whole workflow: nodes and edges in the order in which they were written."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] = ()
    inputs: Mapping[str, Any] | None = None
    settings: Settings = Settings()
    ui: Mapping[str, Any] = field(default_factory=dict)


def parse(raw: Any) -> Definition:
    """Return the definition that this JSON describes.

    Only the shape is looked at; whether it makes sense is for ``validation.check``, before it is published.

    :raises ValueError: if it has not the shape of a definition.
    """
    try:
        outline = OutlineShape.model_validate(raw)
        nodes = tuple(node_of(NodeShape.model_validate(node)) for node in outline.nodes)
        edges = tuple(edge_of(EdgeShape.model_validate(edge)) for edge in outline.edges)
    except (ValidationError, RecursionError) as error:
        raise ValueError("This is not a valid definition; check() says what is wrong with it.") from error
    settings = settings_of(outline.settings)
    return Definition(nodes=nodes, edges=edges, inputs=outline.inputs, settings=settings, ui=outline.ui)


def node_of(shape: NodeShape) -> Node:
    """Return the node that a node's JSON describes."""
    retry = RetryPolicy(**_frozen(shape.retry)) if shape.retry else None
    given = dict(shape) | {
        "name": shape.name or shape.id,
        "retry": None if retry == RetryPolicy() else retry,
        "pin": Pin(**dict(shape.pin)) if shape.pin else None,
        "as_tool": AsTool(**_frozen(shape.as_tool)) if shape.as_tool else None,
    }
    return Node(**given)


def edge_of(shape: EdgeShape) -> Edge:
    """Return the edge that an edge's JSON describes."""
    return Edge(**dict(shape))


def settings_of(shape: SettingsShape) -> Settings:
    """Return the settings that their JSON describes."""
    return Settings(
        timezone=shape.timezone,
        timeout_seconds=shape.timeout_seconds,
        concurrency=Concurrency(**dict(shape.concurrency)) if shape.concurrency else None,
        on_failure=OnFailure(**_frozen(shape.on_failure)) if shape.on_failure else None,
    )


def to_json(definition: Definition) -> dict[str, Any]:
    """Return the JSON that describes a definition, in its shortest form; ``parse`` turns it into an equal one."""
    written = _without_defaults(definition)
    nodes = [_node_to_json(node) for node in definition.nodes]
    edges = [_without_defaults(edge) for edge in definition.edges]
    return {"schema": SCHEMA, **written, "nodes": nodes, "edges": edges} | (
        {"settings": _settings_to_json(definition.settings)} if "settings" in written else {}
    )


def _settings_to_json(settings: Settings) -> dict[str, Any]:
    written = _without_defaults(settings)
    for each in ("concurrency", "on_failure"):
        if each in written:
            written[each] = _without_defaults(written[each])
    return written


def _node_to_json(node: Node) -> dict[str, Any]:
    written = _without_defaults(node)
    if node.name == node.id:
        del written["name"]
    if node.retry:
        written["retry"] = _without_defaults(node.retry)
    if node.as_tool:
        written["as_tool"] = _without_defaults(node.as_tool)
    if node.pin:
        written["pin"] = {"output": node.pin.output} | ({"port": node.pin.port} if node.pin.port else {})
    return written


def _without_defaults(value: Any) -> dict[str, Any]:
    """Return a dataclass's fields that differ from their defaults."""
    written: dict[str, Any] = {}
    for each in fields(value):
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        current = getattr(value, each.name)
        if current != default:
            written[each.name] = list(current) if isinstance(current, tuple) else current
    return written


def _frozen(shape: BaseModel) -> dict[str, Any]:
    """Return a shape's fields as a frozen dataclass takes them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in dict(shape).items()}
