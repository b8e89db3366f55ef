"""What makes Markdown of HTML pages."""

from __future__ import annotations

from typing import Any

from html_to_markdown import ConversionOptions, convert

from workflows.isolated.programs.page_encoding import text_of


def answer(parts: list[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Return the Markdown of each page, or of which one too much would come out."""
    options = ConversionOptions(extract_metadata=False)
    results: list[str] = []
    left = question["most_chars"]
    for page in parts:
        results.append((convert(text_of(page, question["encoding"]), options).content or "").strip())
        left -= len(results[-1])
        if left < 0:
            return {"index": len(results) - 1, "problem": "Too many characters would come out."}
    return {"results": results}
