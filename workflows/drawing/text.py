"""Text for SVG: legal, escaped, and short enough for its box."""

from __future__ import annotations

import re
import unicodedata
from html import escape as _escape_html

# What XML 1.0 cannot hold, and what turns the direction of the text around it.
_UNPRINTABLE = re.compile(
    "[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_MAX_LENGTH = 300


def escape(text: str) -> str:
    """Return text as it stands in XML, in elements and in quoted attributes: one line, nothing unprintable."""
    return _escape_html(" ".join(_UNPRINTABLE.sub("\ufffd", text[:_MAX_LENGTH]).split()))


def width_of(text: str, size: float, *, weight: int = 400) -> float:
    """Return about how wide a text is in pixels. Measured on DejaVu Sans, the widest of the fonts in use."""
    return sum(_width(character) for character in text) * size * (1.12 if weight > 400 else 1.0)


def _width(character: str) -> float:
    if unicodedata.combining(character):
        return 0.0
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    if character in "iljtfrI.,:;'|!()[] ":
        return 0.36
    return 0.92 if character in "mwMW@%…" else 0.69 if character.isupper() else 0.59


def fit(text: str, width: float, size: float, *, weight: int = 400) -> str:
    """Return the text, or as much of its beginning as fits into a width, with an ellipsis."""
    text = text[:_MAX_LENGTH]
    if width_of(text, size, weight=weight) <= width:
        return text
    while text and width_of(text + "…", size, weight=weight) > width:
        text = text[:-1]
    return text.rstrip() + "…"
