"""Answers of ``/v1/messages`` and ``/v1/models``, whole and in a stream, as Anthropic gives them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from workflows.fake_provider.answers import Answer, Counted, pieces
from workflows.fake_provider.conversation import Conversation
from workflows.fake_provider.delivery import sse
from workflows.fake_provider.refusals import Refused
from workflows.fake_provider.requests_anthropic import check_key, read
from workflows.fake_provider.signatures import sign

__all__ = ["NAME", "check_key", "error_event", "events", "failure", "message", "model_list", "read", "refusal"]

NAME = "anthropic"
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    401: "invalid x-api-key",
    429: "This request would exceed your rate limit. Please try again later.",
    500: "Internal server error",
    529: "Overloaded",
}
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "content_filter": "refusal"}


def message(answer: Answer, conversation: Conversation) -> dict[str, Any]:
    """Return an answer as it comes in one piece."""
    return {
        **_head(conversation),
        "content": _content(answer, conversation),
        "stop_reason": _stop_reason(answer),
        "stop_sequence": None,
        "usage": _usage(answer.counted(conversation)),
    }


def events(answer: Answer, conversation: Conversation) -> Iterator[str]:
    """Yield an answer as it comes in a stream."""
    used = answer.counted(conversation)
    # What has been said so far is next to nothing; the end tells the sum.
    begun = {**_usage(used), "output_tokens": min(1, used.output_tokens)}
    empty = {**_head(conversation), "content": [], "stop_reason": None, "stop_sequence": None, "usage": begun}
    yield _event("message_start", message=empty)
    for index, block in enumerate(_content(answer, conversation)):
        start, deltas = _in_deltas(block, answer)
        yield _event("content_block_start", index=index, content_block=start)
        if index == 0:
            yield _event("ping")
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)
    end = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
    yield _event("message_delta", delta=end, usage=_usage(used))
    yield _event("message_stop")


def failure(status: int, text: str = "") -> dict[str, Any]:
    """Return the body of an error."""
    kind = _ERRORS.get(status, "api_error" if status >= 500 else "invalid_request_error")
    said = text or _MESSAGES.get(status, "Something went wrong.")
    return {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_fake"}


def refusal(refused: Refused) -> dict[str, Any]:
    """Return the body that says why a request was refused."""
    return failure(refused.status, refused.message)


def error_event(status: int, text: str) -> str:
    """Return an error as it comes within a stream."""
    return sse(failure(status, text), event="error")


def model_list(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the models, as ``GET /v1/models`` lists them."""
    return {
        "data": [
            {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"} for name in names
        ],
        "has_more": False,
        "first_id": names[0] if names else None,
        "last_id": names[-1] if names else None,
    }


def _event(kind: str, **fields: Any) -> str:
    return sse({"type": kind, **fields}, event=kind)


def _head(conversation: Conversation) -> dict[str, Any]:
    return {"id": conversation.new_id("msg_"), "type": "message", "role": "assistant", "model": conversation.model}


def _content(answer: Answer, conversation: Conversation) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.thinking:
        blocks.append({"type": "thinking", "thinking": answer.thinking, "signature": sign(answer.thinking)})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for index, call in enumerate(answer.tool_calls):
        # Where arguments are no JSON, this protocol can only hold what was said as a text.
        given: Any = call.arguments if call.malformed is None else call.malformed
        call_id = call.id or conversation.new_id("toolu_", index)
        blocks.append({"type": "tool_use", "id": call_id, "name": call.name, "input": given})
    return blocks


def _in_deltas(block: dict[str, Any], answer: Answer) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return how a block begins, and what it goes on with."""
    size = answer.chunk_chars
    match block["type"]:
        case "thinking":
            thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"], size)]
            seal = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, seal]
        case "text":
            said = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"], size)]
            return {"type": "text", "text": ""}, said
    given = block["input"]
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False) if given else ""
    # The first delta is empty, as Anthropic's is; without arguments it is the only one.
    parts = ["", *pieces(text, size)]
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in parts]


def _stop_reason(answer: Answer) -> str:
    if answer.finish:
        return _STOP_REASONS[answer.finish]
    return "tool_use" if answer.tool_calls else "end_turn"


def _usage(used: Counted) -> dict[str, Any]:
    cached, written = used.cached_input_tokens, used.cache_write_tokens
    return {
        # Without what was read from the cache or written to it: the three together are what was sent.
        "input_tokens": max(0, used.input_tokens - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"thinking_tokens": used.reasoning_tokens},
        "service_tier": "standard",
    }
