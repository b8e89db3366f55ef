"""Requests that a provider refuses, and the looks at a request that both protocols take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs


class Refused(Exception):
    """A request is wrong. ``param`` says where, ``code`` what, in protocols that tell."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a JSON Schema, if anything. Nothing is fetched, and no reference followed."""
    try:
        jsonschema_rs.meta.validate({key: value for key, value in schema.items() if key != "$schema"})
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return str(getattr(error, "message", "") or error)
    return None


def bearer_of(headers: Mapping[str, str]) -> str:
    """Return the token of an ``Authorization`` header, by headers with lower-case names."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_number(value: Any, low: float, high: float) -> bool:
    """Test whether JSON data is a number within bounds."""
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def is_count(value: Any) -> bool:
    """Test whether JSON data is a whole number from 1 on."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
