"""What the expressions of a webhook say to a delivery, before there is an execution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

from projects.payloads import storable, storable_text
from triggers.webhooks.refusal import Refused
from workflows.expressions import RenderError, render, shared_evaluator

# What one row of the inbox can hold as a key; longer ones are known by their hash.
MAX_KEY = 200
RETRY_AFTER_SECONDS = 60


def lets_pass(filter: str, payload: Mapping[str, Any], *, now: datetime) -> bool:
    """Return whether a webhook's filter wants a delivery.

    :param payload: what expressions see as ``trigger``.
    :raises Refused: with 422 if it fails or says neither true nor false; with 503 if the evaluator broke down.
    """
    said = _evaluated("filter", filter, payload, now)
    if isinstance(said, bool):
        return said
    raise _refused("filter", f"The filter must say true or false, not {json.dumps(said)[:60]}.")


def key_of(template: str, payload: Mapping[str, Any], *, now: datetime) -> str | None:
    """Return the name that a webhook's ``dedupe_key`` gives a delivery, or None if it gives null.

    A text is taken as it is, any other value as JSON, so that 7 and "7" are the same.

    :raises Refused: as :func:`lets_pass`.
    """
    said = _evaluated("dedupe_key", template, payload, now)
    if said is None:
        return None
    text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False, sort_keys=True)
    if len(text) <= MAX_KEY and storable_text(text) == text:
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _evaluated(key: str, template: str, payload: Mapping[str, Any], now: datetime) -> Any:
    try:
        return render(template, shared_evaluator(), {"trigger": storable(payload)}, now=now)
    except RenderError as failed:
        error = next(iter(failed.errors.values()))
        raise _refused(
            key, f"The {key} failed ({error.code}): {error.message}", is_ours=error.code == "crashed"
        ) from None


def _refused(key: str, reason: str, *, is_ours: bool = False) -> Refused:
    # The sender does not learn what the expression is about (S-WH-11).
    return Refused(
        HTTPStatus.SERVICE_UNAVAILABLE if is_ours else HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{key}_failed",
        "The delivery was verified, but this webhook cannot tell what to do with it.",
        reason=reason,
        retry_after=RETRY_AFTER_SECONDS if is_ours else None,
    )
