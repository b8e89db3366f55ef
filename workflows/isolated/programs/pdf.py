"""What reads the text of one PDF file."""

from __future__ import annotations

from typing import Any

import pypdfium2 as pdfium

# What the library puts where a word is divided at the end of a line, and what no text has.
_LEFT_OUT = dict.fromkeys((0x00, 0x02, 0xFFFE, 0xFFFF))
_PASSWORD = 4  # FPDF_ERR_PASSWORD


def answer(parts: list[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Return the text of each page that is wanted, and what the file says of itself, or what is wrong."""
    try:
        document = pdfium.PdfDocument(parts[0])
        first, last = question["first"], min(question["last"] or len(document), len(document))
        told = document.get_metadata_dict()
        read = {"page_count": len(document), "title": told["Title"] or None, "author": told["Author"] or None}
        pages: list[str] = []
        chars = 0
        for index in range(first - 1, last):
            pages.append(_text(document[index]))
            chars += len(pages[-1])
            if chars > question["most_chars"] or len(pages) > question["most_pages"]:
                return {"problem": "too_much"}
    except pdfium.PdfiumError as error:
        return {"problem": "password" if getattr(error, "err_code", None) == _PASSWORD else "invalid"}
    return {**read, "pages": pages}


def _text(page: Any) -> str:
    text: str = page.get_textpage().get_text_bounded()
    page.close()  # Its memory is needed for the next one.
    return text.translate(_LEFT_OUT).replace("\r\n", "\n").replace("\r", "\n").strip()
