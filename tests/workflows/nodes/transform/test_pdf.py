"""PDF files: their text comes out, and a file that was made to do harm ends its process alone."""

from __future__ import annotations

import base64
import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workflows.nodes.runs import node_type
from tests.workflows.nodes.transform.stepping import failure, in_processes, problems, result
from workflows.isolated.process import Limits
from workflows.nodes.base import Effect, NodeError
from workflows.nodes.transform import pdf_files, size

# Three pages that fpdf2 has written: a table and umlauts; a word that is divided; nothing.
LETTER = Path(__file__).with_name("letter.pdf").read_bytes()
LOCKED = Path(__file__).with_name("locked.pdf").read_bytes()
FIRST = "Invoice 118\nGröße & Straße, 12 \nTea 4.50\nTea 4.50\nCup 7.00"
SECOND = "international"


def encoded(data):
    return base64.b64encode(data).decode()


def document(*pages, more=b""):
    """Return a file with these page contents, without a table of where its objects are."""
    kids = b" ".join(b"%d 0 R" % number for number in range(10, 10 + 2 * len(pages), 2))
    objects = [
        b"1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj",
        b"2 0 obj<</Type/Pages/Kids[%s]/Count %d>>endobj" % (kids, len(pages)),
        more,
    ]
    for number, content in zip(range(10, 10 + 2 * len(pages), 2), pages, strict=True):
        font = b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
        objects += [
            b"%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R%s>>endobj"
            % (number, number + 1, font),
            b"%d 0 obj<</Length %d>>stream\n%s\nendstream endobj" % (number + 1, len(content), content),
        ]
    return b"%PDF-1.4\n" + b"\n".join(objects) + b"\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def line(text):
    return b"BT/F 12 Tf 9 700 Td(%s)Tj ET" % text


class TestText:
    def test_is_that_of_all_pages(self):
        assert result(encoded(LETTER), "extract_pdf") == {
            "text": f"{FIRST}\n\n{SECOND}",
            "page_count": 3,
            "title": "Invoice 118",
            "author": "Größe GmbH",
        }

    def test_comes_page_by_page(self):
        assert result(encoded(LETTER), "extract_pdf", split=True) == [
            {"page": 1, "text": FIRST},
            {"page": 2, "text": SECOND},
            {"page": 3, "text": ""},
        ]

    @pytest.mark.parametrize(
        ("pages", "expected"), [("2", [2]), ("1-2", [1, 2]), ("2-", [2, 3]), ("3-9", [3]), ("4", []), ("4-", [])]
    )
    def test_is_that_of_the_pages_that_are_asked_for(self, pages, expected):
        assert [page["page"] for page in result(encoded(LETTER), "extract_pdf", split=True, pages=pages)] == expected

    def test_of_a_part_comes_with_the_number_of_all_pages(self):
        assert result(encoded(LETTER), "extract_pdf", pages="2")["page_count"] == 3

    def test_is_read_of_an_upload(self):
        file = {"filename": "a.pdf", "base64": encoded(LETTER)}

        assert result(file, "extract_pdf", field="base64", into="read", pages="2")["read"]["text"] == SECOND

    def test_is_read_though_the_file_is_damaged(self):
        assert result(encoded(document(line(b"here"))), "extract_pdf")["text"] == "here"

    def test_of_a_file_that_does_not_say_who_made_it(self):
        read = result(encoded(document(line(b"here"))), "extract_pdf")

        assert (read["title"], read["author"]) == (None, None)

    def test_has_no_characters_that_nobody_can_store(self):
        assert result(encoded(document(line(rb"a\000b\002c"))), "extract_pdf")["text"].isprintable()

    @pytest.mark.parametrize(
        ("title", "expected"), [(b"<FEFF00540000>", "T"), (b"<FEFFD83CDF75>", "🍵"), (b"<FEFF0054D83C>", None)]
    )
    def test_comes_whatever_the_title_is(self, title, expected):
        file = document(line(b"here"), more=b"5 0 obj<</Title%s>>endobj" % title).replace(b"/Root", b"/Info 5 0 R/Root")

        read = result(encoded(file), "extract_pdf")
        assert (read["text"], read["title"]) == ("here", expected)

    def test_of_other_pages_is_read_though_one_is_broken(self):
        file = document(line(b"first"), line(b"second"), line(b"third")).replace(b"12 0 obj", b"92 0 obj")

        error = failure(encoded(file), "extract_pdf")
        assert (error.code, "Page 2 " in error.message) == ("invalid_pdf", True)
        assert result(encoded(file), "extract_pdf", pages="3")["text"] == "third"


class TestRefused:
    @pytest.mark.parametrize(
        "data", [b"", b"no PDF", b"%PDF-1.4\n", LETTER[:300]], ids=["empty", "text", "head", "cut"]
    )
    def test_what_is_no_pdf_file(self, data):
        assert failure(encoded(data), "extract_pdf").code == "invalid_pdf"

    def test_a_file_with_a_password(self):
        error = failure(encoded(LOCKED), "extract_pdf")

        assert (error.code, "has a password" in error.message) == ("invalid_pdf", True)

    def test_what_is_no_base64(self):
        assert failure("%PDF-1.4", "extract_pdf").code == "invalid_encoding"

    def test_more_bytes_than_are_read(self, monkeypatch):
        monkeypatch.setattr(pdf_files, "MAX_BYTES", 10)

        assert failure(encoded(LETTER), "extract_pdf").code == "pdf_too_large"

    def test_more_pages_than_are_read(self, monkeypatch):
        monkeypatch.setattr(pdf_files, "MAX_ITEMS", 2)

        assert failure(encoded(LETTER), "extract_pdf").code == "pdf_too_large"
        assert result(encoded(LETTER), "extract_pdf", pages="1-2")["page_count"] == 3

    def test_more_text_than_comes_out(self, monkeypatch):
        monkeypatch.setattr(pdf_files, "MAX_CHARS", 20)

        assert failure(encoded(LETTER), "extract_pdf").code == "pdf_too_large"

    def test_more_text_of_several_files_than_fits_into_memory(self, monkeypatch):
        monkeypatch.setattr(size, "MAX_BYTES", 300)
        files = [encoded(document(line(b"x" * 70)))] * 9

        error = failure(files, "extract_pdf")
        assert (error.code, error.details["item"]) == ("too_large", 2)

    def test_a_file_that_takes_too_much_memory(self, monkeypatch):
        monkeypatch.setattr(pdf_files, "LIMITS", Limits(memory_bytes=1024 * 1024))

        assert failure(encoded(LETTER), "extract_pdf").code == "pdf_too_large"

    @given(st.data())
    @in_processes
    def test_bytes_that_were_changed_on_the_way_never_do_anything_else(self, data):
        position = data.draw(st.integers(0, len(LETTER) - 1))
        changed = LETTER[:position] + bytes([data.draw(st.integers(0, 255))]) + LETTER[position + 1 :]

        with contextlib.suppress(NodeError):
            assert result(encoded(changed), "extract_pdf")["page_count"] >= 0

    @pytest.mark.parametrize("pages", ["", "0", "3-2", "-3", "1,2", "all", "1-2-3", "1234567"])
    def test_pages_that_are_none(self, pages):
        assert problems(operation="extract_pdf", pages=pages) == [("invalid_value", "/pages")]


class TestNode:
    def test_reads_it_beside_others(self):
        assert node_type("transform").effect({"steps": [{"operation": "extract_pdf"}]}) is Effect.READ
