"""Uploads: fields are text, files are described from their bytes (S-WH-6, S-WH-7)."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triggers.webhooks.bodies import read
from triggers.webhooks.multipart import MAX_FILES, MAX_PARTS
from triggers.webhooks.refusal import Refused

UPLOAD = "multipart/form-data; boundary=x"


def part(disposition: str, content: bytes = b"hi", *headers: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: {disposition}", *headers])
    return b"--x\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def upload(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--x--\r\n"


def sent(**kinds):
    """Return body and content type as an HTTP client makes them."""
    request = httpx2.Request("POST", "http://localhost/", **kinds)
    return request.read(), request.headers["content-type"]


class TestUpload:
    def test_of_a_client_is_fields_and_files(self):
        content = bytes(range(256))

        found = read(*sent(data={"a": "1", "b": ["x", "y"]}, files={"f": ("ä.bin", content, "image/png")}))

        assert found == {
            "a": "1",
            "b": ["x", "y"],
            "f": {
                "name": "f",
                "filename": "ä.bin",
                "content_type": "image/png",
                "size": 256,
                "sha256": hashlib.sha256(content).hexdigest(),
                "base64": base64.b64encode(content).decode(),
            },
        }

    @pytest.mark.parametrize(
        ("filename", "kept"),
        [
            ("/etc/passwd", "/etc/passwd"),
            ("..\\\\..\\\\a", "..\\..\\a"),
            (r"a\"b", 'a"b'),
            ("%22", "%22"),
            ("", ""),
            ("x" * 300, "x" * 255),
        ],
    )
    def test_takes_a_file_s_name_for_text(self, filename, kept):
        """S-WH-7, S-FILE-1: CVE-2026-21858."""
        found = read(upload(part(f'form-data; name="f"; filename="{filename}"')), UPLOAD)

        assert (found["f"]["filename"], found["f"]["size"]) == (kept, 2)

    def test_takes_what_a_field_claims_to_be_for_text(self):
        """S-WH-7: a description of a file is the server's or it is a text."""
        claim = b'{"filename": "/etc/passwd", "base64": "aGk=", "size": 2}'

        assert read(upload(part('form-data; name="f"', claim)), UPLOAD) == {"f": claim.decode()}

    def test_knows_no_other_name_of_a_file(self):
        """RFC 7578, 4.2: ``filename*`` is not used."""
        found = read(upload(part('form-data; name="f"; filename="a"; filename*=UTF-8\'\'%2Fetc')), UPLOAD)

        assert found["f"]["filename"] == "a"

    @pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\n--", b"--y", b"a\r\n--y--\r\n", b"\r\n-- x"])
    def test_keeps_contents_byte_by_byte(self, content):
        found = read(upload(part('form-data; name="f"; filename="a"', content)), UPLOAD)

        assert base64.b64decode(found["f"]["base64"]) == content

    def test_reads_texts_in_their_own_charset(self):
        body = upload(
            part('form-data; name="a"', "ä".encode("latin-1"), "Content-Type: text/plain; charset=iso-8859-1")
        )

        assert read(body, UPLOAD) == {"a": "ä"}

    def test_may_have_something_before_and_after(self):
        body = b"preamble\r\n" + upload(part('form-data; name="a"')) + b"epilogue"

        assert read(body, UPLOAD) == {"a": "hi"}

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"hello", UPLOAD),
            (b"--x", UPLOAD),
            (b"--x\r\n", UPLOAD),
            (part('form-data; name="a"'), UPLOAD),
            (upload(part('form-data; name="a"')), "multipart/form-data"),
            (upload(part('form-data; name="a"')), "multipart/form-data; boundary="),
            (upload(part('form-data; name="a"')), "multipart/form-data; boundary=" + "x" * 71),
            (upload(part("form-data")), UPLOAD),
            (upload(part('form-data; name=""')), UPLOAD),
            (upload(part(f'form-data; name="{"x" * 201}"')), UPLOAD),
            (upload(part('form-data; name="a"; name="b"')), UPLOAD),
            (upload(part('form-data; name="a')), UPLOAD),
            (upload(part('form-data; name="a" b')), UPLOAD),
            (upload(part('attachment; name="a"')), UPLOAD),
            (upload(part('form-data; name="a"', b"aGk=", "Content-Transfer-Encoding: base64")), UPLOAD),
            (upload(part('form-data; name="a"', b"", "Content-Disposition: form-data")), UPLOAD),
            (upload(part('form-data; name="a"', b"", "X-Long: " + "x" * 5000)), UPLOAD),
            (upload(part('form-data; name="a"', b"", " folded")), UPLOAD),
            (b"--xy\r\n\r\n--x--\r\n", UPLOAD),
            (upload(b"--x\r\nno end of headers"), UPLOAD),
            (upload(b'--x\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\r\n'), UPLOAD),
        ],
    )
    def test_that_is_none_is_refused(self, body, content_type):
        with pytest.raises(Refused) as refused:
            read(body, content_type)

        assert (refused.value.status, refused.value.code) == (400, "multipart_malformed")

    def test_of_a_text_that_is_none_is_refused(self):
        with pytest.raises(Refused) as refused:
            read(upload(part('form-data; name="a"', b"\xff")), UPLOAD)

        assert refused.value.code == "not_text"

    def test_has_at_most_so_many_parts(self):
        parts = [part('form-data; name="a"')] * MAX_PARTS

        assert len(read(upload(*parts), UPLOAD)["a"]) == MAX_PARTS
        with pytest.raises(Refused, match="more than 1000 parts"):
            read(upload(*parts, parts[0]), UPLOAD)

    def test_has_at_most_so_many_files(self):
        files = [part('form-data; name="a"; filename="b"')] * MAX_FILES

        assert len(read(upload(*files), UPLOAD)["a"]) == MAX_FILES
        with pytest.raises(Refused, match="more than 100 files"):
            read(upload(*files, files[0]), UPLOAD)


@given(
    st.binary(max_size=300), st.sampled_from([b"--x", b"\r\n", b"; name=", b'"', b"\\", b""]), st.binary(max_size=50)
)
def test_any_bytes_are_read_or_refused(before, between, after):
    with suppress(Refused):
        read(b"--x\r\n" + before + between + after + b"\r\n--x--", UPLOAD)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.binary(max_size=100), min_size=1, max_size=5))
def test_what_a_client_sends_comes_out_as_it_was(files):
    found = read(*sent(files={name: (f"{name}.bin", content) for name, content in files.items()}))

    assert {name: base64.b64decode(file["base64"]) for name, file in found.items()} == files
