"""How the bytes of an HTML page are text."""

from __future__ import annotations

import codecs
import re

# Where a page says its encoding (HTML, 13.2.3.2).
_CHARSET = re.compile(rb"<meta[^>]{0,500}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_PRESCAN_BYTES = 1024


def text_of(page: bytes, encoding: str | None) -> str:
    """Return a page as text.

    :param encoding: ``None`` if the page says it itself.
    """
    return page.decode(encoding or _encoding(page), errors="replace")


def _encoding(page: bytes) -> str:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if page.startswith(mark):
            return encoding
    said = _CHARSET.search(page[:_PRESCAN_BYTES])
    try:
        found = codecs.lookup(said[1].decode()) if said else None
    except LookupError:
        found = None
    # Codecs that are no character sets, such as hex, have no place in a page.
    return found.name if found is not None and found._is_text_encoding else "utf-8"
