"""How the bytes of an HTML page are text."""

from __future__ import annotations

import codecs
import re

# Where a page says its encoding (HTML, 13.2.3.2).
_CHARSET = re.compile(rb"<meta[^>]{0,500}charset\s*=\s*[\"']?([\w-]{1,40})", re.IGNORECASE)
_PRESCAN_BYTES = 1024
# Character sets proper, as Python calls them. It also calls "idna", "undefined" and "unicode_escape" encodings. UTF-16 is none that
# a page can name in ASCII: it is UTF-8 then.
_CHARSETS = re.compile(
    r"ascii|iso8859-\d+|cp\d+|koi8-\w+|tis-620|mac-\w+|gb\w+|hz|big5\w*|shift_jis\w*|euc_\w+|iso2022_\w+|johab"
)
# What browsers read in their place (WHATWG, Encoding, 4.2): the larger ones, which pages have and do not name.
_LARGER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}


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
        name = codecs.lookup(said[1].decode()).name if said else ""
    except LookupError:
        name = ""
    return _LARGER.get(name, name) if _CHARSETS.fullmatch(name) else "utf-8"
