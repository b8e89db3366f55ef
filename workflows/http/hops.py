"""Counting through how many workflows a request has gone, so that those that call each other in a circle stop."""

from __future__ import annotations

from collections.abc import Mapping

HOPS_HEADER = "x-segue-hops"
MAX_HOPS = 8


def hops_in(headers: Mapping[str, str]) -> int:
    """Return how many workflows a request comes through, by its headers (lower-case names); nonsense counts as too many."""
    text = headers.get(HOPS_HEADER, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else MAX_HOPS + 1
