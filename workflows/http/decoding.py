"""Undoing content encodings in bounded pieces, so that a small answer cannot become a large one in memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from workflows.http.errors import ProtocolBroken, TooLarge

ACCEPT_ENCODING = "gzip, deflate"
MAX_ENCODINGS = 5
# Parts of a gzip file. Each costs time and may hold nothing: two hundred bytes may unfold into half a million of them.
MAX_MEMBERS = 10_000
_PIECE_BYTES = 256 * 1024
_GZIP_MAGIC = 0x1F


# Is told each piece of a body as it comes; true ends the reading. For streams that stay open after what was asked for.
Enough = Callable[[bytes], bool]


def decoded(chunks: Iterable[bytes], content_encoding: str, *, max_bytes: int) -> Iterator[bytes]:
    """Yield a body as it was before its encodings were applied, each piece as soon as it is there.

    Every layer may give ``max_bytes``, not only the innermost: else layers that shrink again could keep a worker busy
    for ever.

    :raises TooLarge: as soon as a layer gives more.
    :raises ProtocolBroken: if the body is not encoded as it says.
    """
    codings = [coding for part in content_encoding.split(",") if (coding := part.strip().lower())]
    if len(codings) > MAX_ENCODINGS:
        raise ProtocolBroken(f"The answer's body is encoded {len(codings)} times; {MAX_ENCODINGS} is the most.")
    stream = _at_most(max_bytes, chunks)
    for coding in reversed(codings):
        stream = _at_most(max_bytes, _undo(coding, stream))
    try:
        yield from stream
    except zlib.error as error:
        raise ProtocolBroken(f"The answer's body is not {content_encoding!r} as its headers say.") from error


def until(is_enough: Enough, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the pieces of a body up to the one that is enough."""
    for chunk in chunks:
        yield chunk
        if is_enough(chunk):
            return


def _at_most(max_bytes: int, chunks: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge(f"The answer's body is larger than {max_bytes:,} bytes. Ask for less at a time.")
        yield chunk


def _undo(coding: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    match coding:
        case "identity":
            return iter(chunks)
        case "gzip" | "x-gzip":
            return _inflate(chunks, lambda _: zlib.decompressobj(zlib.MAX_WBITS | 16))
        case "deflate":
            return _inflate(chunks, _deflate_or_zlib)
    raise ProtocolBroken(f"The answer's body is encoded as {coding!r}, which nobody asked for.")


class _Inflater(Protocol):
    """What ``zlib.decompressobj`` returns, whose class has no public name."""

    @property
    def eof(self) -> bool: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _deflate_or_zlib(first: bytes) -> _Inflater:
    # The standard says zlib (RFC 1950); some servers send bare deflate (RFC 1951). Zlib's first byte tells its method, 8.
    is_zlib = first[0] & 0x0F == 8
    return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)


def _inflate(chunks: Iterable[bytes], start: Callable[[bytes], _Inflater]) -> Iterator[bytes]:
    inflater: _Inflater | None = None
    members = 0
    for chunk in chunks:
        data = chunk
        while data:
            if inflater is not None and inflater.eof and data[0] != _GZIP_MAGIC:
                break  # Padding.
            # A gzip file may have several members, one after the other.
            if inflater is None or inflater.eof:
                members += 1
                if members > MAX_MEMBERS:
                    raise TooLarge(f"The answer's body is compressed in more than {MAX_MEMBERS:,} parts.")
                inflater = start(data)
            yield from _pieces(inflater, data)
            data = inflater.unused_data if inflater.eof else b""
    if inflater is not None and not inflater.eof:
        raise ProtocolBroken("The answer's compressed body ends too early.", retryable=True)


def _pieces(inflater: _Inflater, data: bytes) -> Iterator[bytes]:
    piece = inflater.decompress(data, _PIECE_BYTES)
    while piece:
        yield piece
        piece = inflater.decompress(inflater.unconsumed_tail, _PIECE_BYTES)
