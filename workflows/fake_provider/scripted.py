"""Answering by a script: from a request to what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflows.fake_provider.answers import Answer
from workflows.fake_provider.asking import Asking
from workflows.fake_provider.conversation import Conversation
from workflows.fake_provider.delivery import EVENTS, Delivery, json_delivery
from workflows.fake_provider.protocols import Protocol
from workflows.fake_provider.refusals import Refused
from workflows.fake_provider.script import Player, Script

# What ``GET /v1/models`` lists when the script names none; any name may be asked for then.
ANY_MODELS = ("fake-large", "fake-small")


class Scripted:
    """Checks each request as the real provider would, and answers as the script says."""

    def __init__(self, script: Script) -> None:
        self._player = Player(script)

    def answer(self, asking: Asking) -> Delivery:
        """Return what is sent back."""
        try:
            asking.protocol.check_key(asking.headers)
            if asking.is_listing:
                return self._models(asking)
            conversation = asking.protocol.read(_object(asking.body))
            self._check_model(conversation.model)
        except Refused as refused:
            return json_delivery(refused.status, asking.protocol.refusal(refused))
        return deliver(self._player.next(conversation), conversation, asking.protocol)

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def _models(self, asking: Asking) -> Delivery:
        return json_delivery(200, asking.protocol.model_list(self._player.script.models or ANY_MODELS))

    def _check_model(self, model: str) -> None:
        known = self._player.script.models
        if known and model not in known:
            raise Refused(f"The model `{model}` does not exist.", status=404, param="model", code="model_not_found")


def deliver(answer: Answer, conversation: Conversation, protocol: Protocol) -> Delivery:
    """Return an answer as the protocol sends it, with what is to go wrong."""
    timing: dict[str, Any] = {"latency_seconds": answer.latency_seconds, "hangs": answer.hang}
    failed = answer.error
    if failed is not None and not (conversation.is_stream and answer.error_after_chunks is not None):
        return json_delivery(
            failed.status, protocol.failure(failed.status, failed.message), headers=_retry(failed.retry_after), **timing
        )
    if not conversation.is_stream:
        whole = json_delivery(200, protocol.message(answer, conversation), cut_after=_cut(answer), **timing)
        return _truncated(whole) if answer.invalid_json else whole
    events = list(protocol.events(answer, conversation))
    if failed is not None:
        events = [*events[: answer.error_after_chunks], protocol.error_event(failed.status, failed.message)]
    if answer.invalid_json:
        events = ['data: {"id": "chatcmpl-\n\n' if protocol.NAME == "openai" else "event: message_start\ndata: {\n\n"]
    return Delivery(
        200, events, EVENTS, cut_after=answer.cut_after_chunks, pause_seconds=answer.chunk_delay_seconds, **timing
    )


def _cut(answer: Answer) -> int | None:
    return None if answer.cut_after_chunks is None else 0


def _truncated(whole: Delivery) -> Delivery:
    text = "".join(whole.pieces)
    return Delivery(whole.status, (text[: len(text) // 2],), whole.media_type, latency_seconds=whole.latency_seconds)


def _retry(seconds: float | None) -> Mapping[str, str]:
    return {} if seconds is None else {"Retry-After": f"{seconds:g}"}


def _object(body: Any) -> Mapping[str, Any]:
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request: it must be a JSON object.")
    return body
