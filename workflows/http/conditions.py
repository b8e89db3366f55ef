"""Asking only for what is new (RFC 9110, section 13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Validators(Protocol):
    """What an earlier answer said about itself; empty where it said nothing."""

    @property
    def etag(self) -> str: ...

    @property
    def last_modified(self) -> str: ...


def conditional_headers(headers: Mapping[str, Any], known: Validators) -> dict[str, Any]:
    """Return headers that ask for an answer only if it is another one than the known. Those that are there already stay."""
    given = {name.lower() for name in headers}
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {**headers, **{name: text for name, text in conditions.items() if text and name.lower() not in given}}
