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
        title, author = _told(document, "Title"), _told(document, "Author")
    except pdfium.PdfiumError as error:
        return {"problem": "password" if getattr(error, "err_code", None) == _PASSWORD else "invalid"}
    pages: list[str] = []
    chars = len(title or "") + len(author or "")
    for index in range(first - 1, last):
        try:
            pages.append(_text(document[index]))
        except pdfium.PdfiumError:
            return {"problem": "page", "page": index + 1}
        chars += len(pages[-1])
        if chars > question["most_chars"] or len(pages) > question["most_pages"]:
            return {"problem": "too_much"}
    return {"page_count": len(document), "title": title, "author": author, "pages": pages}


def _told(document: Any, key: str) -> str | None:
    try:
        return _cleaned(document.get_metadata_value(key)) or None
    except UnicodeDecodeError:
        return None  # Half a character is in it. The text is what counts.


def _text(page: Any) -> str:
    text = page.get_textpage().get_text_bounded()
    page.close()  # Its memory is needed for the next one.
    return _cleaned(text)


def _cleaned(text: str) -> str:
    return text.translate(_LEFT_OUT).replace("\r\n", "\n").replace("\r", "\n").strip()
