"""How an agent asks people: about a call of a tool, and about going on beyond a limit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from workflows.definition.json_schema import value_problems
from workflows.nodes.agent.config import Approvals
from workflows.nodes.base import ApprovalRequest, Await, Config, Context, Deciders, Done, NodeError, NodeType
from workflows.nodes.fields import Dynamic
from workflows.nodes.moments import parse_duration
from workflows.nodes.webhook.approve import APPROVED, REJECTED
from workflows.nodes.webhook.form import KINDS, MOST_FIELDS

# The one field in which arguments are edited that are no simple ones: their JSON.
AS_JSON = "arguments_as_json"
_MOST_OF_A_TITLE = 200
_LONG_TEXT = 20_000
_MESSAGE = (
    "An agent wants to call this tool with these arguments. They can be changed before it does. "
    "If you reject, no call is made: the agent is told so, with your comment, and goes on."
)


class CallApprovalConfig(Config):
    """Whether people are asked. ``when`` is what the tool's ``approval`` says."""

    when: Dynamic[bool] | Literal["always"]
    agent: str
    tool: str
    approvals: Approvals = Field(default=Approvals())
    parameters: dict[str, Any] | None = None


class CallApproval(NodeType[CallApprovalConfig]):
    """Ask people about a call of a tool, with its arguments to look at and to change."""

    key = "webhook"
    Config = CallApprovalConfig
    icon = "check-circle"
    example: ClassVar[dict[str, Any]] = {}  # Nobody writes one: see executions.engine.versions.

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Approved or rejected."""
        return (APPROVED, REJECTED)

    def link_path(self, config: Mapping[str, Any]) -> str:
        """That of approvals."""
        return "approvals"

    def run(self, config: CallApprovalConfig, context: Context) -> Done | Await:
        """Ask, if people are to be asked about these arguments.

        :raises NodeError: if they are none that the tool takes: then nobody needs to be asked.
        """
        arguments, parameters = context.input["arguments"], context.input["parameters"]
        refuse_misfit(config.tool, parameters, arguments)
        if config.when != "always" and not config.when:
            return Done({"decision": APPROVED, "was_needed": False}, ports=(APPROVED,))
        request = ApprovalRequest(
            title=f"{config.agent}: call {config.tool}?"[:_MOST_OF_A_TITLE],
            message=_MESSAGE,
            details={"tool": config.tool, "arguments": arguments},
            form=form_of(parameters, arguments),
            deciders=_deciders(config.approvals),
            needed=1,
        )
        return _asked(config.approvals, context, request)


class LimitApprovalConfig(Config):
    """Who is asked about going on beyond a limit."""

    agent: str
    approvals: Approvals = Field(default=Approvals())


class LimitApproval(NodeType[LimitApprovalConfig]):
    """Ask people whether an agent may go on beyond a limit or a budget."""

    key = "webhook"
    Config = LimitApprovalConfig
    icon = "check-circle"
    example: ClassVar[dict[str, Any]] = {}

    def ports(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """Approved or rejected: both are answers."""
        return (APPROVED, REJECTED)

    def link_path(self, config: Mapping[str, Any]) -> str:
        """That of approvals."""
        return "approvals"

    def run(self, config: LimitApprovalConfig, context: Context) -> Await:
        """Ask."""
        request = ApprovalRequest(
            title=f"{config.agent}: go on?"[:_MOST_OF_A_TITLE],
            message=f"{context.input['question']} If you approve, the agent goes on beyond it; if you reject, it fails.",
            details=context.input["details"],
            form=None,
            deciders=_deciders(config.approvals),
            needed=1,
        )
        return replace(_asked(config.approvals, context, request), is_about_budget=True)


def refuse_misfit(tool: str, parameters: Mapping[str, Any], arguments: Any) -> None:
    """Do nothing, if arguments are what a tool's parameters ask for.

    :raises NodeError: ``invalid_arguments``, with every place that is wrong.
    """
    problems = value_problems(parameters, arguments)
    if problems:
        told = " ".join(f"At {each.path or 'the top'}: {each.message}" for each in problems[:5])
        details = {"problems": [each.to_json() for each in problems[:20]]}
        raise NodeError("invalid_arguments", f"These are no arguments of `{tool}`. {told}", details=details)


def form_of(parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form in which the arguments of a call can be changed: a field for each, filled in; or one for all, as JSON."""
    properties = parameters.get("properties")
    if isinstance(properties, Mapping) and 0 < len(properties) <= MOST_FIELDS and set(arguments) <= set(properties):
        fields = {name: _field(schema, arguments.get(name)) for name, schema in properties.items()}
        if all(field is not None for field in fields.values()):
            return {"type": "object", "properties": fields}
    text = json.dumps(arguments, ensure_ascii=False, indent=2)
    field = {
        "type": "string",
        "title": "Arguments",
        "description": "JSON.",
        "maxLength": _room_for(text),
        "default": text,
    }
    return {"type": "object", "properties": {AS_JSON: field}}


def _room_for(text: Any) -> int:
    """Return how long a text may be that people fill in: never shorter than what stands there already."""
    return max(_LONG_TEXT, len(text)) if isinstance(text, str) else _LONG_TEXT


def _field(schema: Any, value: Any) -> dict[str, Any] | None:
    """Return a form's field for a parameter, or None if it is no simple one."""
    if not isinstance(schema, Mapping) or schema.get("type") not in KINDS:
        return None
    field = {key: schema[key] for key in ("type", "title", "description") if key in schema}
    if schema["type"] == "string":
        if isinstance(schema.get("enum"), list) and all(isinstance(each, str) for each in schema["enum"]):
            field["enum"] = schema["enum"]
        else:
            field["maxLength"] = _room_for(value)
    return field if value is None else field | {"default": value}


def edited(arguments: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call as people have changed them. Without a change the form may be empty.

    :raises NodeError: ``invalid_arguments``, if what they wrote is no JSON object.
    """
    if AS_JSON not in form:
        return {**arguments, **form}
    try:
        changed = json.loads(form[AS_JSON])
    except (ValueError, RecursionError) as error:
        raise NodeError("invalid_arguments", f"The arguments that were filled in are no JSON: {error}.") from error
    if not isinstance(changed, dict):
        raise NodeError("invalid_arguments", "The arguments that were filled in are no JSON object.")
    return changed


def _deciders(approvals: Approvals) -> Deciders:
    who = approvals.deciders
    users = tuple(who.users) if isinstance(who.users, list) else ()
    return Deciders(who.role or (None if users or who.anyone else "operator"), users, who.anyone)


def _asked(approvals: Approvals, context: Context, request: ApprovalRequest) -> Await:
    length: timedelta | None = parse_duration(approvals.timeout) if approvals.timeout else None
    until = None if length is None else context.now + length
    late = "Nobody decided in time."
    if approvals.on_timeout == "fail":
        return Await(until, NodeError("approval_timeout", f"{request.title!r} was not decided in time."), request)
    output: dict[str, Any] = {
        "decision": REJECTED,
        "decided_by": None,
        "comment": late,
        "form": {},
        "timed_out": True,
        "decisions": [],
    }
    return Await(until, Done(output, ports=(REJECTED,)), request)
