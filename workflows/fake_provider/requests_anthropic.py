"""Requests to ``/v1/messages``, read and checked as Anthropic checks them, in its words.

One check is stricter: roles must alternate. Anthropic itself joins neighbours of the same role; others that speak its
protocol refuse them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from workflows.fake_provider.answers import OUTPUT_TOOL
from workflows.fake_provider.conversation import Conversation, Tool, digest_of, tokens_in
from workflows.fake_provider.refusals import Refused, bearer_of, is_count, is_number, schema_problem
from workflows.fake_provider.signatures import sign

FIELDS = frozenset(
    {
        *("max_tokens", "messages", "model", "cache_control", "container", "diagnostics", "inference_geo", "metadata"),
        *("output_config", "service_tier", "speed", "stop_sequences", "stream", "system", "temperature", "thinking"),
        *("tool_choice", "tools", "top_k", "top_p"),
    }
)
BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}
MIN_THINKING = 1024
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


def check_key(headers: Mapping[str, str]) -> None:
    """Do nothing, if there is a key.

    :raises Refused: if there is none.
    """
    if not (headers.get("x-api-key") or bearer_of(headers)):
        raise Refused("x-api-key header is required", status=401)
    if not headers.get("anthropic-version"):
        raise Refused("anthropic-version: header is required")


def read(body: Mapping[str, Any]) -> Conversation:
    """Return what a request asks.

    :raises Refused: if it is wrong.
    """
    for name in ("model", "max_tokens", "messages"):
        if body.get(name) is None:
            raise Refused(f"{name}: Field required")
    for name in body:
        if name not in FIELDS:
            raise Refused(f"{name}: Extra inputs are not permitted")
    if not isinstance(body["model"], str) or not body["model"]:
        raise Refused("model: String should have at least 1 character")
    if not is_count(body["max_tokens"]):
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    thinks = _check_thinking(body)
    messages = _messages(body, thinks=thinks)
    tools = tuple(_tools(body))
    since = _since_the_user(messages)
    return Conversation(
        model=body["model"],
        system=_system(body.get("system")),
        user=next((_text(message) for message in reversed(messages) if _is_said(message)), ""),
        results=tuple(_result(block) for message in since for block in _of(message, "tool_result")),
        said=tuple(_text(message) for message in messages if _is_said(message)),
        turn=sum(message["role"] == "assistant" for message in since),
        answers=sum(message["role"] == "assistant" for message in messages),
        tools=tools,
        forced=_forced(body, tools, thinks=thinks),
        schema=_schema(body),
        is_stream=_stream(body),
        wants_usage=True,
        digest=digest_of(dict(body)),
        input_tokens=tokens_in([body.get("system", ""), messages, body.get("tools", [])]),
    )


def _messages(body: Mapping[str, Any], *, thinks: bool) -> list[dict[str, Any]]:
    messages = body["messages"]
    if not isinstance(messages, list):
        raise Refused("messages: Input should be a valid list")
    if not messages:
        raise Refused("messages: at least one message is required")
    read = [_message(message, at) for at, message in enumerate(messages)]
    if read[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    for before, after in pairwise(read):
        if before["role"] == after["role"]:
            raise Refused(
                'messages: roles must alternate between "user" and "assistant", but found multiple '
                f'"{after["role"]}" roles in a row'
            )
    for at, message in enumerate(read):
        _check_results(read, at, message)
    for at, message in enumerate(read):
        _check_answered(read, at, message)
    if thinks:
        _check_thoughts(read)
    _check_end(read[-1])
    return read


def _message(message: Any, at: int) -> dict[str, Any]:
    """Return a message with its content as a list of blocks."""
    where = f"messages.{at}"
    if not isinstance(message, dict):
        raise Refused(f"{where}: Input should be a valid dictionary")
    role = message.get("role")
    if role == "system":
        raise Refused(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as an '
            "input message role."
        )
    if role not in BLOCKS:
        raise Refused(f"{where}.role: Input should be 'user' or 'assistant'")
    for name in message:
        if name not in ("role", "content"):
            raise Refused(f"{where}.{name}: Extra inputs are not permitted")
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise Refused(f"{where}.content: Input should be a valid list")
    if not blocks or blocks == [{"type": "text", "text": ""}]:
        raise Refused(
            f"{where}: all messages must have non-empty content except for the optional final assistant message"
        )
    for number, block in enumerate(blocks):
        _check_block(block, BLOCKS[role], f"{where}.content.{number}")
    return {"role": role, "content": blocks}


def _check_block(block: Any, allowed: set[str], where: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in allowed:
        raise Refused(
            f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags: {sorted(allowed)}"
        )
    match kind:
        case "text":
            if not isinstance(block.get("text"), str):
                raise Refused(f"{where}.text.text: Field required")
            if not block["text"]:
                raise Refused("messages: text content blocks must be non-empty")
            if not block["text"].strip():
                raise Refused("messages: text content blocks must contain non-whitespace text")
        case "image" | "document":
            _check_source(block.get("source"), f"{where}.{kind}.source")
        case "thinking":
            if block.get("signature") != sign(str(block.get("thinking"))):
                raise Refused(f"{where}: Invalid `signature` in `thinking` block")
        case "tool_use":
            for name, wanted in (("id", str), ("name", str), ("input", dict)):
                if not isinstance(block.get(name), wanted):
                    raise Refused(
                        f"{where}.tool_use.{name}: {'Input should be a valid dictionary' if wanted is dict else 'Field required'}"
                    )
            if not _ID.fullmatch(block["id"]):
                raise Refused(f"{where}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not _NAME.fullmatch(block["name"]):
                raise Refused(f"{where}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        case "tool_result":
            if not isinstance(block.get("tool_use_id"), str):
                raise Refused(f"{where}.tool_result.tool_use_id: Field required")
            for number, part in enumerate(block["content"] if isinstance(block.get("content"), list) else ()):
                _check_block(part, {"text", "image", "document"}, f"{where}.tool_result.content.{number}")


def _check_source(source: Any, where: str) -> None:
    kind = source.get("type") if isinstance(source, dict) else None
    needed = {"base64": ("media_type", "data"), "url": ("url",), "text": ("media_type", "data"), "file": ("file_id",)}
    if kind not in needed:
        raise Refused(f"{where}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    for name in needed[kind]:
        if not isinstance(source.get(name), str):
            raise Refused(f"{where}.{kind}.{name}: Field required")


def _check_results(messages: list[dict[str, Any]], at: int, message: dict[str, Any]) -> None:
    """Refuse results without their calls."""
    asked = [block["id"] for block in _of(messages[at - 1], "tool_use")] if at else []
    given = [block["tool_use_id"] for block in _of(message, "tool_result")]
    for number, block in enumerate(message["content"]):
        if block["type"] == "tool_result" and block["tool_use_id"] not in asked:
            raise Refused(
                f"messages.{at}.content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: "
                f"{block['tool_use_id']}. Each `tool_result` block must have a corresponding `tool_use` block in the previous "
                "message."
            )
    if len(set(given)) != len(given):
        raise Refused(
            f"messages.{at}.content: each tool_use must have a single result. Found multiple `tool_result` blocks"
        )


def _check_answered(messages: list[dict[str, Any]], at: int, message: dict[str, Any]) -> None:
    """Refuse calls without their results."""
    calls = [block["id"] for block in _of(message, "tool_use")]
    if len(set(calls)) != len(calls):
        raise Refused("messages: `tool_use` ids must be unique")
    # Results come first: those behind a text are not seen.
    first = messages[at + 1]["content"][: len(calls)] if at + 1 < len(messages) else []
    answered = {block.get("tool_use_id") for block in first}
    if missing := [call for call in calls if call not in answered]:
        raise Refused(
            f"messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. "
            "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
        )


def _check_thoughts(messages: list[dict[str, Any]]) -> None:
    """Refuse calls of tools without the thoughts before them; those of earlier questions may be left out."""
    since = _since_the_user(messages)
    for at, message in enumerate(since, start=len(messages) - len(since)):
        kind = message["content"][0]["type"]
        if _of(message, "tool_use") and kind not in ("thinking", "redacted_thinking"):
            raise Refused(
                f"messages.{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. When "
                "`thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost "
                "set of `tool_use` and `tool_result` blocks)."
            )


def _check_end(message: dict[str, Any]) -> None:
    last = message["content"][-1]
    if message["role"] == "assistant" and last["type"] == "text" and last["text"] != last["text"].rstrip():
        raise Refused("messages: final assistant content cannot end with trailing whitespace")


def _check_thinking(body: Mapping[str, Any]) -> bool:
    """Return whether the model is to think."""
    if body.get("temperature") is not None and not is_number(body["temperature"], 0, 1):
        raise Refused("temperature: range: 0..1")
    thinking = body.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if thinking is not None and kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        raise Refused(
            "thinking: Input tag found using 'type' does not match any of the expected tags: 'adaptive', 'disabled', 'enabled'"
        )
    if kind != "enabled":
        return False
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    if not isinstance(budget, int) or budget < MIN_THINKING:
        raise Refused(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {MIN_THINKING}")
    if budget >= body["max_tokens"]:
        raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
    if body.get("temperature") not in (None, 1):
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
    return True


def _tools(body: Mapping[str, Any]) -> Iterator[Tool]:
    tools = body.get("tools") or []
    if not isinstance(tools, list):
        raise Refused("tools: Input should be a valid list")
    seen: set[str] = set()
    for at, tool in enumerate(tools):
        where = f"tools.{at}.custom"
        name = tool.get("name") if isinstance(tool, dict) else None
        if not isinstance(name, str):
            raise Refused(f"{where}.name: Field required")
        if not _NAME.fullmatch(name):
            raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        if name in seen:
            raise Refused("tools: Tool names must be unique.")
        seen.add(name)
        schema = tool.get("input_schema")
        if not isinstance(schema, dict):
            raise Refused(f"{where}.input_schema: Field required")
        if "type" not in schema:
            raise Refused(f"{where}.input_schema.type: Field required")
        if schema["type"] != "object":
            raise Refused(f"{where}.input_schema.type: Input should be 'object'")
        if schema_problem(schema):
            raise Refused(
                f"{where}.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
                "(https://json-schema.org/draft/2020-12)."
            )
        yield Tool(name, schema)


def _forced(body: Mapping[str, Any], tools: tuple[Tool, ...], *, thinks: bool) -> Tool | None:
    choice = body.get("tool_choice")
    if choice is None:
        return None
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in ("auto", "any", "tool", "none"):
        raise Refused(
            "tool_choice: Input tag found using 'type' does not match any of the expected tags: 'any', 'auto', 'none', 'tool'"
        )
    if not tools:
        raise Refused("tool_choice: Tool choice may only be specified while providing tools.")
    if kind in ("auto", "none"):
        return None
    if thinks:
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    if kind == "any":
        return next((tool for tool in tools if tool.name == OUTPUT_TOOL), tools[0])
    for tool in tools:
        if tool.name == choice.get("name"):
            return tool
    raise Refused(f"tool_choice.tool.name: Tool '{choice.get('name')}' not found in provided tools")


def _schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else None
    if wanted is None:
        return None
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise Refused("output_config.format.type: Input should be 'json_schema'")
    schema = wanted.get("schema")
    if not isinstance(schema, dict):
        raise Refused("output_config.format.schema: Field required")
    if problem := schema_problem(schema):
        raise Refused(f"output_config.format.schema: Invalid schema: {problem}")
    return schema


def _stream(body: Mapping[str, Any]) -> bool:
    stream = body.get("stream", False)
    if not isinstance(stream, bool):
        raise Refused("stream: Input should be a valid boolean")
    return stream


def _system(system: Any) -> str:
    if system is None or isinstance(system, str):
        return system or ""
    if not isinstance(system, list):
        raise Refused("system: Input should be a valid list")
    for at, block in enumerate(system):
        if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
            raise Refused(f"system.{at}.type: Input should be 'text'")
        if not block["text"]:
            raise Refused("system: text content blocks must be non-empty")
    return "\n\n".join(block["text"] for block in system)


def _of(message: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    return [block for block in message["content"] if block["type"] == kind]


def _is_said(message: Mapping[str, Any]) -> bool:
    """Test whether the user said this, and no tool."""
    return message["role"] == "user" and not _of(message, "tool_result")


def _since_the_user(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    latest = max((at for at, message in enumerate(messages) if _is_said(message)), default=-1)
    return messages[latest + 1 :]


def _text(message: Mapping[str, Any]) -> str:
    return "\n".join(block["text"] for block in _of(message, "text"))


def _result(block: Mapping[str, Any]) -> str:
    content = block.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")
