"""What can go wrong between Segue and a model, as errors of a node.

``details["was_sent"]`` says whether the provider may charge for the call: false if it was never reached, or surely answered
with a refusal of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from django.utils import timezone

from projects.masking import Masker
from workflows.http import DoorError
from workflows.http.retry_after import retry_after_seconds
from workflows.llm.requests import ModelRequest
from workflows.nodes.base import NodeError

MAX_WORDS_CHARS = 1000

# With these the door, or the network, says that nothing arrived anywhere.
_NEVER_SENT = frozenset(
    {
        *(
            "address_refused",
            "bad_request",
            "bad_url",
            "connect",
            "dns",
            "host_not_allowed",
            "secret_not_allowed",
            "tls",
        ),
    }
)
# What to do where the provider was not reached.
_ADVICE = {
    "bad_url": "Check `base_url`.",
    "connect": "Check `base_url`, and whether a server runs there.",
    "tls": "Check `base_url`: a server without TLS wants http:// in it.",
}
# With these something in front of the provider speaks: what the provider itself did, nobody knows.
_OF_GATEWAYS = frozenset({408, 502, 504, 524})


@dataclass(frozen=True)
class Kind:
    """One way in which a provider says no.

    :param says: what it says, in words that fit after the model's name.
    :param advice: what to do, a sentence.
    """

    code: str
    says: str
    advice: str
    retryable: bool = False


AUTH = Kind("model_auth", "the provider refuses the key", "Check `api_key`, and what the key may do.")
BROKEN = Kind("model_answer_broken", "the answer is not whole or not understood", "Try again.", retryable=True)
CONTEXT = Kind(
    "model_context_too_long",
    "the conversation is longer than the model can take",
    "Shorten what it is given (`memory.window`, smaller results of tools), or take a model with a larger context.",
)
FILTERED = Kind(
    "model_filtered",
    "the provider's content filter, or the model itself, refuses to answer",
    "Look at what the model was given; another wording or another model may help.",
)
OVERLOADED = Kind("model_overloaded", "the provider is overloaded or not well", "Try again later.", retryable=True)
QUOTA = Kind(
    "model_quota", "the account's quota or credit is used up", "Look at the account's billing; waiting does not help."
)
RATE = Kind(
    "model_rate_limited", "too many calls (429)", "Try again later, or raise the account's limit.", retryable=True
)
REFUSED = Kind("model_refused_request", "the provider refuses the request", "Change what it names.")
TIMEOUT = Kind("model_timeout", "no complete answer came in time", "Raise `timeout_seconds`.", retryable=True)
UNKNOWN = Kind(
    "model_unknown", "the provider does not know the model, or nothing is there", "Check `model` and `base_url`."
)


class Failures:
    """Writes the errors of one request: masked, and each with what to do."""

    def __init__(self, request: ModelRequest) -> None:
        self._model = request.model
        self._place = _place(request)
        self._masker = Masker([request.api_key, *request.headers.values()])

    def of_kind(
        self,
        kind: Kind,
        *,
        was_sent: bool,
        words: str = "",
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        is_providers: bool = True,
    ) -> NodeError:
        """Return the error of a kind.

        :param words: more about it. They may quote what was sent, so they are masked before they are cut.
        :param status: with which it said so, if it was one of HTTP's.
        :param headers: of its answer.
        :param is_providers: whether the words are the provider's own.
        """
        words = " ".join(self._masker.mask_text(words).split())
        if len(words) > MAX_WORDS_CHARS:
            words = f"{words[:MAX_WORDS_CHARS]}…"
        details: dict[str, Any] = {"model": self._model, "was_sent": was_sent or status in _OF_GATEWAYS}
        if status:
            details["status"] = status
        if words:
            details["provider_says" if is_providers else "what_is_wrong"] = words
        told = f" {'The provider says' if is_providers else 'What is wrong'}: {words}" if words else ""
        wait = retry_after_seconds((headers or {}).get("retry-after", ""), now=timezone.now())
        return NodeError(
            kind.code,
            f"Model {self._model}: {kind.says}. {kind.advice}{told}",
            retryable=kind.retryable,
            retry_after=wait if kind.retryable else None,
            details=details,
        )

    def of_door(self, error: DoorError) -> NodeError:
        """Return the error of a call that the door did not bring to an end."""
        if error.code == "timeout":
            return self.of_kind(TIMEOUT, was_sent=True)
        advice = f" {_ADVICE[error.code]}" if error.code in _ADVICE else ""
        return NodeError(
            error.code,
            f"Model {self._model}{self._place}: {error.message}{advice}",
            retryable=error.retryable,
            details={"model": self._model, "was_sent": error.code not in _NEVER_SENT},
        )

    def no_api(self, content_type: str) -> NodeError:
        """Return the error of something that answers well, but not as a model does: a home page, a page to log in."""
        says = f"what answers{self._place} sends {self._masker.mask_text(content_type)[:100]}, which no model does"
        return self.of_kind(replace(BROKEN, says=says, advice="Check `base_url`."), was_sent=True)

    def redirected(self, status: int) -> NodeError:
        """Return the error of a provider that sends the caller elsewhere, where nobody wanted to send a conversation to."""
        return NodeError(
            "bad_redirect",
            f"Model {self._model}: the provider redirects ({status}). Set `base_url` to the place that answers itself.",
            details={"model": self._model, "was_sent": False, "status": status},
        )


def _place(request: ModelRequest) -> str:
    """Return where a model is asked, for people; "" at the provider's own address. Without what else stands in the URL."""
    try:
        parts = urlsplit(request.base_url or "")
        host, port = parts.hostname, parts.port
    except ValueError:
        return ""
    return f" at {host}{'' if port is None else f':{port}'}" if host else ""
