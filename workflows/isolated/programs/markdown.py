"""What makes HTML of Markdown."""

from __future__ import annotations

from typing import Any

from markdown_it import MarkdownIt


def answer(parts: list[bytes], question: dict[str, Any]) -> dict[str, Any]:
    """Return the HTML of each text, or of which one too much would come out."""
    # CommonMark, with tables and strikethrough as GitHub has them. HTML within stays text, and no link runs a script.
    reader = MarkdownIt("commonmark", {"html": False, "breaks": question["breaks"]}).enable(["table", "strikethrough"])
    results: list[str] = []
    left = question["most_chars"]
    for text in parts:
        results.append(reader.render(text.decode()))
        left -= len(results[-1])
        if left < 0:
            return {"index": len(results) - 1, "problem": "Too many characters would come out."}
    return {"results": results}
