"""Keeping secrets out of what is recorded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, quote_plus

MASK = "•••"
# A shorter value would blank half of a text that has nothing to do with it.
SHORTEST = 6


def mask(value: Any, secrets: Iterable[str]) -> Any:
    """Return JSON data in which no secret can be read, in any of the forms in which services send them back."""
    forms = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
    return _masked(value, forms) if forms else value


def _forms(secret: str) -> set[str]:
    if len(secret) < SHORTEST:
        return set()
    raw = secret.encode()
    return {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        raw.hex(),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


def _masked(value: Any, forms: list[str]) -> Any:
    match value:
        case str():
            for form in forms:
                value = value.replace(form, MASK)
            return value
        case list():
            return [_masked(item, forms) for item in value]
        case dict():
            return {_masked(key, forms): _masked(item, forms) for key, item in value.items()}
        case _:
            return value
