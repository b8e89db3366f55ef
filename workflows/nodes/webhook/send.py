"""Send a signed call to the outside (Standard Webhooks, version 1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from django.utils import timezone
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from workflows import standard_webhooks
from workflows.http import DoorError, Reply, bodies, media
from workflows.http.configured import configured_door
from workflows.http.hops import HOPS_HEADER
from workflows.http.retry_after import retry_after_seconds
from workflows.http.secrets import Secrets
from workflows.nodes.base import Config, Context, Done, EndpointGone, NodeError
from workflows.nodes.fields import Dynamic
from workflows.nodes.headers import HeaderName

# Seconds before each further attempt: the schedule that the specification recommends.
DELAYS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# It recommends 15 to 30 seconds.
TIMEOUT_SECONDS = 20.0
MOST_ANSWER_BYTES = 1024 * 1024
MOST_EXCERPT_CHARS = 2000
_OURS = frozenset(
    {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
        "content-type",
        "content-length",
        "host",
        "idempotency-key",
    }
    | {HOPS_HEADER.lower(), "transfer-encoding", "connection"}
)


def _not_ours(name: str) -> str:
    if name.lower() in _OURS:
        raise PydanticCustomError("reserved_header", "Header {name} is set by Segue.", {"name": name})
    return name


class Send(Config):
    """Send JSON to a URL, signed by Standard Webhooks, and try again for three days if it is not taken."""

    action: Literal["send"]
    url: Dynamic[Annotated[str, Field(min_length=1, max_length=2000)]] = Field(description="Where to, http or https.")
    payload: Dynamic[Any] = Field(default=None, description="What is sent, as JSON. Left out, it is the node's input.")
    secret: Dynamic[str] = Field(description="What it is signed with: {{ secret('NAME') }}, a text such as whsec_….")
    previous_secret: Dynamic[str] | None = Field(
        default=None, description="Signed with this one as well, while the receiver changes from one to the other."
    )
    headers: Dynamic[Annotated[dict[Annotated[HeaderName, AfterValidator(_not_ours)], str], Field(max_length=30)]] = (
        Field(default={}, description="Further headers. Secrets may stand in them.")
    )

    def run(self, context: Context) -> Done:
        """Send it.

        :raises EndpointGone: if the answer is 410.
        :raises NodeError: ``webhook_refused`` if it is no 2xx; ``invalid_signing_secret``; else the door's own code.
        """
        secrets = Secrets(context)
        message_id = message_id_of(context.idempotency_key)
        try:
            reply = self._sent(message_id, secrets, context)
        except DoorError as error:
            raise NodeError(
                error.code,
                f"{self._described}: {error.message}",
                retryable=error.retryable,
                details={"webhook_id": message_id, "url": self.shown_url},
            ) from error
        answer = {"webhook_id": message_id, "status": reply.status, "body": _excerpt(reply, secrets)}
        if reply.status == HTTPStatus.GONE:
            raise EndpointGone(
                "endpoint_gone",
                f"{self._described} answered with 410: nothing is sent there any more, until somebody enables it again.",
                details={**answer, "url": self.shown_url},
            )
        if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
            raise NodeError(
                "webhook_refused",
                f"{self._described} answered with status {reply.status}; taken is what is answered with 2xx.",
                retryable=True,
                retry_after=retry_after_seconds(reply.headers.get("retry-after", ""), now=timezone.now()),
                details={**answer, "url": self.shown_url},
            )
        return Done(answer)

    @property
    def shown_url(self) -> str:
        """The URL as its author wrote it, without user, query and fragment."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return "(no valid URL)"
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    @property
    def _described(self) -> str:
        return f"POST {self.shown_url}"

    def _sent(self, message_id: str, secrets: Secrets, context: Context) -> Reply:
        left = context.seconds_left
        if left <= 0:
            raise NodeError("timeout", f"{self._described}: the node's time was over before the call.", retryable=True)
        keys = self._keys(secrets)
        value = self.payload if "payload" in self.model_fields_set else context.input
        body = bodies.json_content(secrets.fill(value)).data
        timestamp = int(timezone.now().timestamp())
        headers = {name: secrets.fill(text) for name, text in self.headers.items()}
        headers |= {
            "Content-Type": "application/json",
            "Idempotency-Key": context.idempotency_key,
            HOPS_HEADER: str(context.hops + 1),
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                standard_webhooks.signature(key, message_id=message_id, timestamp=timestamp, body=body) for key in keys
            ),
        }
        return configured_door().request(
            "POST",
            secrets.fill(self.url),
            headers=headers,
            content=body,
            timeout=min(TIMEOUT_SECONDS, left),
            follow_redirects=False,
            max_bytes=MOST_ANSWER_BYTES,
        )

    def _keys(self, secrets: Secrets) -> Sequence[bytes]:
        keys = []
        for name in ("secret", "previous_secret"):
            text = getattr(self, name)
            if text is None:
                continue
            key = standard_webhooks.key_of(secrets.fill(text))
            if key is None:
                message = f"`{name}` is none of Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes."
                raise NodeError("invalid_signing_secret", message)
            keys.append(key)
        return keys


def message_id_of(idempotency_key: str) -> str:
    """Return the ``webhook-id`` of a node run: the same for every attempt, and without a dot, as the standard wants it."""
    return f"msg_{hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]}"


def _excerpt(reply: Reply, secrets: Secrets) -> str:
    """Return the beginning of an answer. Masked before it is cut: half a secret would no longer be recognised."""
    if not media.is_text(reply):
        return f"{len(reply.body):,} bytes that are no text" if reply.body else ""
    text: str = secrets.mask(media.text_of(reply))
    return text if len(text) <= MOST_EXCERPT_CHARS else f"{text[:MOST_EXCERPT_CHARS]}…"
