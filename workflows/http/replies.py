"""What comes back through the door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import httpcore2

from workflows.http.errors import TooLarge

MAX_HEADERS = 200
MAX_HEADER_BYTES = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """A complete answer. ``url`` is where it came from in the end; it may hold what the request's URL held."""

    status: int
    headers: Mapping[str, str]  # Names in lower case; repeated ones joined by ", ", Set-Cookie by a line end.
    body: bytes  # Without its content encodings.
    url: str


@dataclass(frozen=True)
class Streamed:
    """An answer whose body is still coming. ``pieces`` can be read once; it raises what the door does."""

    status: int
    headers: Mapping[str, str]  # As in :class:`Reply`.
    pieces: Iterator[bytes] = field(repr=False)  # Without its content encodings.
    url: str


def read_headers(response: httpcore2.Response) -> dict[str, str]:
    """Return the headers of an answer, one text for each name.

    :raises TooLarge: if there are too many of them.
    """
    size = sum(len(name) + len(value) for name, value in response.headers)
    if len(response.headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise TooLarge(f"The answer has more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES:,} bytes of them.")
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        # A cookie may hold a comma, so cookies cannot be told apart once they are joined by one.
        between = "\n" if name == "set-cookie" else ", "
        headers[name] = f"{headers[name]}{between}{value}" if name in headers else value
    return headers
