"""S-SSRF-4: bodies are decoded in bounded pieces."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest

from workflows.http.decoding import MAX_MEMBERS, decoded
from workflows.http.errors import ProtocolBroken, TooLarge

TEXT = b"The quick brown fox. " * 5000


def gzipped(data: bytes, *, compresslevel: int = 9) -> bytes:
    """Without a time stamp, so that the tests are the same each time they are collected."""
    return gzip.compress(data, compresslevel, mtime=0)


def bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def in_chunks(data: bytes, size: int = 1000) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def whole(chunks: list[bytes], encoding: str, *, max_bytes: int) -> bytes:
    return b"".join(decoded(chunks, encoding, max_bytes=max_bytes))


class TestDecoded:
    @pytest.mark.parametrize("size", [1, 1000, 10_000_000])
    @pytest.mark.parametrize(
        ("encoding", "encoded"),
        [
            ("", TEXT),
            ("identity", TEXT),
            ("gzip", gzipped(TEXT)),
            ("x-gzip", gzipped(TEXT)),
            ("GZIP", gzipped(TEXT)),
            ("deflate", zlib.compress(TEXT)),
            ("deflate", bare_deflate(TEXT)),
            ("deflate, gzip", gzipped(zlib.compress(TEXT))),
            ("gzip", gzipped(TEXT[:500]) + gzipped(TEXT[500:])),
            ("gzip", gzipped(TEXT) + b"\0" * 20),
        ],
    )
    def test_yields_what_was_encoded_however_it_arrives(self, encoding, encoded, size):
        assert whole(in_chunks(encoded, size), encoding, max_bytes=len(TEXT)) == TEXT

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", ""])
    def test_no_body_is_no_body_whatever_its_encoding(self, encoding):
        """An answer to HEAD says how its body would have been encoded."""
        assert whole([], encoding, max_bytes=10) == b""

    @pytest.mark.parametrize(("encoding", "encoded"), [("", TEXT), ("gzip", gzipped(TEXT))])
    def test_stops_at_one_byte_too_many(self, encoding, encoded):
        with pytest.raises(TooLarge, match="104,999 bytes"):
            whole(in_chunks(encoded), encoding, max_bytes=len(TEXT) - 1)

    @pytest.mark.parametrize("layers", [1, 2, 3])
    def test_a_bomb_does_not_go_off_in_memory(self, layers):
        bomb = gzipped(b"\0" * (100 * 1024 * 1024), compresslevel=1)
        for _ in range(layers - 1):
            bomb = gzipped(bomb)
        tracemalloc.start()

        with pytest.raises(TooLarge):
            whole(in_chunks(bomb, 65536), ", ".join(["gzip"] * layers), max_bytes=10 * 1024 * 1024)

        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 30 * 1024 * 1024

    def test_a_layer_that_shrinks_again_is_bounded_too(self):
        """Millions of empty blocks decode to nothing; a limit on the result alone would let them run for ever."""
        empty_blocks = b"\x00\x00\x00\xff\xff" * 3_000_000 + b"\x03\x00"
        encoded = gzipped(empty_blocks)

        with pytest.raises(TooLarge):
            whole([encoded], "deflate, gzip", max_bytes=10 * 1024 * 1024)

    def test_ten_thousand_parts_are_the_most(self):
        """Each may be empty, so that no limit on bytes would end them; and they shrink to almost nothing."""
        parts = gzipped(b"") * (MAX_MEMBERS - 1)
        assert whole([parts + gzipped(b"end")], "gzip", max_bytes=len(parts) * 2) == b"end"

        with pytest.raises(TooLarge, match="more than 10,000 parts"):
            whole([gzipped(parts + gzipped(b"") * 2)], "gzip, gzip", max_bytes=len(parts) * 2)

    def test_five_encodings_are_the_most(self):
        encoded = TEXT
        for _ in range(5):
            encoded = gzipped(encoded)
        assert whole([encoded], "gzip," * 5, max_bytes=len(TEXT)) == TEXT

        with pytest.raises(ProtocolBroken, match="encoded 6 times"):
            whole([encoded], "gzip," * 6, max_bytes=len(TEXT))

    @pytest.mark.parametrize(
        ("encoding", "encoded", "reason"),
        [
            ("gzip", TEXT, "not 'gzip'"),
            ("deflate", b"\xff" * 100, "not 'deflate'"),
            ("gzip", gzipped(TEXT)[:-9], "ends too early"),
            ("br", TEXT, "nobody asked for"),
        ],
    )
    def test_refuses_what_is_not_encoded_as_it_says(self, encoding, encoded, reason):
        with pytest.raises(ProtocolBroken, match=reason):
            whole([encoded], encoding, max_bytes=len(TEXT))
