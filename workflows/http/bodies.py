"""Request bodies as bytes, with the content type that goes with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus, urlencode

import httpx2

Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True)
class Content:
    """A body and its media type."""

    data: bytes
    media_type: str


@dataclass(frozen=True)
class Part:
    """One part of a multipart body: a field, or a file when it has a file name."""

    name: str
    data: bytes
    filename: str | None = None
    media_type: str | None = None


def json_content(value: Any) -> Content:
    """Return a value as JSON.

    :raises ValueError: if it holds NaN or an infinity, which JSON does not know.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Content(text.encode("ascii"), "application/json")


def form_content(pairs: Pairs) -> Content:
    """Return names and values as an HTML form sends them."""
    return Content(encode_pairs(pairs).encode("ascii"), "application/x-www-form-urlencoded")


def text_content(text: str) -> Content:
    """Return text in UTF-8; half characters (lone surrogates) become question marks."""
    return Content(text.encode(errors="replace"), "text/plain; charset=utf-8")


def multipart_content(parts: Sequence[Part]) -> Content:
    """Return fields and files as ``multipart/form-data``, in the order given.

    :raises ValueError: if a media type holds a line end.
    """
    files = [(part.name, (part.filename, part.data, part.media_type)) for part in parts]
    request = httpx2.Request("POST", "http://localhost/", files=files)
    return Content(request.read(), request.headers["content-type"])


def with_query(url: str, pairs: Pairs, *, replacing: Iterable[str] = ()) -> str:
    """Return the URL with names and values added to its query. They are data: whatever they hold is encoded.

    :param replacing: names that the URL's own query loses.
    """
    url = _without(url, frozenset(replacing))
    added = encode_pairs(pairs)
    if not added:
        return url
    base = url.partition("#")[0]
    between = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return f"{base}{between}{added}"


def _without(url: str, names: frozenset[str]) -> str:
    base, mark, query = url.partition("#")[0].partition("?")
    if not names or not mark:
        return url
    # What is left stays as it is written: another server may tell `+` from `%20`.
    kept = [pair for pair in query.split("&") if unquote_plus(pair.partition("=")[0]) not in names]
    return f"{base}?{'&'.join(kept)}" if kept else base


def encode_pairs(pairs: Pairs) -> str:
    """Return names and values percent-encoded, a space as ``%20``, which every server understands."""
    return urlencode(list(pairs), quote_via=quote, safe="", errors="replace")
