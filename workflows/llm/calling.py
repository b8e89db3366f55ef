"""The library that speaks with models: imported here and nowhere else, and this module only when a model is called.

Only its translation is used, one request at a time (``pydantic_ai.direct``). Its agent, its retries and its telemetry are not.
"""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import exceptions
from pydantic_ai import messages as library
from pydantic_ai.direct import model_request, model_request_stream
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.anthropic import AnthropicModel, AnthropicModelSettings
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from projects.exceptions import Invalid
from projects.payloads import parse_json
from workflows.http import Cancelled, DoorError, Postponed, urls
from workflows.llm import errors
from workflows.llm.call_ids import with_plain_ids
from workflows.llm.errors import Failures, Kind
from workflows.llm.messages import (
    AssistantMessage,
    AssistantPart,
    ThinkingPart,
    ToolCallPart,
    ToolMessage,
    Usage,
    UserMessage,
    UserPart,
    tool_calls_in,
)
from workflows.llm.requests import BASE_URLS, ModelAnswer, ModelRequest, sendable_name
from workflows.llm.transport import DoorTransport, client
from workflows.nodes.base import NodeError

logger = logging.getLogger(__name__)

# The libraries want a key. What is sent is the transport's.
_NO_KEY = "none"
_OPENAI_HOSTS = ("openai.com", "openai.azure.com", "cognitiveservices.azure.com")
_ANSWER = "final_result"
_FILE_TYPES = frozenset({"application/pdf", "image/gif", "image/jpeg", "image/png", "image/webp"})
_MALFORMED = "INVALID_JSON"
_MAX_ARGUMENTS_BYTES = 1024 * 1024

# The library's categories, the narrower ones first.
_KINDS: tuple[tuple[type[Exception], Kind], ...] = (
    (exceptions.ModelRateLimitError, errors.RATE),
    (exceptions.ModelQuotaExceededError, errors.QUOTA),
    (exceptions.ModelUnavailableError, errors.OVERLOADED),
    (exceptions.ModelServerError, errors.OVERLOADED),
    (exceptions.ModelAuthenticationError, errors.AUTH),
    (exceptions.ModelNotFoundError, errors.UNKNOWN),
    (exceptions.ModelContextWindowExceededError, errors.CONTEXT),
    (exceptions.ModelRequestRejectedError, errors.REFUSED),
)
# What the library says on purpose.
_REFUSALS = (exceptions.AgentRunError, exceptions.UserError)
_FILTER_CODES = frozenset({"content_filter", "content_policy_violation"})

# The libraries write down every request, with its address and some with its body; what OPENAI_LOG and the like say of it
# does not count.
for _name in ("anthropic", "httpx2", "openai", "pydantic_ai"):
    logging.getLogger(_name).setLevel(logging.WARNING)
# They warn of settings that a model does not know, on the worker's own error output: nobody who could change them reads that.
warnings.filterwarnings("ignore", category=UserWarning, module=r"pydantic_ai\.")


def prepare() -> None:
    """Load what the libraries themselves load with the first call."""
    for provider in BASE_URLS:
        request = ModelRequest(provider, "none", messages=[])
        _model(request, DoorTransport(request, seconds=1))


def call(request: ModelRequest, *, seconds: float, on_text: Callable[[str], None] | None = None) -> ModelAnswer:
    """Do what :func:`workflows.llm.call` says."""
    failures = Failures(request)
    if seconds <= 0:
        raise failures.of_kind(errors.TIMEOUT, was_sent=False)
    _check_url(request, failures)
    _check_files(request, failures)
    listener = None if on_text is None else _Listener(on_text)
    with DoorTransport(request, seconds=seconds) as transport:
        try:
            response = asyncio.run(_ask(request, transport, listener))
        except Exception as error:
            # Whatever the libraries made of it: if the door failed, that is what happened. And they trip over answers that are
            # not what they expect, in ways that nobody can list.
            is_answer = transport.failure is not None or transport.status > 0
            if (listener is not None and listener.failed) or not (is_answer or isinstance(error, _REFUSALS)):
                raise
            if transport.failure is None and not isinstance(error, _REFUSALS):
                logger.warning("A model's answer was not understood.", exc_info=True)
            _check_failure(transport)
            raise _error(error, transport, failures) from error
        if transport.failure is not None:
            _check_failure(transport)
            raise _error(transport.failure, transport, failures)
        return _answer(response, request, transport, failures)


def _check_failure(transport: DoorTransport) -> None:
    """Raise what a node may not turn into an error of its own, if that is why no answer came."""
    if isinstance(transport.failure, Cancelled | Postponed):
        raise transport.failure from None


class _Listener:
    """Hands text on, and knows whether an error is of who listens."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self.failed = False
        self._on_text = on_text

    def hear(self, text: str) -> None:
        try:
            self._on_text(text)
        except Exception:
            self.failed = True
            raise


# --- Asking -------------------------------------------------------------------------------------------------------------


async def _ask(request: ModelRequest, transport: DoorTransport, listener: _Listener | None) -> library.ModelResponse:
    model = _model(request, transport)
    parameters = _parameters(request, model)
    history = list(_history(request, model.system))
    settings = _settings(request)
    if listener is None:
        return await model_request(
            model, history, model_settings=settings, model_request_parameters=parameters, instrument=False
        )
    async with model_request_stream(
        model, history, model_settings=settings, model_request_parameters=parameters, instrument=False
    ) as stream:
        async for event in stream:
            match event:
                case (
                    library.PartStartEvent(part=library.TextPart(content=text))
                    | library.PartDeltaEvent(delta=library.TextPartDelta(content_delta=text))
                ) if text:
                    listener.hear(text)
    return stream.get()


def _model(request: ModelRequest, transport: DoorTransport) -> Model[Any]:
    """Return the library's model, whose client knows nothing but the request and our transport."""
    http = client(transport)
    if request.provider == "anthropic":
        anthropic = AsyncAnthropic(
            api_key=_NO_KEY, base_url=request.url, max_retries=0, http_client=http, open_telemetry=False
        )
        anthropic._custom_headers = {}  # Those of ANTHROPIC_CUSTOM_HEADERS.
        anthropic._platform = "Unknown"  # Else a thread looks it up, for a header that is not sent.
        return AnthropicModel(request.model, provider=AnthropicProvider(anthropic_client=anthropic))
    openai = AsyncOpenAI(api_key=_NO_KEY, base_url=request.url, max_retries=0, http_client=http)
    openai._custom_headers = {}  # Those of OPENAI_CUSTOM_HEADERS.
    openai._platform = "Unknown"
    host = urlsplit(request.url).hostname or ""
    if any(host == own or host.endswith(f".{own}") for own in _OPENAI_HOSTS):
        return OpenAIChatModel(request.model, provider=OpenAIProvider(openai_client=openai))
    # Other services know the older name of the limit, many of them no other; and what one has sealed is not for the next.
    profile = OpenAIModelProfile(openai_chat_supports_max_completion_tokens=False)
    provider = OpenAICompatibleProvider(f"openai@{host}", openai_client=openai, profile=profile)
    return OpenAIChatModel(request.model, provider=provider)


def _settings(request: ModelRequest) -> ModelSettings:
    # The library would explain to the model how it writes messages that Segue never sends.
    settings = AnthropicModelSettings(framing_announcement="never")
    if request.provider == "anthropic" and request.tools:
        # Where there are tools, the next call repeats all of this one: reading it from the cache costs a tenth, putting it there a
        # quarter more. Other providers cache by themselves.
        settings["anthropic_cache_messages"] = True
    if request.max_tokens is not None:
        settings["max_tokens"] = request.max_tokens
    if request.temperature is not None:
        settings["temperature"] = request.temperature
    if request.tools:
        settings["tool_choice"] = request.tool_choice
    return settings


def _parameters(request: ModelRequest, model: Model[Any]) -> ModelRequestParameters:
    parameters = ModelRequestParameters(
        function_tools=[
            ToolDefinition(
                name=tool.name, description=tool.description, parameters_json_schema=dict(tool.parameters), strict=False
            )
            for tool in request.tools
        ],
        instruction_parts=[library.InstructionPart(content=request.instructions)] if request.instructions else None,
    )
    if request.output_schema is None:
        return parameters
    schema = dict(request.output_schema)
    if model.profile.get("supports_json_schema_output", False):
        return replace(
            parameters,
            output_mode="native",
            output_object=OutputObjectDefinition(json_schema=schema, name=_ANSWER),
        )
    # The model then has to answer by calling a tool that is none.
    answer = ToolDefinition(
        name=_answer_tool(request), description="Give the final answer.", parameters_json_schema=schema
    )
    return replace(parameters, output_mode="tool", output_tools=[answer], allow_text_output=False)


def _answer_tool(request: ModelRequest) -> str:
    """Return a name that no tool of the request has."""
    name, taken = _ANSWER, {tool.name for tool in request.tools}
    while name in taken:
        name += "_"
    return name


# --- Our messages in the library's words ----------------------------------------------------------------------------------


def _history(request: ModelRequest, system: str) -> Iterator[library.ModelMessage]:
    said: list[library.ModelRequestPart] = []
    for message in with_plain_ids(request.messages) if request.provider == "anthropic" else request.messages:
        if message["role"] != "assistant":
            # Results of tools and what was said after them are one turn.
            said += _request_parts(message, request)
        elif parts := list(_response_parts(message, system)):
            if said:
                yield library.ModelRequest(parts=said)
                said = []
            yield library.ModelResponse(parts=parts, provider_name=system)
    if said:
        yield library.ModelRequest(parts=said)


def _request_parts(message: UserMessage | ToolMessage, request: ModelRequest) -> list[library.ModelRequestPart]:
    if message["role"] == "user":
        content = [_user_content(part, request) for part in message["parts"]]
        match content:
            case [str(text)]:
                return [library.UserPromptPart(content=text)]
        return [library.UserPromptPart(content=content)]
    return [
        library.ToolReturnPart(
            tool_name=sendable_name(part["name"]),
            content=part["content"],
            tool_call_id=part["id"],
            outcome="failed" if part["is_error"] else "success",
        )
        for part in message["parts"]
    ]


def _user_content(part: UserPart, request: ModelRequest) -> library.UserContent:
    if part["type"] == "text":
        return part["text"]
    media_type, data = request.files[part["name"]]
    if _is_text(media_type):
        return f"File {part['name']}:\n{data.decode(errors='replace')}"
    return library.BinaryContent(data=data, media_type=media_type)


def _response_parts(message: AssistantMessage, system: str) -> Iterator[library.ModelResponsePart]:
    for part in message["parts"]:
        match part["type"]:
            case "text" if part["text"].strip():  # Providers refuse to be told that they said nothing.
                yield library.TextPart(content=part["text"])
            case "thinking" if part.get("provider") == system and part.get("id") != "content":
                # Another provider would read it as something that was said; so would this one what stood in the text itself.
                yield library.ThinkingPart(
                    content=part["text"],
                    id=part.get("id"),
                    signature=part.get("signature"),
                    provider_name=system,
                )
            case "tool_call":
                is_ours = part.get("provider") == system
                arguments = part["arguments"]
                yield library.ToolCallPart(
                    tool_name=sendable_name(part["name"]),
                    args={_MALFORMED: part.get("malformed", "")} if arguments is None else arguments,
                    tool_call_id=part["id"],
                    provider_name=system if is_ours else None,
                    provider_details=part.get("details") if is_ours else None,
                )


def _check_url(request: ModelRequest, failures: Failures) -> None:
    try:
        urls.parse(request.url)
    except DoorError as error:
        raise failures.of_door(error) from error


def _check_files(request: ModelRequest, failures: Failures) -> None:
    for name, (media_type, _) in request.files.items():
        is_audio = media_type in ("audio/wav", "audio/mpeg") and request.provider == "openai"
        if not (_is_text(media_type) or media_type in _FILE_TYPES or is_audio):
            kind = replace(
                errors.REFUSED,
                says=f"the file {name} is of a type that it cannot be given ({media_type})",
                advice="Texts, PDF, and images (PNG, JPEG, GIF, WebP) can go along; sound (WAV, MP3) with `openai` alone.",
            )
            raise failures.of_kind(kind, was_sent=False)


def _is_text(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type.endswith(("json", "xml", "yaml"))


# --- The library's answer in our words ------------------------------------------------------------------------------------


def _answer(
    response: library.ModelResponse, request: ModelRequest, transport: DoorTransport, failures: Failures
) -> ModelAnswer:
    """Return an answer as Segue writes it down.

    :raises NodeError: if it is none, or not whole.
    """
    details = response.provider_details or {}
    if response.finish_reason == "content_filter":
        words = details.get("refusal") or details.get("finish_reason") or ""
        raise failures.of_kind(errors.FILTERED, was_sent=True, words=str(words))
    if transport.is_stream and "finish_reason" not in details and not transport.ends_as_done:
        kind = replace(errors.BROKEN, says="the answer ended before it was whole")
        raise failures.of_kind(kind, was_sent=True)
    parts = list(_parts(response.parts, request, response.provider_name or request.provider))
    finish_reason = response.finish_reason or "stop"
    if finish_reason == "tool_call" and not tool_calls_in(parts):
        finish_reason = "stop"  # What it called was the answer.
    return ModelAnswer(
        parts=parts,
        usage=_usage(response.usage),
        model=response.model_name or request.model,
        finish_reason=finish_reason,
        response_id=response.provider_response_id or "",
    )


def _parts(parts: Iterable[library.ModelResponsePart], request: ModelRequest, system: str) -> Iterator[AssistantPart]:
    answer_tool = _answer_tool(request) if request.output_schema is not None else None
    for part in parts:
        match part:
            case library.TextPart(content=text) if text:
                yield {"type": "text", "text": text}
            case library.ThinkingPart():
                yield _thinking(part, system)
            case library.ToolCallPart(tool_name=name) if name == answer_tool:
                yield {"type": "text", "text": part.args_as_json_str()}
            case library.ToolCallPart():
                yield _tool_call(part, system)


def _thinking(part: library.ThinkingPart, system: str) -> ThinkingPart:
    thinking: ThinkingPart = {"type": "thinking", "text": part.content, "provider": part.provider_name or system}
    if part.signature:
        thinking["signature"] = part.signature
    if part.id:
        thinking["id"] = part.id
    return thinking


def _tool_call(part: library.ToolCallPart, system: str) -> ToolCallPart:
    call: ToolCallPart = {
        "type": "tool_call",
        "id": part.tool_call_id,
        "name": part.tool_name,
        "arguments": _arguments(part.args),
    }
    if call["arguments"] is None:
        call["malformed"] = str(part.args)
    if part.provider_details:
        call["details"] = part.provider_details
        call["provider"] = part.provider_name or system
    return call


def _arguments(args: str | dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the arguments of a call; ``None`` if they are no JSON object. Models leave them out where there are none."""
    if not args:
        return {}
    text = args if isinstance(args, str) else json.dumps(args)
    try:
        value = parse_json(
            text.encode(errors="surrogatepass"), max_bytes=_MAX_ARGUMENTS_BYTES, max_string_bytes=_MAX_ARGUMENTS_BYTES
        )
    except Invalid:
        return None
    return value if isinstance(value, dict) else None


def _usage(usage: RequestUsage) -> Usage:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_input_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.output_reasoning_tokens or usage.details.get("reasoning_tokens", 0),
    }


# --- What went wrong ------------------------------------------------------------------------------------------------------


def _error(error: Exception, transport: DoorTransport, failures: Failures) -> NodeError:
    """Return the error of the node for what a library raised."""
    failure, status = transport.failure, transport.status
    if 300 <= status < 400:
        return failures.redirected(status)
    if isinstance(failure, DoorError) and status < 400:
        return failures.of_door(failure)
    # With a status of success the answer had begun.
    began = 200 <= status < 300
    kind = _kind(error, status)
    if kind is errors.BROKEN and began and not transport.is_understandable:
        return failures.no_api(transport.content_type)
    return failures.of_kind(
        kind,
        is_providers=kind is not errors.BROKEN,
        was_sent=began,
        words=_words(error),
        status=0 if began else status,
        headers=transport.headers,
    )


def _kind(error: Exception, status: int) -> Kind:
    if getattr(error, "provider_error_code", None) in _FILTER_CODES:
        return errors.FILTERED
    if found := next((kind for category, kind in _KINDS if isinstance(error, category)), None):
        return found
    if isinstance(error, exceptions.UserError):
        return errors.REFUSED
    match status:
        case 401 | 403:
            return errors.AUTH
        case 404:
            return errors.UNKNOWN
        case 408:
            return errors.TIMEOUT
        case 429:
            return errors.RATE
        case _ if status >= 500:
            return errors.OVERLOADED
        case _ if status >= 400:
            return errors.REFUSED
    return errors.BROKEN


def _words(error: Exception) -> str:
    """Return what the provider itself said; the library's own words where it said nothing."""
    body = getattr(error, "body", None)
    for _ in range(2):
        if isinstance(body, dict):
            body = body.get("error") or body.get("message") or body.get("detail")
    if isinstance(body, str):
        return body
    if isinstance(error, exceptions.ModelHTTPError):
        return "" if body is None else json.dumps(body, default=str)
    return str(getattr(error, "message", ""))
