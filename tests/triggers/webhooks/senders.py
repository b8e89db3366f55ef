"""Senders of webhooks, as services out there are."""

from __future__ import annotations

import hmac
import json
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from tests.triggers.webhooks.signatures.schemes import BY_NAME
from triggers.models import WebhookRegistration

JSON = "application/json"


def send(
    hook: WebhookRegistration,
    value: Any = None,
    *,
    body: bytes | None = None,
    method: str = "POST",
    content_type: str = JSON,
    query: str = "",
    **headers: str,
) -> HttpResponse:
    """Call a webhook. Headers are keywords: ``x_kind="order"``."""
    data = body if body is not None else json.dumps(value).encode()
    names = {name.replace("_", "-"): header for name, header in headers.items()}
    path = f"/webhooks/{hook.path}{query}"
    return Client(raise_request_exception=True).generic(method, path, data, content_type, headers=names)


def standard_headers(
    secret: str, body: bytes, *, message_id: str = "msg_1", at: datetime | None = None
) -> dict[str, str]:
    """Return the headers that a sender of Standard Webhooks adds, as keywords for :func:`send`."""
    at = at or timezone.now()
    return {
        "webhook_id": message_id,
        "webhook_timestamp": str(int(at.timestamp())),
        "webhook_signature": Webhook(secret).sign(message_id, at, body.decode()),
    }


def github_headers(secret: str, body: bytes, *, delivery: str = "72d3162e", event: str = "push") -> dict[str, str]:
    """Return the headers that GitHub adds, as keywords for :func:`send`."""
    return {
        "x_hub_signature_256": f"sha256={hmac.digest(secret.encode(), body, 'sha256').hex()}",
        "x_github_delivery": delivery,
        "x_github_event": event,
    }


def proof_of(name: str, body: bytes, *, secret: str | None = None, at: datetime | None = None) -> dict[str, str]:
    """Return the headers by which a sender of any scheme proves a body, as keywords for :func:`send`.

    :param name: of one of the cases in ``signatures.schemes``.
    """
    headers = BY_NAME[name].headers(secret=secret, body=body, at=at or timezone.now())
    return {header.replace("-", "_"): value for header, value in headers.items()}
