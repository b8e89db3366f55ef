"""Requests to ``/v1/chat/completions``, read and checked as OpenAI checks them, in its words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflows.fake_provider.answers import OUTPUT_TOOL
from workflows.fake_provider.conversation import Conversation, Tool, digest_of, tokens_in
from workflows.fake_provider.refusals import Refused, bearer_of, is_count, is_number, schema_problem

ROLES = ("system", "developer", "user", "assistant", "tool")
PARTS = {
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
}
FIELDS = frozenset(
    {
        *("messages", "model", "audio", "frequency_penalty", "logit_bias", "logprobs", "max_completion_tokens"),
        *("max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls", "prediction"),
        *("presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
        *("reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store"),
        *("stream", "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user"),
        *("verbosity", "web_search_options"),
    }
)
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_key(headers: Mapping[str, str]) -> None:
    """Do nothing, if there is a key.

    :raises Refused: if there is none.
    """
    if not bearer_of(headers):
        raise Refused(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
            "(i.e. Authorization: Bearer YOUR_KEY).",
            status=401,
        )


def read(body: Mapping[str, Any]) -> Conversation:
    """Return what a request asks.

    :raises Refused: if it is wrong.
    """
    for name in body:
        if name not in FIELDS:
            raise Refused(f"Unrecognized request argument supplied: {name}", param=name, code="unknown_parameter")
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Refused("you must provide a model parameter", param="model", code="missing_required_parameter")
    messages = _messages(body)
    _check_numbers(body)
    _check_streaming(body)
    tools = tuple(_tools(body))
    since = _since_the_user(messages)
    return Conversation(
        model=model,
        system="\n\n".join(_text(message) for message in messages if message["role"] in ("system", "developer")),
        user=next((_text(message) for message in reversed(messages) if message["role"] == "user"), ""),
        results=tuple(_text(message) for message in since if message["role"] == "tool"),
        said=tuple(_text(message) for message in messages if message["role"] == "user"),
        turn=sum(message["role"] == "assistant" for message in since),
        answers=sum(message["role"] == "assistant" for message in messages),
        tools=tools,
        forced=_forced(body, tools),
        schema=_schema(body, messages),
        is_stream=bool(body.get("stream")),
        wants_usage=bool((body.get("stream_options") or {}).get("include_usage")),
        digest=digest_of(dict(body)),
        input_tokens=tokens_in([messages, body.get("tools", [])]),
    )


def _messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = body.get("messages")
    if messages is None:
        raise Refused("Missing required parameter: 'messages'.", param="messages", code="missing_required_parameter")
    if not isinstance(messages, list) or not messages:
        raise Refused(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    open_calls: list[str] = []
    for at, message in enumerate(messages):
        _check_message(message, f"messages[{at}]")
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise Refused(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
                    param=f"messages.[{at}].role",
                )
            open_calls.remove(message["tool_call_id"])
            continue
        _check_answered(open_calls, at)
        open_calls = [call["id"] for call in message.get("tool_calls") or ()]
    _check_answered(open_calls, len(messages))
    return messages


def _check_answered(open_calls: list[str], at: int) -> None:
    if open_calls:
        raise Refused(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The "
            f"following tool_call_ids did not have response messages: {', '.join(open_calls)}",
            param=f"messages.[{at}].role",
        )


def _check_message(message: Any, where: str) -> None:
    if not isinstance(message, dict):
        raise _invalid_type(where, "an object")
    role = message.get("role")
    if role not in ROLES:
        raise Refused(
            f"Invalid value: {role!r}. Supported values are: {', '.join(map(repr, ROLES))}.",
            param=f"{where}.role",
            code="invalid_value",
        )
    calls = message.get("tool_calls")
    if calls is not None:
        _check_calls(calls, role, f"{where}.tool_calls")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise _missing(f"{where}.tool_call_id")
    content = message.get("content")
    if content is None and not (role == "assistant" and calls):
        raise Refused(
            "Invalid value for 'content': expected a string, got null.", param=f"{where}.content", code="invalid_type"
        )
    if isinstance(content, list):
        for at, part in enumerate(content):
            _check_part(part, PARTS.get(role, {"text"}), f"{where}.content[{at}]")
    elif content is not None and not isinstance(content, str):
        raise _invalid_type(f"{where}.content", "one of a string or array of objects")


def _check_part(part: Any, allowed: set[str], where: str) -> None:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind not in allowed:
        raise Refused(
            f"Invalid value: {kind!r}. Supported values are: {', '.join(map(repr, sorted(allowed)))}.",
            param=f"{where}.type",
            code="invalid_value",
        )
    if kind in ("text", "refusal") and not isinstance(part.get(kind), str):
        raise _missing(f"{where}.{kind}")
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else None
        if not isinstance(url, str):
            raise _missing(f"{where}.image_url.url")
        if not url.startswith(("https://", "http://", "data:image/")):
            raise Refused(
                "Invalid 'image_url': expected a URL or a base64-encoded data URL with an image MIME type.",
                param=f"{where}.image_url.url",
                code="invalid_image_url",
            )
    if kind in ("file", "input_audio") and not isinstance(part.get(kind), dict):
        raise _missing(f"{where}.{kind}")


def _check_calls(calls: Any, role: str, where: str) -> None:
    if role != "assistant":
        raise Refused(f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")
    if not isinstance(calls, list) or not calls:
        raise Refused(f"Invalid '{where}': empty array.", param=where, code="empty_array")
    for at, call in enumerate(calls):
        here = f"{where}[{at}]"
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(call.get("id"), str):
            raise _missing(f"{here}.id")
        if call.get("type") != "function" or not isinstance(function, dict):
            raise _missing(f"{here}.function")
        _check_name(function.get("name"), f"{here}.function.name")
        if not isinstance(function.get("arguments"), str):
            raise _invalid_type(f"{here}.function.arguments", "a string")


def _check_numbers(body: Mapping[str, Any]) -> None:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused(
            "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
            param="max_tokens",
            code="invalid_parameter_combination",
        )
    for name in ("max_tokens", "max_completion_tokens"):
        if body.get(name) is not None and not is_count(body[name]):
            raise Refused(f"Invalid '{name}': expected a value >= 1.", param=name, code="integer_below_min_value")
    for name, low, high in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("frequency_penalty", -2, 2),
    ):
        if body.get(name) is not None and not is_number(body[name], low, high):
            raise Refused(
                f"Invalid '{name}': expected a decimal between {low} and {high}.", param=name, code="invalid_value"
            )
    if body.get("n") not in (None, 1):
        raise Refused("Invalid 'n': this provider gives one choice.", param="n", code="integer_above_max_value")


def _check_streaming(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("stream") or False, bool):
        raise _invalid_type("stream", "a boolean")
    options = body.get("stream_options")
    if options is not None and not body.get("stream"):
        raise Refused(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if options is not None and not isinstance(options, dict):
        raise _invalid_type("stream_options", "an object")


def _tools(body: Mapping[str, Any]) -> Iterator[Tool]:
    tools = body.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list) or not tools:
        raise Refused(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="tools",
            code="empty_array",
        )
    for at, tool in enumerate(tools):
        where = f"tools[{at}]"
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(tool, dict) or tool.get("type") != "function" or not isinstance(function, dict):
            raise _missing(f"{where}.function")
        _check_name(function.get("name"), f"{where}.function.name")
        name, parameters = function["name"], function.get("parameters", {"type": "object", "properties": {}})
        if not isinstance(parameters, dict) or parameters.get("type") != "object":
            kind = parameters.get("type") if isinstance(parameters, dict) else None
            raise _invalid_function(
                name, f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.", where
            )
        if problem := schema_problem(parameters) or (function.get("strict") and _strict_problem(parameters)):
            raise _invalid_function(name, str(problem), where)
        yield Tool(name, parameters)


def _invalid_function(name: str, problem: str, where: str) -> Refused:
    return Refused(
        f"Invalid schema for function '{name}': {problem}",
        param=f"{where}.function.parameters",
        code="invalid_function_parameters",
    )


def _strict_problem(schema: Any, at: tuple[str, ...] = ()) -> str | None:
    """Return what keeps a schema from being followed to the letter: every object says what it has, and all of it."""
    if isinstance(schema, list):
        return next((found for item in schema if (found := _strict_problem(item, at))), None)
    if not isinstance(schema, dict):
        return None
    properties = schema.get("properties")
    if schema.get("type") == "object" or isinstance(properties, dict):
        if schema.get("additionalProperties") is not False:
            return f"In context={at}, 'additionalProperties' is required to be supplied and to be false."
        missing = sorted(set(properties or {}) - set(schema.get("required", ())))
        if missing:
            return (
                f"In context={at}, 'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing[0]}'."
            )
    for key in ("properties", "$defs", "definitions"):
        for name, item in (schema.get(key) or {}).items():
            if found := _strict_problem(item, (*at, key, name)):
                return found
    return next((found for key in ("items", "anyOf") if (found := _strict_problem(schema.get(key), (*at, key)))), None)


def _forced(body: Mapping[str, Any], tools: tuple[Tool, ...]) -> Tool | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    if not tools:
        raise Refused("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    if choice in ("none", "auto"):
        return None
    if choice == "required":
        return next((tool for tool in tools if tool.name == OUTPUT_TOOL), tools[0])
    name = (choice.get("function") or {}).get("name") if isinstance(choice, dict) else None
    for tool in tools:
        if tool.name == name:
            return tool
    raise Refused("Invalid value for 'tool_choice': no such function in 'tools'.", param="tool_choice")


def _schema(body: Mapping[str, Any], messages: list[dict[str, Any]]) -> Mapping[str, Any] | None:
    wanted = body.get("response_format")
    if wanted is None:
        return None
    match wanted.get("type") if isinstance(wanted, dict) else None:
        case "text":
            return None
        case "json_object":
            if not any("json" in _text(message).lower() for message in messages):
                raise Refused(
                    "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
                    param="messages",
                )
            return {"type": "object"}
        case "json_schema":
            return _json_schema(wanted.get("json_schema"))
    raise Refused(
        "Invalid value for 'response_format.type'. Supported values are: 'json_object', 'json_schema', and 'text'.",
        param="response_format.type",
        code="invalid_value",
    )


def _json_schema(given: Any) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise _missing("response_format.json_schema")
    _check_name(given.get("name"), "response_format.json_schema.name")
    schema = given.get("schema")
    if not isinstance(schema, dict):
        raise _missing("response_format.json_schema.schema")
    problem = schema_problem(schema) or (given.get("strict") and _strict_problem(schema))
    if problem:
        raise Refused(
            f"Invalid schema for response_format '{given['name']}': {problem}",
            param="response_format",
            code="invalid_json_schema",
        )
    return schema


def _check_name(name: Any, where: str) -> None:
    if not isinstance(name, str):
        raise _missing(where)
    if not _NAME.fullmatch(name):
        raise Refused(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches the pattern "
            "'^[a-zA-Z0-9_-]+$' of at most 64 characters.",
            param=where,
            code="invalid_value",
        )


def _missing(where: str) -> Refused:
    return Refused(f"Missing required parameter: '{where}'.", param=where, code="missing_required_parameter")


def _invalid_type(where: str, wanted: str) -> Refused:
    return Refused(f"Invalid type for '{where}': expected {wanted}.", param=where, code="invalid_type")


def _since_the_user(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    latest = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=-1)
    return messages[latest + 1 :]


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "\n".join(part["text"] for part in content if part.get("type") == "text")
    return content or ""
