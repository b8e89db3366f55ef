"""Answers of ``/v1/chat/completions`` and ``/v1/models``, whole and in a stream, as OpenAI gives them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from workflows.fake_provider.answers import Answer, pieces
from workflows.fake_provider.conversation import Conversation
from workflows.fake_provider.delivery import sse
from workflows.fake_provider.refusals import Refused
from workflows.fake_provider.requests_openai import check_key, read

__all__ = ["NAME", "check_key", "error_event", "events", "failure", "message", "model_list", "read", "refusal"]

NAME = "openai"
# What went wrong, by its status: type and code.
_ERRORS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", None),
}
_MESSAGES = {
    401: "Incorrect API key provided.",
    404: "The model does not exist or you do not have access to it.",
    429: "Rate limit reached for requests.",
    500: "The server had an error while processing your request. Sorry about that!",
    503: "The engine is currently overloaded, please try again later.",
}


def message(answer: Answer, conversation: Conversation) -> dict[str, Any]:
    """Return an answer as it comes in one piece."""
    said: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None, "annotations": []}
    if not answer.text and not answer.tool_calls:
        said["content"] = ""
    if answer.thinking:
        said["reasoning_content"] = answer.thinking
    if answer.tool_calls:
        said["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in _calls(answer, conversation)
        ]
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": _finish(answer)}
    return {
        "id": conversation.new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": conversation.model,
        "choices": [choice],
        "usage": _usage(answer, conversation),
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def events(answer: Answer, conversation: Conversation) -> Iterator[str]:
    """Yield an answer as it comes in a stream."""
    head = {
        "id": conversation.new_id("chatcmpl-"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": conversation.model,
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }
    empty = {"usage": None} if conversation.wants_usage else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**head, "choices": [choice], **empty})

    yield chunk({"role": "assistant", "content": None if answer.tool_calls else "", "refusal": None})
    for piece in pieces(answer.thinking, answer.chunk_chars):
        yield chunk({"reasoning_content": piece})
    for piece in pieces(answer.text, answer.chunk_chars):
        yield chunk({"content": piece})
    for index, (call_id, name, arguments) in enumerate(_calls(answer, conversation)):
        function = {"name": name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": index, "id": call_id, "type": "function", "function": function}]})
        for piece in pieces(arguments, answer.chunk_chars):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _finish(answer))
    if conversation.wants_usage:
        yield sse({**head, "choices": [], "usage": _usage(answer, conversation)})
    yield sse("[DONE]")


def failure(status: int, text: str = "") -> dict[str, Any]:
    """Return the body of an error."""
    kind, code = _ERRORS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return _error(text or _MESSAGES.get(status, "Something went wrong."), kind, None, code)


def refusal(refused: Refused) -> dict[str, Any]:
    """Return the body that says why a request was refused."""
    return _error(refused.message, "invalid_request_error", refused.param, refused.code)


def error_event(status: int, text: str) -> str:
    """Return an error as it comes within a stream."""
    return sse(failure(status, text))


def model_list(names: tuple[str, ...]) -> dict[str, Any]:
    """Return the models, as ``GET /v1/models`` lists them."""
    return {
        "object": "list",
        "data": [{"id": name, "object": "model", "created": 0, "owned_by": "segue"} for name in names],
    }


def _error(text: str, kind: str, param: str | None, code: str | None) -> dict[str, Any]:
    return {"error": {"message": text, "type": kind, "param": param, "code": code}}


def _calls(answer: Answer, conversation: Conversation) -> Iterator[tuple[str, str, str]]:
    for index, call in enumerate(answer.tool_calls):
        yield call.id or conversation.new_id("call_", index), call.name, call.text


def _finish(answer: Answer) -> str:
    return answer.finish or ("tool_calls" if answer.tool_calls else "stop")


def _usage(answer: Answer, conversation: Conversation) -> Mapping[str, Any]:
    used = answer.counted(conversation)
    return {
        "prompt_tokens": used.input_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.input_tokens + used.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": used.cached_input_tokens,
            "cache_write_tokens": used.cache_write_tokens,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
