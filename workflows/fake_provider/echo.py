"""What is answered when no script says anything: enough to see that everything is wired up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.fake_provider.answers import Answer, ToolCall
from workflows.fake_provider.conversation import Conversation

# Schemas may refer to themselves; deeper than this nothing is filled in that need not be.
_MAX_DEPTH = 8


def echo(conversation: Conversation) -> Answer:
    """Return what was asked: the newest result of a tool, else the user's last message.

    Where the request wants JSON, it is the smallest value that fits; where it wants a tool called, that is its arguments.
    """
    said = conversation.results[-1] if conversation.results else conversation.user
    if conversation.forced is not None:
        arguments = sample(conversation.forced.parameters, text=said)
        calls = (ToolCall(name=conversation.forced.name, arguments=arguments if isinstance(arguments, dict) else {}),)
        return Answer(tool_calls=calls)
    if conversation.schema is not None:
        return Answer(json=sample(conversation.schema, text=said))
    return Answer(text=said)


def sample(schema: Mapping[str, Any], *, text: str) -> Any:
    """Return a small value that fits a JSON Schema, with ``text`` where any text will do.

    It knows what schemas of tools and outputs are made of: types, required properties, enums, alternatives, references. What
    else they demand (patterns, numbers between two others) a script has to say.
    """
    return _sample(schema, root=schema, text=text, depth=0)


def _sample(schema: Any, *, root: Mapping[str, Any], text: str, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    for key in ("enum", "examples"):
        if schema.get(key):
            return schema[key][0]
    if "$ref" in schema:
        return _sample(_referred(schema["$ref"], root), root=root, text=text, depth=depth + 1)
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return _sample(schema[key][0], root=root, text=text, depth=depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    match kind[0] if isinstance(kind, list) and kind else kind:
        case "object":
            properties = schema.get("properties", {})
            wanted = schema.get("required", ())
            return {name: _sample(properties.get(name, {}), root=root, text=text, depth=depth + 1) for name in wanted}
        case "array":
            item = _sample(schema.get("items", {}), root=root, text=text, depth=depth + 1)
            return [item] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 0)
        case "boolean":
            return False
        case "null":
            return None
    return text[: schema["maxLength"]] if "maxLength" in schema else text


def _referred(reference: Any, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for name in str(reference).removeprefix("#").strip("/").split("/"):
        if name:
            found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return found
